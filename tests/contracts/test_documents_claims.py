"""DocumentStore: index work is claimed by one worker at a time, lost claims are counted, and what failed is listed."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from stores.protocols import DocumentStore
from stores.records import IndexMark, IndexState, PendingWork, Scope
from tests.contracts.builders import (
    ANNA,
    BEN,
    FUTURE,
    MILLISECOND,
    NOW,
    PAST,
    PENDING,
    build_document,
    build_many,
    document_of,
    find,
    memory_ids,
    named,
    new_id,
    put,
    unit_vector,
)

LEASE = NOW + timedelta(seconds=60)


async def claim(store: DocumentStore, *, now: datetime = NOW, limit: int = 99) -> list[PendingWork]:
    return await store.claim(limit=limit, now=now, until=now + timedelta(seconds=60))


def ids(works: list[PendingWork]) -> list[str]:
    return [work.id for work in works]


# --- claim


async def test_a_claim_brings_what_pending_brings(documents: DocumentStore) -> None:
    index = IndexState(state="pending", generation=7, attempts=2)
    await put(documents, build_document("bare", index=index), build_document("done"))
    embedded = build_document("rich", scope=BEN, index=PENDING)
    await put(documents, document_of(embedded.memory, embedding=unit_vector(1, 2)), scope=BEN)
    expected = await documents.pending(limit=9, now=NOW)
    assert await claim(documents) == expected
    assert len(expected) == 2


async def test_claimed_work_is_nobody_elses_until_the_lease_ends(documents: DocumentStore) -> None:
    given = build_many(3, index=PENDING)
    await put(documents, *given)
    assert ids(await claim(documents)) == memory_ids(given)
    assert await claim(documents) == []
    assert await documents.pending(limit=9, now=LEASE - MILLISECOND) == []
    assert ids(await claim(documents, now=LEASE)) == memory_ids(given)


async def test_each_piece_of_work_is_given_to_one_of_many_who_claim_together(documents: DocumentStore) -> None:
    """D11"""
    given = build_many(40, index=PENDING)
    await put(documents, *given)
    shares = await asyncio.gather(*(claim(documents, limit=15) for _ in range(8)))
    taken = [work.id for share in shares for work in share]
    while rest := await claim(documents, limit=15):
        taken += ids(rest)
    assert sorted(taken) == memory_ids(given)


async def test_a_claim_takes_the_oldest_up_to_its_limit(documents: DocumentStore) -> None:
    given = build_many(5, index=PENDING)
    for document in given:
        await put(documents, document)
    assert ids(await claim(documents, limit=2)) == memory_ids(given)[:2]
    assert ids(await claim(documents)) == memory_ids(given)[2:]


async def test_a_claim_among_ids_takes_only_the_due_ones_of_the_owner(documents: DocumentStore) -> None:
    hers, late, done = build_document("hers", index=PENDING), build_document("late"), build_document("done")
    late = build_document("late", index=IndexState(state="pending", attempts=1, next_attempt_at=FUTURE))
    other, his = build_document("other", index=PENDING), build_document("his", scope=BEN, index=PENDING)
    await put(documents, hers, late, done, other)
    await put(documents, his, scope=BEN)
    wanted = [*memory_ids([hers, late, done, his]), new_id()]
    claimed = await documents.claim(limit=9, now=NOW, until=LEASE, scope=ANNA, ids=wanted)
    assert ids(claimed) == [hers.memory.id]
    assert sorted(ids(await documents.pending(limit=9, now=NOW))) == sorted(memory_ids([other, his]))
    assert await documents.claim(limit=9, now=NOW, until=LEASE, scope=ANNA, ids=[]) == []


async def test_an_outcome_ends_the_claim_and_the_count_of_lost_ones(documents: DocumentStore) -> None:
    [document] = build_many(1, index=PENDING)
    await put(documents, document)
    for lost in range(3):
        [work] = await claim(documents, now=NOW + lost * timedelta(hours=1))
        assert (work.lost, work.attempts) == (lost, 0), "of the claims before this one"
    mark = IndexMark(work.id, 1, "pending", attempts=1, next_attempt_at=FUTURE, reason="store_unavailable")
    assert await documents.mark([mark], scope=ANNA) == 1
    memory = await find(documents, work.id)
    assert memory is not None
    assert (memory.index.attempts, memory.index.next_attempt_at, memory.index.reason) == (1, FUTURE, mark.reason)
    [work] = await claim(documents, now=FUTURE)
    assert (work.lost, work.attempts) == (0, 1)


async def test_a_change_of_the_memory_frees_it_at_once(documents: DocumentStore) -> None:
    [document] = build_many(1, index=PENDING)
    await put(documents, document)
    [old] = await claim(documents)
    index = IndexState(state="pending", generation=2)
    changed = build_document("new", id=old.id, key=document.dedupe_key, version=2, index=index)
    await documents.update(changed, scope=ANNA, expected_version=1, now=NOW)
    [work] = await claim(documents)
    assert (work.content, work.generation, work.lost) == ("new", 2, 0)
    assert await documents.mark([IndexMark(old.id, 1, "done")], scope=ANNA) == 0


async def test_a_deletion_frees_it_at_once(documents: DocumentStore) -> None:
    [document] = build_many(1, index=PENDING)
    await put(documents, document)
    await claim(documents)
    await documents.delete(document.memory.id, scope=ANNA, now=NOW)
    [work] = await claim(documents)
    assert (work.deleted, work.lost, work.generation) == (True, 0, 2)


async def test_expired_memories_are_not_claimed(documents: DocumentStore) -> None:
    await put(documents, build_document(index=PENDING, expires_at=NOW + MILLISECOND))
    assert await claim(documents, now=NOW + MILLISECOND) == []


# --- how much waits


async def test_what_is_pending_is_counted_for_one_owner(documents: DocumentStore) -> None:
    """A11"""
    hers = [build_document(f"h{n}", index=PENDING) for n in range(3)]
    later = build_document("later", index=IndexState(state="pending", attempts=1, next_attempt_at=FUTURE))
    await put(documents, *hers, later, build_document("done"))
    await put(documents, build_document("his", index=PENDING, scope=BEN), scope=BEN)
    assert [await documents.count_pending(scope) for scope in (ANNA, BEN, Scope(owner="carl"))] == [4, 1, 0]
    await documents.mark([IndexMark(hers[0].memory.id, 1, "done")], scope=ANNA)
    await documents.delete(hers[1].memory.id, scope=ANNA, now=NOW)
    assert await documents.count_pending(ANNA) == 3  # what was deleted has to leave the indexes


# --- failed


async def test_failed_work_tells_whose_it_is_why_and_since_when(documents: DocumentStore) -> None:
    """A11"""
    given = build_document(index=PENDING)
    await put(documents, given, build_document("done"), build_document("due", index=PENDING))
    mark = IndexMark(given.memory.id, 1, "failed", attempts=12, next_attempt_at=PAST, reason="embedding_invalid")
    await documents.mark([mark], scope=ANNA)
    [work] = await documents.failed(limit=9)
    assert (work.scope, work.id, work.generation, work.attempts) == (ANNA, given.memory.id, 1, 12)
    assert (work.reason, work.failed_at) == ("embedding_invalid", PAST)


async def test_failed_work_comes_in_pages_of_one_owner_or_of_all(documents: DocumentStore) -> None:
    failed = IndexState(state="failed", attempts=12, reason="embedding_invalid")
    hers = [build_document(f"h{n}", id=named(n), index=failed) for n in (1, 3, 5)]
    his = [build_document(f"b{n}", id=named(n), index=failed, scope=BEN) for n in (2, 4)]
    await put(documents, *hers)
    await put(documents, *his, scope=BEN)
    assert [work.id for work in await documents.failed(limit=3)] == [named(1), named(2), named(3)]
    assert [work.id for work in await documents.failed(limit=3, after=named(3))] == [named(4), named(5)]
    assert [work.id for work in await documents.failed(limit=9, scope=ANNA)] == memory_ids(hers)
    assert [work.id for work in await documents.failed(limit=9, scope=BEN, after=named(2))] == [named(4)]


async def test_work_tried_again_or_deleted_is_not_failed_any_more(documents: DocumentStore) -> None:
    failed = IndexState(state="failed", attempts=12, reason="embedding_invalid")
    again, gone = build_document("again", index=failed), build_document("gone", index=failed)
    await put(documents, again, gone)
    await documents.mark([IndexMark(again.memory.id, 1, "pending")], scope=ANNA)
    await documents.delete(gone.memory.id, scope=ANNA, now=NOW)
    assert await documents.failed(limit=9) == []
    memory = await find(documents, again.memory.id)
    assert memory is not None
    assert memory.index == IndexState(state="pending")


# --- time


async def test_a_server_tells_its_time_and_an_embedded_store_has_none(documents: DocumentStore) -> None:
    """D15"""
    told = await documents.time()
    if documents.name == "mongodb":
        assert told is not None
        assert abs(told - datetime.now(UTC)) < timedelta(minutes=1), "a server on this machine"
    else:
        assert told is None


@pytest.mark.parametrize("number", [0, 1])
async def test_a_claim_of_nothing_is_empty(documents: DocumentStore, number: int) -> None:
    await put(documents, *build_many(1 + number))
    assert await claim(documents) == []


async def test_work_given_back_untouched_keeps_the_count_of_lost_claims(documents: DocumentStore) -> None:
    [document] = build_many(1, index=PENDING)
    await put(documents, document)
    await claim(documents)
    [work] = await claim(documents, now=LEASE)
    assert await documents.mark([IndexMark(work.id, 1, "pending", next_attempt_at=LEASE, lost=1)], scope=ANNA) == 1
    [again] = await claim(documents, now=LEASE)
    assert again.lost == 1
