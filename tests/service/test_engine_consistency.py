"""A read that sends a consistency token sees at least that write, in any process, whatever its caches hold. A4, D12."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import pytest

from context0.cache.shared import SharedCache
from context0.errors import InvalidConsistencyToken
from context0.memory.engine import MemoryEngine
from stores.errors import Unavailable
from stores.reference.cache import ReferenceCache
from tests.engine_bench import REGIMES, EngineBench, FakeClock, Faulty, contents, many

NEVER: Final = 3_600.0
"""Without a token, nothing of the other process is seen for an hour: what is seen was asked for."""


class Pair:
    """Two engines as in two processes: neither looks for changes by itself within the test."""

    def __init__(self, bench: EngineBench, **limits: Any) -> None:
        self.bench = bench
        self.cache = ReferenceCache()
        self._limits = limits
        self.stores: list[Faulty] = []
        self.writer, self.reader = self.engine(), self.engine()

    def engine(self) -> MemoryEngine:
        def watched(store: Any) -> Any:
            self.stores.append(Faulty(store))
            return self.stores[-1]

        limits = {
            "owner_index_staleness_s": NEVER,
            "search_cache_bytes": 1 << 20,
            "list_cache_bytes": 1 << 20,
            **self._limits,
        }
        return self.bench.engine(documents=watched, shared=SharedCache(self.cache), **limits)

    async def warm(self) -> None:
        """Let both have the owner's memories, and answers of before, in their caches."""
        await self.writer.add_many(many(20, "tea note {n}"), user_id="anna")
        for engine, alone in ((self.writer, "lute"), (self.reader, "horn")):
            await engine.search(alone, user_id="anna")  # nobody has found this: the memories are read
            await engine.search("harp", user_id="anna")
            await engine.search("harp", user_id="anna")
            await engine.list(user_id="anna")

    async def catch_up(self) -> None:
        token = self.writer.consistency_token(user_id="anna")
        assert token is not None
        await self.reader.catch_up(token, user_id="anna")


@pytest.fixture
async def pair(bench: EngineBench, regime: str) -> Pair:
    made = Pair(bench, **REGIMES[regime])
    await made.warm()
    return made


async def _added(engine: MemoryEngine) -> None:
    await engine.add("the harp is mauve", user_id="anna")


async def _changed(engine: MemoryEngine) -> None:
    memory = (await engine.list(user_id="anna", limit=1)).items[0]
    await engine.update(memory.id, user_id="anna", content="the harp is mauve")


async def _taken_in(engine: MemoryEngine) -> None:
    await engine.ingest([{"content": "the harp is mauve"}], user_id="anna")


@pytest.mark.parametrize("write", [_added, _changed, _taken_in], ids=lambda write: str(write.__name__))
async def test_a_write_is_found_and_listed_with_its_token(
    pair: Pair, write: Callable[[MemoryEngine], Awaitable[None]]
) -> None:
    await write(pair.writer)
    await pair.catch_up()
    assert contents(await pair.reader.search("harp", user_id="anna"))[0] == "the harp is mauve"
    assert "the harp is mauve" in contents(await pair.reader.list(user_id="anna", limit=20))
    semantic = await pair.reader.search("harp mauve", user_id="anna", strategies=["semantic"])
    assert contents(semantic)[0] == "the harp is mauve"


async def test_what_was_deleted_or_erased_is_not_shown_with_its_token(pair: Pair) -> None:
    memory = await pair.writer.add("the harp is mauve", user_id="anna")
    await pair.catch_up()
    for _ in range(2):
        assert contents(await pair.reader.search("harp", user_id="anna"))[0] == memory.content
    await pair.writer.delete(memory.id, user_id="anna")
    await pair.catch_up()
    assert memory.content not in contents(await pair.reader.search("harp", user_id="anna"))
    assert memory.content not in contents(await pair.reader.list(user_id="anna"))
    await pair.writer.delete_all(user_id="anna")
    await pair.catch_up()
    assert (await pair.reader.search("tea", user_id="anna")).items == ()
    assert (await pair.reader.list(user_id="anna")).items == ()


async def test_without_a_token_the_stated_bound_holds(bench: EngineBench) -> None:
    pair = Pair(bench)
    await pair.warm()
    await _added(pair.writer)
    assert "the harp is mauve" not in contents(await pair.reader.search("harp", user_id="anna"))


async def test_a_token_costs_one_look_when_it_is_new_and_nothing_afterwards(bench: EngineBench) -> None:
    pair = Pair(bench)
    await pair.warm()
    await _added(pair.writer)
    calls = pair.stores[1].calls
    calls.clear()
    await pair.catch_up()
    assert dict(calls) == {"scan": 1}
    await pair.catch_up()
    own = pair.writer.consistency_token(user_id="anna")
    assert own is not None
    pair.stores[0].calls.clear()
    await pair.writer.catch_up(own, user_id="anna")
    assert (dict(calls), dict(pair.stores[0].calls)) == ({"scan": 1}, {})


async def test_for_an_owner_who_is_not_in_memory_a_token_costs_nothing(bench: EngineBench) -> None:
    """What another process has found is not answered then: it may be older."""
    pair = Pair(bench)
    await pair.warm()
    found = await pair.writer.search("mauve", user_id="anna")  # kept for all
    cold = pair.engine()
    await cold.list(user_id="ben")
    await _added(pair.writer)
    pair.stores[2].calls.clear()
    token = pair.writer.consistency_token(user_id="anna")
    assert token is not None
    await cold.catch_up(token, user_id="anna")
    assert dict(pair.stores[2].calls) == {}
    assert "the harp is mauve" not in contents(found)
    assert contents(await cold.search("mauve", user_id="anna"))[0] == "the harp is mauve"


async def test_a_clock_that_is_late_hides_nothing(bench: EngineBench) -> None:
    """D12: the writer's clock is ten minutes behind that of others, so its change looks old."""
    pair = Pair(bench)
    await pair.warm()
    late = FakeClock(bench.clock.at)
    late.advance(minutes=-10)
    object.__setattr__(pair.writer._parts, "clock", late)
    await _added(pair.writer)
    await pair.catch_up()
    assert contents(await pair.reader.search("harp", user_id="anna"))[0] == "the harp is mauve"


async def test_a_look_that_began_before_the_write_does_not_do(bench: EngineBench) -> None:
    pair = Pair(bench)
    await pair.warm()
    stalled = asyncio.Event()
    reading = pair.stores[1]
    begun = asyncio.Event()

    async def stall() -> None:
        begun.set()
        await stalled.wait()

    reading.before["scan"] = stall
    scope = pair.reader._indexes._held.copy().popitem()[0]
    earlier = asyncio.create_task(pair.reader._indexes._shared(scope, pair.reader._indexes._refresh))
    await begun.wait()
    before = reading.calls["scan"]
    await _added(pair.writer)
    catching = [asyncio.create_task(pair.catch_up()) for _ in range(5)]
    await asyncio.sleep(0)
    stalled.set()
    await asyncio.gather(earlier, *catching)
    assert reading.calls["scan"] == before + 1, "one look for all five"
    assert contents(await pair.reader.search("harp", user_id="anna"))[0] == "the harp is mauve"


async def test_a_store_that_is_down_is_no_old_answer(bench: EngineBench) -> None:
    pair = Pair(bench)
    await pair.warm()
    await _added(pair.writer)
    pair.stores[1].down("scan")
    with pytest.raises(Unavailable):
        await pair.catch_up()
    pair.stores[1].repair()
    await pair.catch_up()
    assert contents(await pair.reader.search("harp", user_id="anna"))[0] == "the harp is mauve"


async def test_a_token_of_another_owner_is_refused(bench: EngineBench) -> None:
    """S8"""
    pair = Pair(bench)
    await pair.warm()
    token = pair.writer.consistency_token(user_id="anna")
    assert token is not None
    for wrong in (token + "x", "", "a.b.c.d"):
        with pytest.raises(InvalidConsistencyToken):
            await pair.reader.catch_up(wrong, user_id="anna")
    with pytest.raises(InvalidConsistencyToken):
        await pair.reader.catch_up(token, user_id="ben")
