"""A4: a process that has not read an owner's memories answers with what another has found, never with what is over."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from context0.cache.shared import SharedCache
from context0.memory.engine import MemoryEngine
from stores.reference.cache import ReferenceCache
from tests.engine_bench import EngineBench, Faulty, contents, many, open_bench

CANARY = "zyxcanary4711"


class Fleet:
    """Engines on one store and one shared cache, like processes; the words of owners are read each time."""

    def __init__(self, bench: EngineBench) -> None:
        self.bench = bench
        self.store = Faulty(ReferenceCache())
        self.documents: dict[MemoryEngine, Faulty] = {}

    def process(self) -> MemoryEngine:
        stores: list[Faulty] = []

        def watched(store: Any) -> Any:
            stores.append(Faulty(store))
            return stores[0]

        engine = self.bench.engine(
            documents=watched,
            shared=SharedCache(self.store),  # type: ignore[arg-type]  # a store with faults
            search_cache_bytes=1 << 20,
            owner_index_staleness_s=0.0,
        )
        self.documents[engine] = stores[0]
        return engine

    async def told(self, engine: MemoryEngine) -> None:
        """Wait until the others can know what `engine` has written."""
        shared = engine._answers.searches._shared
        assert shared is not None
        async with asyncio.timeout(10):
            await shared.tokens.told()

    def read_all(self, engine: MemoryEngine) -> bool:
        """Say whether the engine has read the owner's memories."""
        return self.documents[engine].calls["scan"] > 0


@pytest.fixture(params=["reference", "sqlite"])
async def fleet(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Fleet]:
    async with open_bench(request.param, tmp_path) as bench:
        yield Fleet(bench)


@pytest.fixture
async def warm(fleet: Fleet) -> MemoryEngine:
    engine = fleet.process()
    await engine.add_many(many(20, "tea note {n}"), user_id="anna")
    await engine.add(f"tea {CANARY}", user_id="anna")
    await fleet.told(engine)
    await engine.search("tea", user_id="anna")
    return engine


async def test_what_one_has_found_another_answers_without_reading_all(fleet: Fleet, warm: MemoryEngine) -> None:
    cold = fleet.process()
    mine, others = await warm.search("tea", user_id="anna"), await cold.search("tea", user_id="anna")
    assert not fleet.read_all(cold)
    assert (others.items, others.relevance) == (mine.items, mine.relevance)
    following = [await one.search("tea", user_id="anna", cursor=mine.next_cursor) for one in (warm, cold)]
    assert contents(following[0]) == contents(following[1])
    assert (await cold.search("tea", user_id="ben")).items == ()


@pytest.mark.parametrize("change", ["add", "update", "delete", "delete_all", "expire"])
async def test_what_was_found_before_a_change_is_not_answered(fleet: Fleet, warm: MemoryEngine, change: str) -> None:
    page = await warm.list(user_id="anna")
    if change == "expire":
        await warm.add("tea today", user_id="anna", expires_at=fleet.bench.clock.at.replace(year=2030))
        await fleet.told(warm)
        await warm.search("tea", user_id="anna")
        fleet.bench.clock.at = fleet.bench.clock.at.replace(year=2031)
    elif change == "add":
        await warm.add("tea for two", user_id="anna")
    elif change == "update":
        await warm.update(page.items[0].id, user_id="anna", content="tea with milk")
    elif change == "delete":
        await warm.delete(page.items[0].id, user_id="anna")
    else:
        await warm.delete_all(user_id="anna")
    await fleet.told(warm)
    cold = fleet.process()
    found = contents(await cold.search("tea", user_id="anna", limit=100))
    fresh = contents(await fleet.bench.engine().search("tea", user_id="anna", limit=100))
    assert sorted(found) == sorted(fresh)
    assert fleet.read_all(cold)


async def test_what_was_deleted_does_not_come_back_also_if_nobody_was_told(fleet: Fleet, warm: MemoryEngine) -> None:
    silent = fleet.bench.engine()
    gone = (await silent.search("tea", user_id="anna")).items[0].memory
    await silent.delete(gone.id, user_id="anna")
    cold = fleet.process()
    assert gone.content not in contents(await cold.search("tea", user_id="anna", limit=100))
    assert gone.content not in contents(await cold.search("tea", user_id="anna"))


async def test_no_word_of_a_memory_and_no_name_lies_in_the_shared_cache(fleet: Fleet, warm: MemoryEngine) -> None:
    await warm.search(CANARY, user_id="anna")
    held = repr(fleet.store._store._held)
    assert len(fleet.store._store._held) >= 3
    assert CANARY not in held
    assert "anna" not in held


async def test_a_shared_cache_that_is_down_or_emptied_changes_no_answer(fleet: Fleet, warm: MemoryEngine) -> None:
    expected = contents(await warm.search("tea", user_id="anna"))
    fleet.store._store._held.clear()
    assert contents(await fleet.process().search("tea", user_id="anna")) == expected
    fleet.store.down()
    assert contents(await fleet.process().search("tea", user_id="anna")) == expected
    await warm.add("more tea", user_id="anna")
    assert "more tea" in contents(await warm.search("tea", user_id="anna", limit=100))


async def test_many_who_ask_a_cold_process_the_same_are_one_look(fleet: Fleet, warm: MemoryEngine) -> None:
    cold = fleet.process()
    fleet.store.calls.clear()
    found = await asyncio.gather(*(cold.search("tea", user_id="anna") for _ in range(500)))
    assert len({tuple(contents(one)) for one in found}) == 1
    assert fleet.store.calls["get_many"] == 1


@pytest.mark.parametrize("seed", range(5))
async def test_no_process_ever_answers_with_what_is_over(fleet: Fleet, seed: int) -> None:
    """Random writes by three processes; each answer, of a warm or a cold process, is what a new engine finds."""
    draw = random.Random(seed)
    fleet_of = [fleet.process() for _ in range(3)]
    await fleet_of[0].add_many(many(5, "tea note {n}"), user_id="anna")
    for step in range(25):
        writer = draw.choice(fleet_of)
        page = await writer.list(user_id="anna", limit=100)
        action = draw.choice(["add", "add", "update", "delete"]) if page.items else "add"
        if action == "add":
            await writer.add(f"tea of step {step}", user_id="anna")
        elif action == "update":
            await writer.update(draw.choice(page.items).id, user_id="anna", content=f"tea changed in step {step}")
        else:
            await writer.delete(draw.choice(page.items).id, user_id="anna")
        await fleet.told(writer)
        asked = draw.choice([*fleet_of, fleet.process()])
        for limit in (5, 100):
            found = await asked.search("tea", user_id="anna", limit=limit)
            living = {one.id: one.content for one in (await writer.list(user_id="anna", limit=100)).items}
            assert {one.memory.id: one.memory.content for one in found.items}.items() <= living.items()
            assert len(found.items) == min(limit, len(living))
