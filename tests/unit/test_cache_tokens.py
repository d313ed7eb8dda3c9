"""A4: the word of an owner, by which processes know that what another kept is of now."""

import asyncio

from context0.cache.owner_tokens import OwnerTokens
from context0.cache.shared import SharedCache
from stores.reference.cache import ReferenceCache
from tests.engine_bench import Faulty

STALENESS_S = 1.0


class Timer:
    """Stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def tokens_on(store: object, timer: Timer) -> OwnerTokens:
    shared = SharedCache(store, timer=timer)  # type: ignore[arg-type]  # a store with faults
    shared.arm(bytes(32))
    return OwnerTokens(shared, staleness_s=STALENESS_S, timer=timer)


async def told(tokens: OwnerTokens) -> None:
    async with asyncio.timeout(10):
        await tokens.told()
    assert not tokens._untold


async def test_all_processes_know_the_same_word_and_another_after_a_change() -> None:
    store, timer = ReferenceCache(), Timer()
    one, two = tokens_on(store, timer), tokens_on(store, timer)
    first = await one.current("anna")
    assert first is not None
    assert await two.current("anna") == first
    assert await two.current("ben") != first
    one.moved("anna")
    await told(one)
    second = await one.current("anna")
    assert second not in (None, first)
    assert await two.current("anna") == first
    timer.now += STALENESS_S + 0.001
    assert await two.current("anna") == second


async def test_a_word_is_read_once_in_its_time() -> None:
    store, timer = Faulty(ReferenceCache()), Timer()
    tokens = tokens_on(store, timer)
    for _ in range(100):
        await tokens.current("anna")
    assert store.calls["put_missing"] == 1


async def test_a_word_is_never_met_again_when_the_store_was_emptied() -> None:
    store, timer = ReferenceCache(), Timer()
    tokens = tokens_on(store, timer)
    seen = set()
    for _ in range(20):
        seen.add(await tokens.current("anna"))
        store._held.clear()
        timer.now += 2 * STALENESS_S
    assert len(seen) == 20


async def test_while_a_change_is_not_told_there_is_no_word_and_it_is_told_in_the_end() -> None:
    store, timer = Faulty(ReferenceCache()), Timer()
    one, two = tokens_on(store, timer), tokens_on(store, timer)
    before = await one.current("anna")
    store.down("put_many")
    store.called.clear()
    one.moved("anna")
    await store.called.wait()
    assert await one.current("anna") is None
    store.repair()
    one.moved("anna")
    one._closing.set()  # so that the pause before the next attempt is over
    await told(one)
    timer.now += 2 * STALENESS_S
    after = await two.current("anna")
    assert after not in (None, before)
    await one.aclose()
    await one.aclose()


async def test_closing_with_a_store_that_is_down_ends() -> None:
    store, timer = Faulty(ReferenceCache()), Timer()
    store.down()
    tokens = tokens_on(store, timer)
    assert await tokens.current("anna") is None
    tokens.moved("anna")
    async with asyncio.timeout(10):
        await tokens.aclose()


async def test_a_planted_word_is_replaced() -> None:
    store, timer = ReferenceCache(), Timer()
    one, two = tokens_on(store, timer), tokens_on(store, timer)
    await one.current("anna")
    (key,) = store._held
    await store.put_many([(key, b"planted")], ttl_s=60)
    timer.now += 2 * STALENESS_S
    word = await one.current("anna")
    assert word is not None
    assert await two.current("anna") == word
