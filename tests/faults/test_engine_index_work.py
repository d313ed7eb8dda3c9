"""Index work that comes late or is cut off: it brings nothing back that was forgotten, and loses nothing that was told.

Each race is played at every point where the work waits for a store or for the embedder.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final

import pytest

from context0.memory.engine import MemoryEngine
from stores.errors import Unavailable
from stores.reference.vectors import ReferenceVectors
from tests.contracts.builders import ANNA
from tests.engine_bench import EngineBench, Faulty, HashingEmbedder, contents, count_of, many, open_bench

POINTS: Final = ("embed", "get_many", "put_many", "mark")
"""Where the work on a memory waits: for its vector, its text, the vector store, and the document store again."""


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[EngineBench]:
    async with open_bench("sqlite", tmp_path) as opened:
        yield opened


class Stage:
    """An engine whose index work stands still at one point; `vectors` and `embedder` are remote ones."""

    def __init__(self, bench: EngineBench, point: str, **limits: Any) -> None:
        self.embedder, self.vectors = Faulty(HashingEmbedder(local=False)), Faulty(ReferenceVectors())
        self.engine = bench.engine(documents=Faulty, vectors=self.vectors, embedder=self.embedder, **limits)
        documents: Any = self.engine._parts.documents
        self.documents: Faulty = documents
        self.reached, self.released = asyncio.Event(), asyncio.Event()
        place = {"embed": self.embedder, "put_many": self.vectors}.get(point, self.documents)
        self.held = (place, point)

    async def add_and_hold(self, content: str = "Anna lives in Munich") -> str:
        """Add a memory, start the work on it, and return its id once the work stands still."""
        place, point = self.held
        await self.engine.list(user_id="anna")
        place.before[point] = self._hold
        added = await self.engine.add(content, user_id="anna")
        async with asyncio.timeout(5):
            await self.reached.wait()
        place.before.clear()
        return added.id

    async def release(self) -> None:
        """Let the work go on to its end, and do what is left."""
        self.released.set()
        await self.engine.flush()

    async def _hold(self) -> None:
        self.reached.set()
        await self.released.wait()


async def assert_nothing_is_left(stage: Stage) -> None:
    engine = stage.engine
    assert (await engine.list(user_id="anna")).items == ()
    for strategies in (["semantic"], ["keyword"], None):
        assert (await engine.search("Munich", user_id="anna", strategies=strategies)).items == ()
    assert await count_of(engine) == 0, "no tombstone either"
    assert await stage.vectors.count(ANNA) == 0, "no orphan"


@pytest.mark.parametrize("point", POINTS)
async def test_late_work_does_not_bring_back_what_was_deleted(bench: EngineBench, point: str) -> None:
    """B4"""
    stage = Stage(bench, point)
    memory_id = await stage.add_and_hold()
    await stage.engine.search("Munich", user_id="anna", strategies=["keyword"])
    await stage.engine.delete(memory_id, user_id="anna")
    await stage.release()
    await assert_nothing_is_left(stage)


@pytest.mark.parametrize("point", POINTS)
async def test_late_work_does_not_bring_back_who_was_erased(bench: EngineBench, point: str) -> None:
    stage = Stage(bench, point)
    await stage.add_and_hold()
    await stage.engine.search("Munich", user_id="anna", strategies=["keyword"])
    erasing = asyncio.create_task(stage.engine.delete_all(user_id="anna"))
    await asyncio.sleep(0.05)
    stage.released.set()
    receipt = await erasing
    assert receipt.ok
    assert {store.store: store.remaining for store in receipt.stores if store.remaining} == {}
    assert await stage.vectors.count(ANNA) == 0, "what the receipt says holds when it is given"
    await stage.engine.flush()
    await assert_nothing_is_left(stage)


@pytest.mark.parametrize("point", POINTS)
async def test_late_work_does_not_bring_back_whom_another_process_erased(bench: EngineBench, point: str) -> None:
    stage = Stage(bench, point)
    await stage.add_and_hold()
    other = bench.engine(vectors=stage.vectors, embedder=stage.embedder)
    assert (await other.delete_all(user_id="anna")).ok
    await stage.release()
    await assert_nothing_is_left(stage)


@pytest.mark.parametrize("point", POINTS)
async def test_late_work_for_an_older_version_has_no_effect(bench: EngineBench, point: str) -> None:
    stage = Stage(bench, point)
    memory_id = await stage.add_and_hold("Anna lives in Munich")
    await stage.engine.update(memory_id, user_id="anna", content="Anna bakes bread")
    await stage.release()
    stored = await stage.engine.get(memory_id, user_id="anna")
    assert (stored.content, stored.index.state, stored.index.generation) == ("Anna bakes bread", "done", 2)
    expected = (await HashingEmbedder().embed(["Anna bakes bread"]))[0]
    ((_, likeness),) = await stage.vectors.query(expected, scope=ANNA, limit=5)
    assert likeness == pytest.approx(1)
    assert contents(await stage.engine.search("bread", user_id="anna", strategies=["keyword"])) == ["Anna bakes bread"]


@pytest.mark.parametrize("point", POINTS)
async def test_work_that_fails_anywhere_is_done_later(bench: EngineBench, point: str) -> None:
    """B4: a failure in the background never fails the add, and is repaired."""
    stage = Stage(bench, point)
    place, _ = stage.held
    await stage.engine.list(user_id="anna")
    place.faults[point] = Unavailable("down for a moment")
    added = await stage.engine.add("Anna lives in Munich", user_id="anna")
    with_failure: Callable[[], Any] = stage.engine.flush
    await asyncio.gather(with_failure(), return_exceptions=True)
    place.repair()
    bench.clock.advance(minutes=1)
    await stage.engine.flush()
    assert (await stage.engine.get(added.id, user_id="anna")).index.state == "done"
    assert await stage.vectors.count(ANNA) == 1
    found = await stage.engine.search("Munich", user_id="anna", strategies=["semantic"])
    assert contents(found) == ["Anna lives in Munich"]


@pytest.mark.parametrize("point", POINTS)
async def test_work_that_is_cut_off_by_the_end_of_the_process_is_done_by_the_next(
    bench: EngineBench, point: str
) -> None:
    stage = Stage(bench, point)
    memory_id = await stage.add_and_hold()
    await stage.engine.aclose()
    after = bench.engine(vectors=stage.vectors, embedder=stage.embedder)
    await after.flush()
    assert (await after.get(memory_id, user_id="anna")).index.state == "done"
    assert await stage.vectors.count(ANNA) == 1


async def test_a_deletion_is_confirmed_by_every_index_before_its_tombstone_goes(bench: EngineBench) -> None:
    vectors = Faulty(ReferenceVectors())
    engine = bench.engine(vectors=vectors)
    kept, gone = await engine.add_many(many(2), user_id="anna", wait=True)
    vectors.down("delete_many")
    await engine.delete(gone.id, user_id="anna")
    await engine.flush()
    assert (await count_of(engine), await vectors.count(ANNA)) == (2, 2)
    assert contents(await engine.search("note", user_id="anna")) == [kept.content]
    vectors.repair()
    bench.clock.advance(minutes=1)
    await engine.flush()
    assert (await count_of(engine), await vectors.count(ANNA)) == (1, 1)


async def test_the_work_of_one_user_is_not_held_up_by_another_ones_failure(bench: EngineBench) -> None:
    class OnlyBen(ReferenceVectors):
        async def put_many(self, points: Any, *, scope: Any) -> None:
            if scope == ANNA:
                raise Unavailable("her namespace is broken")
            await super().put_many(points, scope=scope)

    engine = bench.engine(vectors=OnlyBen())
    hers = await engine.add("note", user_id="anna", wait=True)
    his = await engine.add("note", user_id="ben", wait=True)
    assert (await engine.get(hers.id, user_id="anna")).index.state == "pending"
    assert (await engine.get(his.id, user_id="ben")).index.state == "done"


async def test_thousands_of_pending_memories_are_embedded_in_batches(bench: EngineBench) -> None:
    """B4"""
    embedder = HashingEmbedder(local=False)
    engine = bench.engine(embedder=embedder)
    await engine.add_many(many(700), user_id="anna", wait=True)
    assert [len(call) for call in embedder.calls] == [256, 256, 188]
    assert {memory.index.state for memory in await first_thousand(engine)} == {"done"}


async def first_thousand(engine: MemoryEngine) -> tuple[Any, ...]:
    return (await engine.list(user_id="anna", limit=1_000)).items
