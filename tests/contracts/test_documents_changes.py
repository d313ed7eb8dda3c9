"""DocumentStore: updates and history, deletion and tombstones, erasure and counts."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stores.errors import Conflict, NotFound
from stores.filters import parse_filter
from stores.protocols import DocumentStore
from stores.records import Document, HistoryEntry, IndexMark, IndexState, Memory, MemoryId, TimeWindow
from tests.contracts.backends import Capability, DocumentBench
from tests.contracts.builders import (
    ANNA,
    BEN,
    FUTURE,
    MILLISECOND,
    NOW,
    PENDING,
    build_document,
    build_many,
    build_relation,
    document_of,
    find,
    ids_of,
    memory_ids,
    new_id,
    put,
    rows_of,
    unit_vector,
)

SECRET = "xylophone"


def next_version(document: Document, content: str, **fields: Any) -> Document:
    """Return what the engine writes when `content` replaces the content of `document`."""
    before = document.memory
    changed: Memory = replace(
        before,
        content=content,
        version=before.version + 1,
        updated_at=before.updated_at + MILLISECOND,
        index=IndexState(state="pending", generation=before.index.generation + 1),
        **fields,
    )
    return document_of(changed, key=document.dedupe_key)


def secret_document(**fields: Any) -> Document:
    """Return a document in which every field that can hold content holds the SECRET."""
    return build_document(
        f"the {SECRET} is here",
        key=f"key {SECRET}",
        speaker=SECRET,
        session_id=SECRET,
        agent_id=SECRET,
        tags=(SECRET,),
        entities=(SECRET,),
        summary=SECRET,
        content_hash=SECRET,
        metadata={SECRET: SECRET},
        relations=[build_relation(SECRET, "munich")],
        embedding=unit_vector(1),
        **fields,
    )


async def words_find(store: DocumentStore, word: str) -> list[MemoryId]:
    return ids_of(await store.keyword([word], word, scope=ANNA, limit=9, now=NOW))


# --- update, history


async def test_an_update_replaces_the_memory_and_its_indexes(bench: DocumentBench) -> None:
    store = bench.documents
    first = build_document("apple", relations=[build_relation("anna", "apple")], embedding=unit_vector(1))
    await bench.put([first], ANNA)
    changed = next_version(first, "banana", tags=("fruit",), metadata={"n": 2})
    changed = replace(
        changed, relations=(build_relation("anna", "banana"),), embedding=unit_vector(0, 1).tobytes(), traits=5
    )
    await store.update(changed, scope=ANNA, expected_version=1, now=NOW)
    if "graph" not in store.covers:
        await bench.graph.put_many([changed], scope=ANNA)

    assert await find(store, first.memory.id) == changed.memory
    assert await words_find(store, "apple") == []
    assert await words_find(store, "banana") == [first.memory.id]
    assert await bench.graph.search(["apple"], scope=ANNA, limit=9) == []
    assert ids_of(await bench.graph.search(["banana"], scope=ANNA, limit=9)) == [first.memory.id]
    [row] = await rows_of(store)
    assert (row.version, row.terms, row.embedding, row.traits) == (2, changed.terms, changed.embedding, 5)


async def test_the_history_keeps_every_version_oldest_first(documents: DocumentStore) -> None:
    versions = [build_document("one")]
    await put(documents, *versions)
    for content in ("two", "three", "two"):
        versions.append(next_version(versions[-1], content))
        await documents.update(versions[-1], scope=ANNA, expected_version=len(versions) - 1, now=NOW)
    assert await documents.history(versions[0].memory.id, scope=ANNA, now=NOW) == [
        HistoryEntry(
            memory_id=version.memory.id,
            version=number,
            event="added" if number == 1 else "updated",
            content=version.memory.content,
            changed_at=version.memory.updated_at,
        )
        for number, version in enumerate(versions, start=1)
    ]


async def test_the_history_of_an_unknown_memory_is_not_found(documents: DocumentStore) -> None:
    with pytest.raises(NotFound):
        await documents.history(new_id(), scope=ANNA, now=NOW)


@pytest.mark.parametrize("expected", [0, 2, 99])
async def test_an_update_of_another_version_is_a_conflict_and_changes_nothing(
    documents: DocumentStore, expected: int
) -> None:
    first = build_document("first")
    await put(documents, first)
    with pytest.raises(Conflict):
        await documents.update(next_version(first, "second"), scope=ANNA, expected_version=expected, now=NOW)
    assert await find(documents, first.memory.id) == first.memory
    assert len(await documents.history(first.memory.id, scope=ANNA, now=NOW)) == 1
    assert await words_find(documents, "second") == []


async def test_of_concurrent_updates_from_one_version_exactly_one_wins(documents: DocumentStore) -> None:
    first = build_document("first")
    await put(documents, first)
    updates = [next_version(first, f"writer {n}") for n in range(20)]
    outcomes = await asyncio.gather(
        *(documents.update(update, scope=ANNA, expected_version=1, now=NOW) for update in updates),
        return_exceptions=True,
    )
    [winner] = [update for update, outcome in zip(updates, outcomes, strict=True) if outcome is None]
    assert all(isinstance(outcome, Conflict) for outcome in outcomes if outcome is not None)
    assert await find(documents, first.memory.id) == winner.memory
    history = await documents.history(first.memory.id, scope=ANNA, now=NOW)
    assert [entry.content for entry in history] == ["first", winner.memory.content]


async def test_an_update_to_the_key_of_another_live_memory_is_a_conflict(documents: DocumentStore) -> None:
    first, other = build_document("first", key="first"), build_document("other", key="other")
    await put(documents, first, other)
    changed = replace(next_version(first, "other"), dedupe_key="other")
    with pytest.raises(Conflict):
        await documents.update(changed, scope=ANNA, expected_version=1, now=NOW)
    assert await find(documents, first.memory.id) == first.memory
    assert await put(documents, build_document("again", key="first")) == [first.memory]

    await documents.delete(other.memory.id, scope=ANNA, now=NOW)
    await documents.update(changed, scope=ANNA, expected_version=1, now=NOW)
    assert await find(documents, first.memory.id) == changed.memory


async def test_an_update_to_the_key_of_an_expired_memory_takes_it_over(documents: DocumentStore) -> None:
    first, other = build_document("first"), build_document("other", key="other", expires_at=NOW)
    await put(documents, first, other, now=NOW - MILLISECOND)
    changed = replace(next_version(first, "other"), dedupe_key="other")
    await documents.update(changed, scope=ANNA, expected_version=1, now=NOW)
    assert await put(documents, build_document("again", key="other")) == [changed.memory]


async def test_an_update_of_what_is_gone_is_not_found(documents: DocumentStore) -> None:
    gone, never = build_document("gone"), build_document("never")
    await put(documents, gone)
    await documents.delete(gone.memory.id, scope=ANNA, now=NOW)
    for document in (gone, never):
        with pytest.raises(NotFound):
            await documents.update(next_version(document, "x"), scope=ANNA, expected_version=1, now=NOW)
    assert await documents.list_page(scope=ANNA, limit=9, now=NOW) == []


# --- delete, tombstones, purge


async def test_a_deleted_memory_is_gone_from_every_read(bench: DocumentBench) -> None:
    store = bench.documents
    document, other = secret_document(), build_document("other")
    await bench.put([document, other], ANNA)
    await store.update(next_version(document, f"{SECRET} again"), scope=ANNA, expected_version=1, now=NOW)

    assert await store.delete(document.memory.id, scope=ANNA, now=NOW) is True
    assert await find(store, document.memory.id) is None
    assert await store.list_page(scope=ANNA, limit=9, now=NOW) == [other.memory]
    assert await store.match(parse_filter({"created_at": {"lte": NOW}}), scope=ANNA, now=NOW) == [other.memory.id]
    assert await words_find(store, SECRET) == []
    assert ids_of(await store.temporal(TimeWindow(), scope=ANNA, limit=9, now=NOW)) == [other.memory.id]
    assert [row.id for row in await rows_of(store)] == [other.memory.id]
    assert [memory async for batch in store.scan_documents() for _, memory in batch] == [other.memory]
    with pytest.raises(NotFound):
        await store.history(document.memory.id, scope=ANNA, now=NOW)
    if "graph" in store.covers:
        assert await bench.graph.search([SECRET], scope=ANNA, limit=9) == []
        assert await bench.graph.count(ANNA) == 0


async def test_deleting_twice_or_what_never_was_says_that_nothing_was_there(documents: DocumentStore) -> None:
    document = build_document()
    await put(documents, document)
    assert await documents.delete(new_id(), scope=ANNA, now=NOW) is False
    assert await documents.delete(document.memory.id, scope=ANNA, now=NOW) is True
    assert await documents.delete(document.memory.id, scope=ANNA, now=NOW) is False


async def test_what_stays_of_a_deleted_memory_is_a_tombstone_without_content(documents: DocumentStore) -> None:
    document = secret_document(index=IndexState(state="done", generation=4))
    await put(documents, document)
    await documents.delete(document.memory.id, scope=ANNA, now=NOW)
    [row] = await rows_of(documents, since=NOW)
    assert (row.id, row.live) == (document.memory.id, False)
    assert row.updated_ms == round(NOW.timestamp() * 1000)
    assert row.created_ms == round(document.memory.created_at.timestamp() * 1000)
    assert (row.terms, row.entity_terms, row.embedding) == (b"", b"", None)
    assert (row.speaker, row.session_id) == (None, None)
    [work] = await documents.pending(limit=9, now=NOW)
    assert (work.scope, work.id, work.deleted, work.content, work.embedding) == (ANNA, row.id, True, "", None)
    assert work.generation > 4


async def test_late_index_work_on_a_deleted_memory_has_no_effect(documents: DocumentStore) -> None:
    document = build_document(index=PENDING)
    await put(documents, document)
    [work] = await documents.pending(limit=9, now=NOW)
    await documents.delete(document.memory.id, scope=ANNA, now=NOW)
    assert await documents.mark([mark_of(work.id, work.generation)], scope=ANNA) == 0
    [tombstone] = await rows_of(documents, since=NOW)
    assert tombstone.embedding is None
    assert [work.deleted for work in await documents.pending(limit=9, now=NOW)] == [True]


def mark_of(memory_id: MemoryId, generation: int) -> IndexMark:
    return IndexMark(memory_id, generation, "done", embedding=unit_vector(1).tobytes(), embedding_model="model")


async def test_purge_removes_tombstones_and_nothing_else(documents: DocumentStore) -> None:
    given = build_many(4)
    ids = memory_ids(given)
    await put(documents, *given)
    await documents.delete(ids[0], scope=ANNA, now=NOW)
    await documents.delete(ids[1], scope=ANNA, now=NOW)
    assert (await documents.count(ANNA))["memories"] == 4
    assert await documents.purge([ids[0], ids[2], new_id()], scope=ANNA) == 1
    assert await documents.purge([ids[0]], scope=ANNA) == 0
    assert await documents.purge([], scope=ANNA) == 0
    assert [row.id for row in await rows_of(documents, since=NOW)] == [ids[1]]
    assert ids_of(await documents.list_page(scope=ANNA, limit=9, now=NOW)) == [ids[3], ids[2]]
    assert await documents.purge(frozenset(ids), scope=ANNA) == 1
    assert (await documents.count(ANNA))["memories"] == 2


# --- erase, count


async def test_an_erasure_removes_everything_and_says_how_much_of_each_kind(bench: DocumentBench) -> None:
    store = bench.documents
    assert (await store.count(ANNA))["memories"] == 0
    deleted, expired = secret_document(), build_document("expired", expires_at=NOW)
    updated = build_document("updated", relations=[build_relation("anna", "graz")])
    foreign = build_document("his", scope=BEN, relations=[build_relation("ben", "munich")])
    await store.put_many([deleted, expired, updated], scope=ANNA, now=NOW - MILLISECOND)
    await bench.put([foreign], BEN)
    changed = replace(next_version(updated, "changed"), relations=updated.relations)
    await store.update(changed, scope=ANNA, expected_version=1, now=NOW)
    await store.delete(deleted.memory.id, scope=ANNA, now=NOW)

    held = await store.count(ANNA)
    removed = await store.erase(ANNA)
    assert held["memories"] == 3
    assert removed == held
    left = await store.count(ANNA)
    assert set(left) == set(held)
    assert not any(left.values())
    assert not any((await store.erase(ANNA)).values())
    assert await rows_of(store, since=NOW - 9 * MILLISECOND) == []
    assert await store.pending(limit=9, now=FUTURE) == []
    if "graph" in store.covers:
        assert await bench.graph.search(["anna"], scope=ANNA, limit=9) == []
        assert await bench.graph.count(ANNA) == 0
    assert await store.list_page(scope=BEN, limit=9, now=NOW) == [foreign.memory]
    assert ids_of(await bench.graph.search(["ben"], scope=BEN, limit=9)) == [foreign.memory.id]


async def test_an_owner_may_begin_again_after_an_erasure(documents: DocumentStore) -> None:
    before, after = build_document("before", key="k"), build_document("after", key="k")
    await put(documents, before)
    await documents.erase(ANNA)
    assert await put(documents, after) == [after.memory]
    assert await documents.list_page(scope=ANNA, limit=9, now=NOW) == [after.memory]
    assert await words_find(documents, "before") == []


@pytest.mark.needs(Capability.OWN_FILES)
@pytest.mark.parametrize("way", ["erase", "delete"])
async def test_no_byte_of_what_was_erased_is_left_in_the_files(bench: DocumentBench, tmp_path: Path, way: str) -> None:
    document, other = secret_document(), build_document("other", scope=BEN)
    await bench.put([document], ANNA)
    await bench.put([other], BEN)
    await bench.documents.update(next_version(document, SECRET * 3), scope=ANNA, expected_version=1, now=NOW)
    assert files_with_secret(tmp_path)
    if way == "erase":
        await bench.documents.erase(ANNA)
    else:
        await bench.documents.delete(document.memory.id, scope=ANNA, now=NOW)
    assert files_with_secret(tmp_path) == []


def files_with_secret(folder: Path) -> list[str]:
    files = [file for file in folder.rglob("*") if file.is_file()]
    return [file.name for file in files if SECRET.encode() in file.read_bytes().lower()]
