"""D21: what many ask for at once is fetched once; who goes away takes no answer from others; errors are not kept."""

import asyncio

import pytest

from context0.cache.bounded import BoundedCache
from context0.cache.loading import LoadingCache
from context0.cache.single_flight import SingleFlight
from tests.upstream import Upstream


def loading(**options: object) -> LoadingCache[str, str]:
    return LoadingCache(BoundedCache(max_bytes=1 << 20, ttl_s=60), **options)  # type: ignore[arg-type]  # keeps only


async def begun(upstream: Upstream) -> None:
    await upstream.called.wait()


async def test_a_thousand_misses_of_one_key_are_one_call() -> None:
    cache, upstream = loading(), Upstream()
    asked = [asyncio.create_task(cache.get_or_load("key", upstream)) for _ in range(1_000)]
    await begun(upstream)
    upstream.go.set()
    assert set(await asyncio.gather(*asked)) == {"answer 1"}
    assert await cache.get_or_load("key", upstream) == "answer 1"
    assert upstream.calls == 1


@pytest.mark.parametrize("gone", [1, 500, 999])
async def test_followers_get_their_answer_when_the_leader_goes_away(gone: int) -> None:
    cache, upstream = loading(), Upstream()
    asked = [asyncio.create_task(cache.get_or_load("key", upstream)) for _ in range(1_000)]
    await begun(upstream)
    for task in asked[:gone]:
        task.cancel()
    await asyncio.sleep(0)
    upstream.go.set()
    assert set(await asyncio.gather(*asked[gone:])) == {"answer 1"}
    assert all(task.cancelled() for task in asked[:gone])
    assert upstream.calls == 1


async def test_what_nobody_waits_for_any_more_is_kept_all_the_same() -> None:
    cache, upstream = loading(), Upstream()
    task = asyncio.create_task(cache.get_or_load("key", upstream))
    await begun(upstream)
    task.cancel()
    upstream.go.set()
    assert await cache.get_or_load("key", upstream) == "answer 1"
    assert upstream.calls == 1


async def test_an_error_goes_to_all_who_wait_and_the_next_asks_anew() -> None:
    cache, upstream = loading(), Upstream()
    upstream.error = ValueError("down")
    asked = [asyncio.create_task(cache.get_or_load("key", upstream)) for _ in range(1_000)]
    await begun(upstream)
    upstream.go.set()
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert {str(answer) for answer in answers} == {"down"}
    upstream.error = None
    assert await cache.get_or_load("key", upstream) == "answer 2"


async def test_an_error_that_nobody_waits_for_is_not_reported_as_lost() -> None:
    cache, upstream = loading(), Upstream()
    upstream.error = ValueError("down")
    task = asyncio.create_task(cache.get_or_load("key", upstream))
    await begun(upstream)
    task.cancel()
    upstream.go.set()
    upstream.error = ValueError("still down")
    with pytest.raises(ValueError, match="down"):
        await cache.get_or_load("key", upstream)


async def test_what_is_discarded_while_it_is_fetched_is_not_kept() -> None:
    cache, upstream = loading(), Upstream()
    task = asyncio.create_task(cache.get_or_load("key", upstream))
    await begun(upstream)
    cache.discard("key")
    upstream.go.set()
    assert await task == "answer 1"
    assert await cache.get_or_load("key", upstream) == "answer 2"
    assert await cache.get_or_load("key", upstream) == "answer 2"


async def test_an_answer_that_is_not_to_be_kept_is_asked_for_again() -> None:
    cache, upstream = loading(keeps=lambda answer: answer != "answer 1"), Upstream()
    upstream.go.set()
    answers = [await cache.get_or_load("key", upstream) for _ in range(3)]
    assert answers == ["answer 1", "answer 2", "answer 2"]


async def test_keys_do_not_wait_for_each_other() -> None:
    cache, slow, quick = loading(), Upstream(), Upstream()
    quick.go.set()
    waiting = asyncio.create_task(cache.get_or_load("slow", slow))
    assert await cache.get_or_load("quick", quick) == "answer 1"
    slow.go.set()
    await waiting


async def test_closing_stops_what_is_under_way_and_tells_who_waits() -> None:
    flights: SingleFlight[str, str] = SingleFlight()
    upstream = Upstream()
    waiting = asyncio.create_task(flights.run("key", upstream))
    await begun(upstream)
    await flights.aclose()
    await flights.aclose()
    with pytest.raises(RuntimeError, match="closed"):
        await waiting
    with pytest.raises(RuntimeError, match="closed"):
        await flights.run("key", upstream)
