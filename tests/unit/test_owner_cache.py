"""The indexes of many owners: loaded once, followed while in use, told by other processes, dropped to save memory."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest

from stores.errors import Unavailable
from stores.owner.owner_cache import OwnerCache
from stores.owner.owner_index import OwnerIndex
from stores.records import IndexRow, MemoryId, Scope, Validity
from stores.reference.documents import ReferenceDocuments
from tests.contracts.builders import (
    ANNA,
    BEN,
    NOW,
    build_document,
    build_many,
    memory_ids,
    named,
    put,
    rows_of,
    unit_vector,
)

NEVER_STALE, ALWAYS_STALE = 3_600.0, -1.0


class Documents(ReferenceDocuments):
    """Counts its scans, and can stand still between reading and answering, as a database does, or fail."""

    def __init__(self) -> None:
        super().__init__()
        self.scans: list[tuple[str, bool]] = []
        self.rows_read = 0
        self.read, self.gate = asyncio.Event(), asyncio.Event()
        self.gate.set()
        self.down = False

    async def scan(self, *, scope: Scope, since: Any = None, vectors: bool = True) -> AsyncIterator[list[IndexRow]]:
        self.scans.append((scope.owner, since is None))
        batches = [rows async for rows in super().scan(scope=scope, since=since, vectors=vectors)]
        self.read.set()
        await self.gate.wait()
        if self.down:
            raise Unavailable("the store is down")
        for rows in batches:
            self.rows_read += len(rows)
            yield rows

    async def stand_still(self) -> None:
        self.read.clear()
        self.gate.clear()


class Weight:
    """An index that only weighs: a hundred bytes a row."""

    def __init__(self) -> None:
        self.changed_ms = 0
        self.ids: set[str] = set()

    worn = False

    @property
    def nbytes(self) -> int:
        return 100 * len(self.ids)

    def settle(self, validity: Mapping[MemoryId, Validity]) -> None:
        """A weight holds always."""

    def apply(self, rows: Sequence[IndexRow]) -> None:
        self.ids |= {row.id for row in rows if row.live}

    def discard(self, ids: Collection[MemoryId]) -> None:
        self.ids -= set(ids)


@pytest.fixture
def documents() -> Documents:
    return Documents()


def caching(documents: Documents, *, staleness_s: float = NEVER_STALE, **options: Any) -> OwnerCache[OwnerIndex]:
    return OwnerCache(documents, OwnerIndex, max_bytes=1 << 30, staleness_s=staleness_s, **options)


def known(index: OwnerIndex) -> set[str]:
    return set(index.points.row_of)


# --- loading


async def test_an_owner_is_loaded_when_first_asked_and_then_held(documents: Documents) -> None:
    given = build_many(3)
    await put(documents, *given)
    cache = caching(documents)
    assert (cache.held(ANNA), len(cache), cache.nbytes) == (None, 0, 0)
    index = await cache.get(ANNA)
    assert known(index) == set(memory_ids(given))
    assert await cache.get(ANNA) is index is cache.held(ANNA)
    assert documents.scans == [("anna", True)]
    assert (len(cache), cache.nbytes) == (1, index.nbytes)


async def test_many_who_ask_first_load_once_and_who_gives_up_stops_nobody(documents: Documents) -> None:
    await put(documents, *build_many(3))
    cache = caching(documents)
    await documents.stand_still()
    waiting = [asyncio.create_task(cache.get(ANNA)) for _ in range(20)]
    await documents.read.wait()
    for task in waiting[::2]:
        task.cancel()
    documents.gate.set()
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert len({id(outcome) for outcome in outcomes[1::2]}) == 1
    assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes[::2])
    assert documents.scans == [("anna", True)]


async def test_a_failed_load_is_told_to_all_and_tried_again_by_the_next(documents: Documents) -> None:
    given = build_many(3)
    await put(documents, *given)
    cache = caching(documents)
    documents.down = True
    outcomes = await asyncio.gather(*(cache.get(ANNA) for _ in range(5)), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {Unavailable}
    assert (len(documents.scans), cache.held(ANNA)) == (1, None)
    documents.down = False
    assert known(await cache.get(ANNA)) == set(memory_ids(given))


async def test_vectors_are_left_out_where_another_store_has_them(documents: Documents) -> None:
    await put(documents, build_document(embedding=unit_vector(1)))
    assert (await caching(documents, vectors=False).get(ANNA)).snapshot().matrix.shape[1] == 0
    assert (await caching(documents).get(ANNA)).snapshot().matrix.shape[1] == 8


# --- following


async def test_what_this_process_writes_is_there_at_once(documents: Documents) -> None:
    cache = caching(documents)
    index = await cache.get(ANNA)
    stored = build_document(id=named(1))
    await put(documents, stored)
    cache.apply(ANNA, await rows_of(documents))
    assert known(index) == {named(1)}
    cache.discard(ANNA, [named(1)])
    assert known(index) == set()
    cache.apply(BEN, await rows_of(documents))
    cache.discard(BEN, [named(1)])
    assert cache.held(BEN) is None, "who is not loaded reads the documents when asked"
    assert len(documents.scans) == 3


async def test_what_another_process_writes_is_there_after_the_staleness(documents: Documents) -> None:
    given = build_many(3, at=NOW)
    await put(documents, *given)
    fresh, stale = caching(documents), caching(documents, staleness_s=ALWAYS_STALE)
    for cache in (fresh, stale):
        await cache.get(ANNA)
    added = build_document(id=named(9), at=NOW)
    await put(documents, added)
    await documents.delete(given[0].memory.id, scope=ANNA, now=NOW)
    assert known(await fresh.get(ANNA)) == set(memory_ids(given))
    assert known(await stale.get(ANNA)) == {named(9), *memory_ids(given[1:])}
    assert documents.scans[-1] == ("anna", False), "only what changed is read"


async def test_a_refresh_reads_back_far_enough_for_clocks_that_differ(documents: Documents) -> None:
    await put(documents, build_document(id=named(1), at=NOW))
    cache = caching(documents, staleness_s=ALWAYS_STALE)
    await cache.get(ANNA)
    await put(documents, build_document(id=named(2), at=NOW - timedelta(seconds=4)))
    assert known(await cache.get(ANNA)) == {named(1), named(2)}


async def test_what_was_read_is_not_read_for_ever_and_late_changes_are_found_for_a_minute(documents: Documents) -> None:
    moment = [1_000.0]
    await put(documents, *build_many(3, at=NOW))
    cache = caching(documents, staleness_s=ALWAYS_STALE, timer=lambda: moment[0])
    index = await cache.get(ANNA)
    moment[0] += 59
    await put(documents, build_document(id=named(8), at=NOW - timedelta(seconds=4)))
    assert named(8) in known(await cache.get(ANNA))
    moment[0] += 3_600
    documents.rows_read = 0
    await cache.get(ANNA)
    assert documents.rows_read == 0, "what is known is not read again"
    await put(documents, build_document(id=named(9), at=NOW + timedelta(seconds=3_600)))
    assert known(await cache.get(ANNA)) == known(index) >= {named(8), named(9)}


async def test_an_owner_whose_first_memory_comes_from_elsewhere_is_found(documents: Documents) -> None:
    cache = caching(documents, staleness_s=ALWAYS_STALE)
    assert known(await cache.get(ANNA)) == set()
    await put(documents, build_document(id=named(1)))
    assert known(await cache.get(ANNA)) == {named(1)}


async def test_a_failed_refresh_is_told_and_leaves_what_was_known(documents: Documents) -> None:
    await put(documents, build_document(id=named(1)))
    cache = caching(documents, staleness_s=ALWAYS_STALE)
    index = await cache.get(ANNA)
    documents.down = True
    with pytest.raises(Unavailable):
        await cache.get(ANNA)
    documents.down = False
    assert await cache.get(ANNA) is index
    assert known(index) == {named(1)}


async def test_a_worn_index_is_loaded_anew(documents: Documents) -> None:
    given = build_many(600)
    await put(documents, *given)
    cache = caching(documents)
    index = await cache.get(ANNA)
    cache.discard(ANNA, memory_ids(given[:500]))
    for memory_id in memory_ids(given[:500]):
        await documents.delete(memory_id, scope=ANNA, now=NOW)
    assert index.worn
    anew = await cache.get(ANNA)
    assert anew is not index
    assert (known(anew), anew.points.dead) == (set(memory_ids(given[500:])), 0)


# --- changes during a load


async def written(documents: Documents, memory_id: MemoryId) -> list[IndexRow]:
    """Return the row of a memory, without waiting at the gate."""
    batches = ReferenceDocuments.scan(documents, scope=ANNA)
    return [row async for batch in batches for row in batch if row.id == memory_id]


async def load_that_stands_still(cache: OwnerCache[OwnerIndex], documents: Documents) -> "asyncio.Task[OwnerIndex]":
    """Return a load that has read the documents, and has not yet answered."""
    await documents.stand_still()
    loading = asyncio.create_task(cache.get(ANNA))
    await documents.read.wait()
    return loading


@pytest.mark.parametrize("held", [False, True], ids=["first load", "refresh"])
async def test_what_is_written_during_a_load_is_not_lost(documents: Documents, held: bool) -> None:
    await put(documents, build_document(id=named(1)))
    cache = caching(documents, staleness_s=ALWAYS_STALE)
    if held:
        await cache.get(ANNA)
    loading = await load_that_stands_still(cache, documents)
    await put(documents, build_document(id=named(2)))
    cache.apply(ANNA, await written(documents, named(2)))
    documents.gate.set()
    assert known(await loading) == {named(1), named(2)}


async def test_an_owner_who_is_dropped_during_a_load_is_read_again(documents: Documents) -> None:
    """An erasure: what was read before it may not stay."""
    await put(documents, *build_many(3))
    cache = caching(documents)
    loading = await load_that_stands_still(cache, documents)
    await documents.erase(ANNA)
    cache.drop(ANNA)
    documents.gate.set()
    assert known(await loading) == set()
    assert known(await cache.get(ANNA)) == set()


async def test_what_is_deleted_during_a_load_does_not_come_back(documents: Documents) -> None:
    given = build_many(3)
    await put(documents, *given)
    cache = caching(documents)
    loading = await load_that_stands_still(cache, documents)
    await documents.delete(given[0].memory.id, scope=ANNA, now=NOW)
    cache.discard(ANNA, [given[0].memory.id])
    documents.gate.set()
    assert known(await loading) == set(memory_ids(given[1:]))


async def test_a_load_that_fails_after_a_drop_leaves_the_next_one_alone(documents: Documents) -> None:
    await put(documents, *build_many(3))
    cache = caching(documents)
    loading = await load_that_stands_still(cache, documents)
    cache.drop(ANNA)
    documents.down = True
    documents.gate.set()
    with pytest.raises(Unavailable):
        await loading
    documents.down = False
    assert len(known(await cache.get(ANNA))) == 3


# --- memory


async def test_the_least_recently_used_leave_when_there_are_too_many_bytes(documents: Documents) -> None:
    owners = [Scope(owner=f"owner {number}") for number in range(4)]
    for owner in owners:
        await documents.put_many(build_many(3, scope=owner), scope=owner, now=NOW)
    cache: OwnerCache[Weight] = OwnerCache(documents, Weight, max_bytes=700, staleness_s=NEVER_STALE)
    for owner in owners[:2]:
        await cache.get(owner)
    assert (len(cache), cache.nbytes) == (2, 600)
    await cache.get(owners[0])
    await cache.get(owners[2])
    assert [cache.held(owner) is not None for owner in owners] == [True, False, True, False]
    assert cache.nbytes == 600
    await cache.get(owners[1])
    assert [cache.held(owner) is not None for owner in owners] == [False, True, True, False]


async def test_the_one_that_is_asked_for_stays_however_large(documents: Documents) -> None:
    await put(documents, *build_many(20))
    cache: OwnerCache[Weight] = OwnerCache(documents, Weight, max_bytes=1, staleness_s=NEVER_STALE)
    index = await cache.get(ANNA)
    assert (cache.held(ANNA), cache.nbytes) == (index, 2_000)


async def test_a_dropped_owner_frees_its_bytes(documents: Documents) -> None:
    await put(documents, *build_many(3))
    cache: OwnerCache[Weight] = OwnerCache(documents, Weight, max_bytes=1_000, staleness_s=NEVER_STALE)
    await cache.get(ANNA)
    assert (cache.drop(ANNA), cache.nbytes, len(cache)) == (300, 0, 0)
    assert cache.drop(ANNA) == 0
    await cache.get(ANNA)
    await cache.aclose()
    assert (cache.nbytes, len(cache)) == (0, 0)


async def test_growth_is_weighed_at_the_next_read(documents: Documents) -> None:
    await put(documents, *build_many(3))
    cache: OwnerCache[Weight] = OwnerCache(documents, Weight, max_bytes=1_000, staleness_s=ALWAYS_STALE)
    await cache.get(ANNA)
    await put(documents, build_document(id=named(99)))
    await cache.get(ANNA)
    assert cache.nbytes == 400


async def test_closing_ends_a_load(documents: Documents) -> None:
    await put(documents, *build_many(3))
    cache = caching(documents)
    loading = await load_that_stands_still(cache, documents)
    await cache.aclose()
    (outcome,) = await asyncio.gather(loading, return_exceptions=True)
    assert isinstance(outcome, asyncio.CancelledError)
    assert len(cache) == 0


# --- documents that tell whether anything was written


class WatchedDocuments(Documents):
    """Numbers its states, until it can no longer."""

    def __init__(self) -> None:
        super().__init__()
        self.state: int | None = 1

    def changes(self) -> int | None:
        return self.state


async def test_while_nothing_is_written_anywhere_nothing_is_read_again() -> None:
    documents = WatchedDocuments()
    await put(documents, *build_many(3))
    cache = caching(documents, staleness_s=ALWAYS_STALE)
    index = await cache.get(ANNA)
    assert await cache.get(ANNA) is index is cache.fresh(ANNA)
    assert len(documents.scans) == 1
    more = build_many(4)[3]
    await put(documents, more)
    documents.state = None  # it can no longer tell
    assert cache.fresh(ANNA) is None
    assert more.memory.id in known(await cache.get(ANNA))
    await cache.get(ANNA)
    assert len(documents.scans) == 3


async def test_what_is_written_while_it_is_read_is_read_by_the_next_one() -> None:
    documents = WatchedDocuments()
    await put(documents, *build_many(3))
    cache = caching(documents, staleness_s=ALWAYS_STALE)
    await documents.stand_still()
    reading = asyncio.create_task(cache.get(ANNA))
    await documents.read.wait()
    more = build_many(4)[3]
    await put(documents, more)
    documents.state = 2
    documents.gate.set()
    assert more.memory.id not in known(await reading)
    assert more.memory.id in known(await cache.get(ANNA))
