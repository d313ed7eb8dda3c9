"""Index work between processes: leases by the time of the store, narrowing down what is lost, and what is given up."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from context0.errors import InvalidInput
from context0.memory.due_work import MAX_LOST, DueWork, StoreTime
from stores.errors import InvalidCursor, Unavailable
from stores.records import IndexMark, Scope
from stores.reference.documents import ReferenceDocuments
from tests.contracts.builders import ANNA, NOW, PENDING, build_document, build_many, put
from tests.engine_bench import EngineBench, FakeClock, Faulty, HashingEmbedder, contents, many, open_bench

LEASE_S = 60.0


@pytest.fixture(params=["reference", "sqlite"])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[EngineBench]:
    async with open_bench(request.param, tmp_path) as opened:
        yield opened


class ServedDocuments(ReferenceDocuments):
    """A store on another machine, whose clock is right."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    async def time(self) -> datetime:
        self.asked += 1
        return datetime(2026, 5, 1, 12, tzinfo=UTC)


# --- leases


async def test_leases_count_by_the_time_of_the_store_whatever_the_clocks_of_workers_say() -> None:
    """D15: no early steal by a worker whose clock is hours ahead, no work that waits for one that is behind."""
    documents = ServedDocuments()
    await put(documents, *build_many(3, index=PENDING))
    right, ahead, behind = (
        DueWork(documents, FakeClock(NOW + timedelta(hours=hours)), lease_s=LEASE_S) for hours in (0, 2, -2)
    )
    assert len(await behind.take()) == 3
    assert await ahead.take() == []
    assert await right.take() == []
    assert abs(ahead.now() - behind.now()) < timedelta(seconds=1)
    assert documents.asked == 3, "once a minute is enough"


async def test_a_store_without_a_clock_counts_by_this_machine() -> None:
    clock = FakeClock()
    told = StoreTime(ReferenceDocuments(), clock)
    await told.refresh()
    clock.advance(hours=1)
    assert told.now() == clock.now()


async def test_what_is_lost_again_and_again_comes_in_smaller_groups() -> None:
    """D16: 256, 16, one at a time; what was never lost goes first."""
    documents, clock = ReferenceDocuments(), FakeClock()
    given = build_many(40, index=PENDING)
    await put(documents, *given)
    due = DueWork(documents, clock, lease_s=LEASE_S)
    sizes = []
    for _ in range(MAX_LOST):
        sizes.append(len(await due.take()))
        clock.advance(seconds=LEASE_S)
    assert sizes == [40, 16, 16, 8, 1]
    await put(documents, build_document("new", index=PENDING))
    taken = await due.take()
    assert [work.lost for work in taken] == [0], "the new one is not held up"


async def test_what_could_not_be_worked_on_is_given_back_as_it_was() -> None:
    documents, clock = ReferenceDocuments(), FakeClock()
    await put(documents, *build_many(2, index=PENDING))
    due = DueWork(documents, clock, lease_s=LEASE_S)
    works = await due.take()
    due.owe(works)
    again = await due.take()
    assert [work.lost for work in again] == [0, 0]


async def test_an_outage_of_the_store_in_the_middle_is_no_loss_of_a_worker(bench: EngineBench) -> None:
    embedder = HashingEmbedder(local=False)
    engine = bench.engine(documents=Faulty, embedder=embedder, index_lease_s=LEASE_S)
    documents: Any = engine._parts.documents
    added = await engine.add("note", user_id="anna")
    await engine.flush()
    await engine.update(added.id, user_id="anna", content="changed")
    for _ in range(MAX_LOST + 2):
        documents.down("get_many")
        documents.faults["mark"] = Unavailable("down")
        await asyncio.gather(engine.flush(), return_exceptions=True)
        documents.repair()
        bench.clock.advance(seconds=LEASE_S)
    await engine.flush()
    assert (await engine.get(added.id, user_id="anna")).index.state == "done"


async def test_work_that_hangs_counts_as_lost_and_holds_up_nobody_for_longer_than_its_lease(
    bench: EngineBench,
) -> None:
    """D16"""

    class HangsOnPoison(HashingEmbedder):
        async def embed(self, texts: Any) -> Any:
            if "poison" in texts:
                await asyncio.Event().wait()
            return await super().embed(texts)

    engine = bench.engine(embedder=HangsOnPoison(local=False), index_lease_s=0.05)
    items = [*many(20), {"content": "poison"}, *many(20, "later {n}")]
    await engine.add_many(items, user_id="anna")
    for _ in range(2 * MAX_LOST):
        await engine.flush()
        bench.clock.advance(seconds=1)
    [failed] = (await engine.failed_work(user_id="anna")).items
    assert failed.reason == "worker_lost"
    states = {memory.content: memory.index.state async for memory, _ in engine.export(user_id="anna")}
    assert [content for content, state in states.items() if state != "done"] == ["poison"]


async def test_a_text_that_breaks_the_work_is_found_by_halving_and_given_up_in_the_end(bench: EngineBench) -> None:
    """D16: an error that nobody foresaw, in a batch with others."""

    class BreaksOnPoison(HashingEmbedder):
        async def embed(self, texts: Any) -> Any:
            if "poison" in texts:
                raise ZeroDivisionError
            return await super().embed(texts)

    engine = bench.engine(embedder=BreaksOnPoison(local=False), index_max_attempts=3)
    await engine.add_many([*many(10), {"content": "poison"}, *many(10, "later {n}")], user_id="anna", wait=True)
    states = {memory.content: memory.index.state async for memory, _ in engine.export(user_id="anna")}
    assert [content for content, state in states.items() if state != "done"] == ["poison"], "in the first run already"
    for _ in range(3):
        bench.clock.advance(hours=1)
        await engine.flush()
    [failed] = (await engine.failed_work(user_id="anna")).items
    assert (failed.reason, failed.attempts) == ("broken.ZeroDivisionError", 3)


# --- what was given up


async def fail(bench: EngineBench, *owners: str) -> Any:
    """Return an engine with one failed memory for each owner."""
    engine = bench.engine(embedder=HashingEmbedder(local=False))
    for owner in owners:
        added = await engine.add(f"note of {owner}", user_id=owner, wait=True)
        mark = IndexMark(added.id, 1, "failed", attempts=12, reason="embedding_invalid")
        await engine._parts.documents.mark([mark], scope=Scope(owner=owner))
    return engine


async def test_an_owner_sees_and_decides_only_about_his_own(bench: EngineBench) -> None:
    """A11, S1"""
    engine = await fail(bench, "anna", "ben")
    [hers] = (await engine.failed_work(user_id="anna")).items
    assert hers.scope == ANNA
    assert (await engine.failed_work(user_id="carl")).items == ()
    assert await engine.retry_failed([hers.id], user_id="ben") == 0
    assert await engine.drop_failed([hers.id], user_id="ben") == 0
    assert await engine.retry_failed(user_id="anna") == 1
    await engine.flush()
    assert (await engine.get(hers.id, user_id="anna")).index.state == "done"
    assert len((await engine.failed_work(user_id="ben")).items) == 1


async def test_what_is_dropped_is_listed_no_more_and_stays_found_by_its_words(bench: EngineBench) -> None:
    engine = await fail(bench, "anna")
    assert await engine.drop_failed(user_id="anna") == 1
    assert (await engine.failed_work(user_id="anna")).items == ()
    found = await engine.search("note", user_id="anna", strategies=["keyword"])
    assert contents(found) == ["note of anna"]
    assert found.items[0].memory.index.reason == "dropped"
    changed = await engine.update(found.items[0].memory.id, user_id="anna", content="another note")
    await engine.flush()
    assert (await engine.get(changed.id, user_id="anna")).index.state == "done"


async def test_failed_work_is_paged(bench: EngineBench) -> None:
    engine = await fail(bench, "anna")
    for n in range(4):
        added = await engine.add(f"more {n}", user_id="anna", wait=True)
        mark = IndexMark(added.id, 1, "failed", attempts=12, reason="embedding_invalid")
        await engine._parts.documents.mark([mark], scope=ANNA)
    seen: list[str] = []
    cursor = None
    while True:
        page = await engine.failed_work(user_id="anna", limit=2, cursor=cursor)
        seen += [work.id for work in page.items]
        cursor = page.next_cursor or cursor
        if page.next_cursor is None:
            break
    assert len(seen) == len(set(seen)) == 5
    for forged in (cursor, f"{cursor}x", seen[0]):
        with pytest.raises(InvalidCursor):
            await engine.failed_work(user_id="ben", limit=2, cursor=forged)
    with pytest.raises(InvalidInput):
        await engine.failed_work(user_id="")
