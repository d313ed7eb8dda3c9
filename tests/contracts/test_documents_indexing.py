"""DocumentStore: work that the indexes still need, its outcome, and the scans that rebuild an index."""

import asyncio
from datetime import datetime, timedelta

import pytest

from stores.protocols import DocumentStore
from stores.records import Document, IndexMark, IndexState, Scope
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
    rows_of,
    unit_vector,
)

VECTOR = unit_vector(1, 2).tobytes()


async def pending_ids(store: DocumentStore, *, limit: int = 99, now: datetime = NOW) -> list[str]:
    return [work.id for work in await store.pending(limit=limit, now=now)]


# --- pending


async def test_pending_work_carries_all_that_a_worker_needs(documents: DocumentStore) -> None:
    index = IndexState(state="pending", generation=7, attempts=2)
    bare, embedded = build_document("bare", index=index), build_document("rich", scope=BEN, index=PENDING)
    embedded = document_of(embedded.memory, embedding=unit_vector(1, 2))
    await put(documents, bare, build_document("done"), build_document("failed", index=IndexState(state="failed")))
    await put(documents, embedded, scope=BEN)
    works = {work.scope: work for work in await documents.pending(limit=9, now=NOW)}
    assert set(works) == {ANNA, BEN}
    first, second = works[ANNA], works[BEN]
    assert (first.id, first.generation, first.attempts, first.deleted) == (bare.memory.id, 7, 2, False)
    assert (first.content, first.embedding) == ("bare", None)
    assert (second.content, second.embedding) == ("rich", VECTOR)


async def test_pending_work_comes_oldest_first_up_to_the_limit(documents: DocumentStore) -> None:
    given = build_many(6, index=PENDING)
    for document in given:
        await put(documents, document)
    assert await pending_ids(documents) == memory_ids(given)
    assert await pending_ids(documents, limit=2) == memory_ids(given)[:2]


async def test_pending_work_waits_for_its_next_attempt(documents: DocumentStore) -> None:
    document = build_document(index=IndexState(state="pending", attempts=1, next_attempt_at=FUTURE))
    await put(documents, document)
    assert await pending_ids(documents, now=FUTURE - MILLISECOND) == []
    assert await pending_ids(documents, now=FUTURE) == [document.memory.id]


# --- mark


async def test_a_mark_records_the_outcome_and_ends_the_work(documents: DocumentStore) -> None:
    document = build_document(index=PENDING)
    await put(documents, document)
    mark = IndexMark(document.memory.id, 1, "done", embedding=VECTOR, embedding_model="model@8")
    assert await documents.mark([mark], scope=ANNA) == 1
    memory = await find(documents, document.memory.id)
    assert memory is not None
    assert memory.index == IndexState(state="done", generation=1)
    assert (memory.embedding_model, memory.content, memory.version) == ("model@8", document.memory.content, 1)
    assert [row.embedding for row in await rows_of(documents)] == [VECTOR]
    assert await pending_ids(documents, now=FUTURE) == []


async def test_a_mark_for_another_attempt_puts_the_work_off(documents: DocumentStore) -> None:
    document = build_document(index=PENDING)
    await put(documents, document)
    mark = IndexMark(document.memory.id, 1, "pending", attempts=3, next_attempt_at=FUTURE)
    assert await documents.mark([mark], scope=ANNA) == 1
    assert await pending_ids(documents, now=FUTURE - MILLISECOND) == []
    [work] = await documents.pending(limit=9, now=FUTURE)
    assert (work.id, work.attempts, work.generation) == (document.memory.id, 3, 1)
    memory = await find(documents, document.memory.id)
    assert memory is not None
    assert memory.index == IndexState(state="pending", generation=1, attempts=3, next_attempt_at=FUTURE)


async def test_a_mark_without_an_embedding_keeps_the_one_that_is_there(documents: DocumentStore) -> None:
    document = document_of(build_document(index=PENDING, embedding_model="model@8").memory, embedding=unit_vector(1, 2))
    await put(documents, document)
    assert await documents.mark([IndexMark(document.memory.id, 1, "done")], scope=ANNA) == 1
    assert [row.embedding for row in await rows_of(documents)] == [VECTOR]
    memory = await find(documents, document.memory.id)
    assert memory is not None
    assert memory.embedding_model == "model@8"


async def test_a_failed_memory_is_not_due_again(documents: DocumentStore) -> None:
    document = build_document(index=PENDING)
    await put(documents, document)
    assert await documents.mark([IndexMark(document.memory.id, 1, "failed", attempts=8)], scope=ANNA) == 1
    assert await pending_ids(documents, now=FUTURE) == []


@pytest.mark.parametrize("generation", [0, 1, 3])
async def test_a_mark_of_another_generation_has_no_effect(documents: DocumentStore, generation: int) -> None:
    document = build_document(index=IndexState(state="pending", generation=2))
    await put(documents, document)
    mark = IndexMark(document.memory.id, generation, "done", embedding=VECTOR, embedding_model="model@8")
    assert await documents.mark([mark], scope=ANNA) == 0
    assert await find(documents, document.memory.id) == document.memory
    assert [row.embedding for row in await rows_of(documents)] == [None]


async def test_work_that_an_update_overtook_has_no_effect(documents: DocumentStore) -> None:
    document = build_document("old", index=PENDING)
    await put(documents, document)
    [work] = await documents.pending(limit=9, now=NOW)
    index = IndexState(state="pending", generation=2)
    changed = build_document("new", id=work.id, key=document.dedupe_key, version=2, index=index)
    await documents.update(changed, scope=ANNA, expected_version=1, now=NOW)
    assert await documents.mark([IndexMark(work.id, work.generation, "done", embedding=VECTOR)], scope=ANNA) == 0
    assert await find(documents, work.id) == changed.memory
    assert [(work.content, work.generation) for work in await documents.pending(limit=9, now=NOW)] == [("new", 2)]


async def test_many_marks_in_one_call_count_those_that_took_effect(documents: DocumentStore) -> None:
    given = build_many(5, index=PENDING)
    await put(documents, *given)
    good = [IndexMark(memory_id, 1, "done", embedding=VECTOR) for memory_id in memory_ids(given)[:3]]
    stale, unknown = IndexMark(named(3), 9, "done"), IndexMark(new_id(), 1, "done")
    assert await documents.mark([stale, *good, unknown], scope=ANNA) == 3
    assert await documents.mark([], scope=ANNA) == 0
    assert await pending_ids(documents) == memory_ids(given)[3:]


async def test_a_tombstone_is_work_until_it_is_marked(documents: DocumentStore) -> None:
    document = build_document()
    await put(documents, document)
    await documents.delete(document.memory.id, scope=ANNA, now=NOW)
    [work] = await documents.pending(limit=9, now=NOW)
    assert await documents.mark([IndexMark(work.id, work.generation, "done")], scope=ANNA) == 1
    assert await pending_ids(documents, now=FUTURE) == []
    assert await documents.purge([work.id], scope=ANNA) == 1


# --- scan, index_rows, scan_documents


async def test_a_scan_brings_what_an_index_is_made_of_in_order_of_arrival(documents: DocumentStore) -> None:
    occurred = PAST - timedelta(days=400)
    rich = build_document(
        "rich words",
        at=PAST,
        occurred_at=occurred,
        expires_at=FUTURE,
        session_id="s",
        session_seq=3,
        speaker="Anna",
        memory_type="preference",
        entities=("munich",),
        embedding=unit_vector(1, 2),
        version=5,
        traits=6,
        valid_from=PAST,
        invalid_at=FUTURE,
        superseded_by=named(7),
    )
    bare = build_document("bare", at=PAST + MILLISECOND)
    await put(documents, rich)
    await put(documents, bare)
    first, second = await rows_of(documents)
    assert first == (
        rich.memory.id,
        5,
        True,
        milliseconds(PAST),
        milliseconds(PAST),
        milliseconds(occurred),
        milliseconds(FUTURE),
        "s",
        3,
        "Anna",
        "preference",
        rich.terms,
        rich.entity_terms,
        VECTOR,
        6,
        milliseconds(PAST),
        milliseconds(FUTURE),
        named(7),
    )
    assert second[:11] == (
        *(bare.memory.id, 1, True, milliseconds(PAST) + 1, milliseconds(PAST) + 1, None, None, None, 0, None),
        "semantic",
    )
    assert second[11:] == (bare.terms, b"", None, 0, None, None, None)


def milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


async def test_a_scan_leaves_the_vectors_out_when_asked(documents: DocumentStore) -> None:
    document = build_document(embedding=unit_vector(1))
    await put(documents, document)
    [row] = await rows_of(documents, vectors=False)
    assert (row.id, row.terms, row.embedding) == (document.memory.id, document.terms, None)


async def test_index_rows_are_those_of_a_scan_without_vectors(documents: DocumentStore) -> None:
    first, second, deleted = build_many(3, embedding=unit_vector(1))
    kept_back = build_document("kept back", quarantine=("orders",))
    await put(documents, first, second, deleted, kept_back)
    await documents.delete(deleted.memory.id, scope=ANNA, now=NOW)
    wanted = [*memory_ids([second, deleted, kept_back]), named(99)]
    found = await documents.index_rows(wanted, scope=ANNA)
    assert found == [row for row in await rows_of(documents, vectors=False) if row.id == second.memory.id]
    assert await documents.index_rows([], scope=ANNA) == []


async def test_a_scan_since_a_time_brings_what_changed_then_or_later_with_tombstones(documents: DocumentStore) -> None:
    old, new, updated, deleted, buried = build_many(5, at=PAST)
    new = build_document("new", at=NOW)
    await put(documents, old, new, updated, deleted, buried)
    await documents.delete(buried.memory.id, scope=ANNA, now=NOW - MILLISECOND)
    changed = document_of(build_document("changed", id=updated.memory.id, version=2, updated_at=NOW).memory)
    await documents.update(changed, scope=ANNA, expected_version=1, now=NOW)
    await documents.delete(deleted.memory.id, scope=ANNA, now=NOW + MILLISECOND)
    told = {row.id: row.live for row in await rows_of(documents, since=NOW)}
    assert told == {new.memory.id: True, changed.memory.id: True, deleted.memory.id: False}
    assert [row.id for row in await rows_of(documents, since=NOW + MILLISECOND)] == [deleted.memory.id]
    assert await rows_of(documents, since=NOW + 2 * MILLISECOND) == []
    assert {row.id for row in await rows_of(documents)} == set(memory_ids([old, new, changed]))


async def test_a_scan_of_nothing_is_empty(documents: DocumentStore) -> None:
    assert await rows_of(documents) == []
    assert [batch async for batch in documents.scan_documents()] == []
    assert [batch async for batch in documents.scan_documents(scope=ANNA)] == []


async def test_a_scan_of_documents_brings_the_live_memories_of_one_owner_or_of_all(documents: DocumentStore) -> None:
    hers, deleted, his = build_document("hers"), build_document("deleted"), build_document("his", scope=BEN)
    await put(documents, hers, deleted)
    await put(documents, his, scope=BEN)
    await documents.delete(deleted.memory.id, scope=ANNA, now=NOW)

    async def scanned(scope: Scope | None) -> set[tuple[Scope, str]]:
        return {(s, memory.id) async for batch in documents.scan_documents(scope=scope) for s, memory in batch}

    assert await scanned(None) == {(ANNA, hers.memory.id), (BEN, his.memory.id)}
    assert await scanned(BEN) == {(BEN, his.memory.id)}
    [[(scope, memory)]] = [batch async for batch in documents.scan_documents(scope=ANNA)]
    assert (scope, memory) == (ANNA, hers.memory)


async def test_memories_may_be_written_while_a_scan_runs(documents: DocumentStore) -> None:
    given = build_many(300)
    await put(documents, *given)

    async def write() -> Document:
        document = build_document("late", id=named(999))
        await put(documents, document)
        return document

    writer = asyncio.create_task(write())
    seen = [row.id async for batch in documents.scan(scope=ANNA) for row in batch]
    await writer
    assert seen[:300] == memory_ids(given)
    assert len(seen) == len(set(seen))
