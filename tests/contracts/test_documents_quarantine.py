"""DocumentStore: a memory in quarantine is kept whole, and found by its owner's own list, id and history only (S9)."""

from dataclasses import replace

from stores.filters import parse_filter
from stores.protocols import DocumentStore
from stores.records import Document, Keyset, TimeWindow
from tests.contracts.builders import (
    ANNA,
    BEN,
    FUTURE,
    MILLISECOND,
    NOW,
    PAST,
    build_document,
    document_of,
    find,
    ids_of,
    named,
    put,
    rows_of,
)

REASONS = ("override", "exfiltration")
ANY = parse_filter({"NOT": {"speaker": "nobody"}})


def kept_back(content: str = "note", **fields: object) -> Document:
    """Return a document in quarantine, as the engine writes it: without anything that a search could find."""
    document = build_document(content, quarantine=REASONS, **fields)
    return replace(document, keywords=(), terms=b"", entity_terms=b"")


def freed(document: Document) -> Document:
    memory = document.memory.evolve(quarantine=(), version=2, updated_at=NOW)
    return document_of(memory, key=document.dedupe_key)


async def test_it_is_stored_whole_and_read_by_its_id(documents: DocumentStore) -> None:
    document = kept_back()
    assert await put(documents, document) == [document.memory]
    assert await find(documents, document.memory.id) == document.memory
    assert [memory async for batch in documents.scan_documents(scope=ANNA) for _, memory in batch] == [document.memory]
    assert (await documents.count(ANNA))["memories"] == 1


async def test_no_search_and_no_listing_finds_it(documents: DocumentStore) -> None:
    plain = build_document("note one")
    await put(documents, kept_back("note two"), plain)
    only = [plain.memory.id]
    assert ids_of(await documents.list_page(scope=ANNA, limit=9, now=NOW)) == only
    assert ids_of(await documents.list_page(scope=ANNA, limit=9, where=ANY, now=NOW)) == only
    assert await documents.match(ANY, scope=ANNA, now=NOW) == only
    assert ids_of(await documents.keyword(["note"], "note", scope=ANNA, limit=9, now=NOW)) == only
    assert ids_of(await documents.temporal(TimeWindow(), scope=ANNA, limit=9, now=NOW)) == only
    assert ids_of(await rows_of(documents)) == only


async def test_its_owner_lists_it_page_by_page_newest_first(documents: DocumentStore) -> None:
    mine = [kept_back(f"note {n}", id=named(n), at=PAST + n * MILLISECOND) for n in range(5)]
    await put(documents, *mine, build_document(), kept_back("over", expires_at=FUTURE))
    await put(documents, kept_back("his", scope=BEN), scope=BEN)
    first = await documents.quarantined(scope=ANNA, limit=3, now=FUTURE)
    assert ids_of(first) == [named(4), named(3), named(2)]
    behind = Keyset(round(first[-1].created_at.timestamp() * 1000), first[-1].id)
    assert ids_of(await documents.quarantined(scope=ANNA, limit=3, after=behind, now=FUTURE)) == [named(1), named(0)]


async def test_an_update_lets_it_out_and_the_history_tells(documents: DocumentStore) -> None:
    document = kept_back()
    await put(documents, document)
    await documents.update(freed(document), scope=ANNA, expected_version=1, now=NOW)
    assert await documents.quarantined(scope=ANNA, limit=9, now=NOW) == []
    assert ids_of(await documents.keyword(["note"], "note", scope=ANNA, limit=9, now=NOW)) == [document.memory.id]
    history = await documents.history(document.memory.id, scope=ANNA, now=NOW)
    assert [(entry.version, entry.quarantine) for entry in history] == [(1, REASONS), (2, ())]


async def test_who_follows_the_changes_is_told_to_forget_it_and_to_take_it_back(documents: DocumentStore) -> None:
    plain, hidden = build_document("note one"), kept_back("note two")
    await put(documents, plain, hidden)
    memory = plain.memory.evolve(quarantine=REASONS, version=2, updated_at=NOW)
    await documents.update(document_of(memory), scope=ANNA, expected_version=1, now=NOW)
    await documents.update(freed(hidden), scope=ANNA, expected_version=1, now=NOW)
    rows = {row.id: (row.version, row.live) for row in await rows_of(documents, since=NOW)}
    assert rows == {plain.memory.id: (2, False), hidden.memory.id: (2, True)}


async def test_a_deleted_one_leaves_the_list_and_another_owner_never_sees_it(documents: DocumentStore) -> None:
    document = kept_back()
    await put(documents, document)
    assert await documents.quarantined(scope=BEN, limit=9, now=NOW) == []
    assert await documents.delete(document.memory.id, scope=BEN, now=NOW) is False
    assert await documents.delete(document.memory.id, scope=ANNA, now=NOW) is True
    assert await documents.quarantined(scope=ANNA, limit=9, now=NOW) == []
    assert [row.live for row in await rows_of(documents, since=PAST)] == [False]
