"""Vectors are remembered, within bounds, and embedded once for all who ask together."""

import asyncio
from datetime import timedelta

import numpy as np
import pytest

from context0.embeddings.cached import Cached
from context0.embeddings.keys import VectorSource
from context0.errors import EmbeddingInvalid, EmbeddingUnavailable
from tests.scripted_embedder import ScriptedEmbedder, rows_of

SOURCE = VectorSource(provider="scripted", model="4")


@pytest.fixture
def provider() -> ScriptedEmbedder:
    return ScriptedEmbedder()


@pytest.fixture
def embedder(provider) -> Cached:
    return Cached(provider, SOURCE)


async def test_a_known_text_costs_no_call(provider, embedder):
    first = await embedder.embed(["a"])
    np.testing.assert_array_equal(await embedder.embed(["a"]), first)
    np.testing.assert_array_equal(first, rows_of(["a"]))
    assert provider.calls == [["a"]]


async def test_only_misses_go_on_in_one_call_and_the_order_is_kept(provider, embedder):
    await embedder.embed(["b", "d"])
    answer = await embedder.embed(["a", "b", "c", "d", "e"])
    assert provider.calls == [["b", "d"], ["a", "c", "e"]]
    np.testing.assert_array_equal(answer, rows_of(["a", "b", "c", "d", "e"]))


async def test_a_text_twice_in_one_call_is_embedded_once(provider, embedder):
    answer = await embedder.embed(["a", "b", "a", "a"])
    assert provider.calls == [["a", "b"]]
    np.testing.assert_array_equal(answer, rows_of(["a", "b", "a", "a"]))


async def test_no_texts_are_passed_on(provider, embedder):
    assert (await embedder.embed([])).shape == (0, 4)
    assert provider.calls == [[]]


async def test_statistics_count_texts_and_bytes(embedder):
    await embedder.embed(["a", "b"])
    await embedder.embed(["a"])
    await embedder.embed(["a", "c", "b"])
    told = embedder.statistics()
    assert (told.hits, told.misses, told.evictions, told.entries) == (3, 3, 0, 3)
    assert told.bytes == 3 * (4 * 4 + 700)


@pytest.mark.parametrize("texts", [["a"], ["a", "b"]])
async def test_no_caller_can_change_what_others_get(provider, embedder, texts):
    for _ in range(2):
        answer = await embedder.embed(texts)
        with pytest.raises(ValueError, match="read-only"):
            answer[0, 0] = 7
    [hit] = await embedder.embed(["a"])
    with pytest.raises(ValueError, match="WRITEABLE"):
        hit.flags.writeable = True
    provider.answer(["a"])[0, 0] = 7
    np.testing.assert_array_equal(await embedder.embed(["a"]), rows_of(["a"]))


async def test_the_bytes_are_bounded_and_the_least_recently_used_leave(provider):
    embedder = Cached(provider, SOURCE, max_bytes=3 * 716)
    await embedder.embed(["a", "b", "c"])
    await embedder.embed(["a"])
    await embedder.embed(["d"])
    told = embedder.statistics()
    assert (told.evictions, told.entries) == (1, 3)
    assert told.bytes <= 3 * 716
    await embedder.embed(["a", "c", "d"])
    assert provider.calls == [["a", "b", "c"], ["d"]]
    await embedder.embed(["b"])
    assert provider.calls[-1] == ["b"]


async def test_a_call_larger_than_the_cache_is_answered_in_full(provider):
    embedder = Cached(provider, SOURCE, max_bytes=2 * 716)
    texts = [f"text {number}" for number in range(10)]
    np.testing.assert_array_equal(await embedder.embed(texts), rows_of(texts))
    assert embedder.statistics().entries == 2
    tiny = Cached(provider, SOURCE, max_bytes=1)
    np.testing.assert_array_equal(await tiny.embed(texts), rows_of(texts))
    assert tiny.statistics().entries == 0


async def test_a_vector_is_forgotten_after_its_time(provider):
    now = 0.0
    embedder = Cached(provider, SOURCE, ttl=timedelta(hours=24), timer=lambda: now)
    await embedder.embed(["a"])
    now = 24 * 3600 - 1.0
    await embedder.embed(["a"])
    assert len(provider.calls) == 1
    now = 24 * 3600 + 1.0
    await embedder.embed(["a"])
    assert len(provider.calls) == 2
    assert embedder.statistics().evictions == 0


async def test_a_thousand_concurrent_misses_of_one_text_cost_one_call(provider, embedder):
    answers = await asyncio.gather(*(embedder.embed(["a"]) for _ in range(1000)))
    assert provider.calls == [["a"]]
    assert all((answer == rows_of(["a"])).all() for answer in answers)


async def test_overlapping_calls_share_what_is_under_way(provider, embedder):
    provider.gate.clear()
    first = asyncio.create_task(embedder.embed(["a", "b"]))
    await provider.called(1)
    second = asyncio.create_task(embedder.embed(["c", "b", "a", "d"]))
    await provider.called(2)
    provider.gate.set()
    np.testing.assert_array_equal(await second, rows_of(["c", "b", "a", "d"]))
    np.testing.assert_array_equal(await first, rows_of(["a", "b"]))
    assert provider.calls == [["a", "b"], ["c", "d"]]


async def test_the_cancelled_leader_fails_no_follower_and_its_vector_is_remembered(provider, embedder):
    provider.gate.clear()
    leader = asyncio.create_task(embedder.embed(["a"]))
    await provider.called(1)
    followers = [asyncio.create_task(embedder.embed(["a"])) for _ in range(5)]
    await asyncio.sleep(0)
    leader.cancel()
    await asyncio.wait([leader])
    provider.gate.set()
    for answer in await asyncio.gather(*followers):
        np.testing.assert_array_equal(answer, rows_of(["a"]))
    await embedder.embed(["a"])
    assert leader.cancelled()
    assert provider.calls == [["a"]]


async def test_a_lone_caller_that_gives_up_still_leaves_its_vector_behind(provider, embedder):
    provider.gate.clear()
    caller = asyncio.create_task(embedder.embed(["a"]))
    await provider.called(1)
    caller.cancel()
    await asyncio.wait([caller])
    provider.gate.set()
    np.testing.assert_array_equal(await embedder.embed(["a"]), rows_of(["a"]))
    assert provider.calls == [["a"]]


async def test_an_error_reaches_all_who_wait_and_is_not_remembered(provider, embedder):
    def fail(_):
        raise EmbeddingUnavailable("no answer")

    provider.answer = fail
    answers = await asyncio.gather(*(embedder.embed(["a"]) for _ in range(3)), return_exceptions=True)
    assert all(isinstance(answer, EmbeddingUnavailable) for answer in answers)
    assert provider.calls == [["a"]]
    provider.answer = rows_of
    np.testing.assert_array_equal(await embedder.embed(["a"]), rows_of(["a"]))
    assert embedder.statistics().entries == 1


async def test_a_follower_is_not_failed_by_a_text_that_it_did_not_ask_for(provider, embedder):
    def refuse(texts):
        if "bad" in texts:
            raise EmbeddingInvalid("refused")
        return rows_of(texts)

    provider.answer = refuse
    provider.gate.clear()
    leader = asyncio.create_task(embedder.embed(["a", "bad", "b"]))
    await provider.called(1)
    followers = [asyncio.create_task(embedder.embed([text])) for text in ("a", "b", "a", "bad")]
    await asyncio.sleep(0)
    provider.gate.set()
    *good, bad = await asyncio.gather(*followers, return_exceptions=True)
    for text, answer in zip("aba", good, strict=True):
        np.testing.assert_array_equal(answer, rows_of([text]))
    assert isinstance(bad, EmbeddingInvalid)
    with pytest.raises(EmbeddingInvalid):
        await leader
    assert sorted(provider.calls[1:]) == [["a"], ["b"], ["bad"]]


async def test_a_failure_that_nobody_waits_for_any_more_is_not_reported_as_lost(provider, embedder, caplog):
    def fail(_):
        raise EmbeddingUnavailable("no answer")

    provider.answer = fail
    provider.gate.clear()
    caller = asyncio.create_task(embedder.embed(["a"]))
    await provider.called(1)
    [flight] = {flight.task for flight in embedder._flights.values()}
    caller.cancel()
    provider.gate.set()
    await asyncio.wait([caller, flight])
    del flight
    assert not caplog.records


@pytest.mark.parametrize("begun", [True, False])
async def test_closing_fails_the_calls_under_way_and_all_later_misses(provider, embedder, begun):
    await embedder.embed(["known"])
    provider.gate.clear()
    caller = asyncio.create_task(embedder.embed(["a"]))
    await (provider.called(2) if begun else asyncio.sleep(0))
    await embedder.aclose()
    with pytest.raises(EmbeddingUnavailable):
        await caller
    with pytest.raises(EmbeddingUnavailable):
        await embedder.embed(["b"])
    np.testing.assert_array_equal(await embedder.embed(["known"]), rows_of(["known"]))
    await embedder.aclose()


async def test_passes_on_what_it_wraps(provider, embedder):
    assert (embedder.model, embedder.dimension, embedder.local) == ("scripted/4", None, False)
    await embedder.aclose()
    assert provider.closed == 1
