"""DocumentStore: another owner's memories are not there, whichever method asks, and whatever the owner is called.

Each probe asks as a STRANGER, with the ids, words and keys of ANNA, and asserts that they behave as unknown ones.
"""

import contextlib
from dataclasses import replace
from typing import Any

import pytest

from stores.errors import NotFound, StoreError
from stores.filters import parse_filter
from stores.protocols import DocumentStore
from stores.records import Document, Hit, IndexMark, Scope, Statement, TimeWindow
from tests.contracts.builders import (
    ANNA,
    FUTURE,
    NOW,
    PAST,
    PENDING,
    build_document,
    build_many,
    build_relation,
    find,
    ids_of,
    memory_ids,
    named,
    put,
    rows_of,
    unit_vector,
)
from tests.contracts.introspection import methods_taking, probes_in

STRANGER = Scope(owner="stranger")
LIVE, GONE = named(0), named(9)
OWNERS = (
    "ann",
    "anna ",
    " anna",
    "Anna",
    "ANNA",
    "annа",
    "anna\n",
    "anna%",
    "ann_",
    "%",
    "*",
    "",
    "null",
    "0",
    "anna|",
    "[anna]",
)


async def hers(store: DocumentStore) -> Document:
    """Store memories and a tombstone of ANNA's, and return the document of LIVE."""
    given = build_many(3, index=PENDING, embedding=unit_vector(1), key=None)
    given[0] = replace(given[0], relations=(build_relation("anna", "munich", relation="lives_in"),))
    gone = build_document("gone", id=GONE)
    await put(store, *given, gone)
    await store.delete(GONE, scope=ANNA, now=NOW)
    return given[0]


async def everything_of_anna(store: DocumentStore) -> list[Any]:
    return [
        await store.list_page(scope=ANNA, limit=99, now=NOW),
        await rows_of(store),
        await rows_of(store, since=PAST),
        await store.index_rows([LIVE], scope=ANNA),
        await store.history(LIVE, scope=ANNA, now=NOW),
        await store.count(ANNA),
        await store.statements(scope=ANNA, about={"anna"}),
        await store.keyword(["note"], "note", scope=ANNA, limit=9, now=NOW),
        await store.pending(limit=99, now=NOW),
        await store.expired(limit=99, now=FUTURE),
    ]


async def probe_put_many(store: DocumentStore, document: Document) -> None:
    same_key = build_document("stranger", scope=STRANGER, key=document.dedupe_key)
    assert await put(store, same_key, scope=STRANGER) == [same_key.memory]
    same_id = replace(document, dedupe_key="another", memory=replace(document.memory, content="stolen"))
    with contextlib.suppress(StoreError):  # ids are unique everywhere, so a store may also refuse
        await put(store, same_id, scope=STRANGER)
    await store.erase(STRANGER)


async def probe_get_many(store: DocumentStore, document: Document) -> None:
    assert await store.get_many([LIVE, GONE], scope=STRANGER, now=NOW) == []


async def probe_list_page(store: DocumentStore, document: Document) -> None:
    where = parse_filter({"OR": [{"created_at": {"gt": "1970-01-01T00:00:00Z"}}, {"NOT": {"speaker": "x"}}]})
    assert await store.list_page(scope=STRANGER, limit=99, now=NOW) == []
    assert await store.list_page(scope=STRANGER, limit=99, where=where, now=NOW) == []


async def probe_quarantined(store: DocumentStore, document: Document) -> None:
    assert await store.quarantined(scope=STRANGER, limit=99, now=NOW) == []


async def probe_match(store: DocumentStore, document: Document) -> None:
    assert await store.match(parse_filter({"NOT": {"speaker": "x"}}), scope=STRANGER, now=NOW) == []


async def probe_update(store: DocumentStore, document: Document) -> None:
    with pytest.raises(NotFound):
        await store.update(document, scope=STRANGER, expected_version=1, now=NOW)


async def probe_delete(store: DocumentStore, document: Document) -> None:
    assert await store.delete(LIVE, scope=STRANGER, now=NOW) is False


async def probe_statements(store: DocumentStore, document: Document) -> None:
    for closer in (None, LIVE, GONE):
        assert await store.statements(scope=STRANGER, about={"anna"}, closed_by=closer) == []


async def probe_settle(store: DocumentStore, document: Document) -> None:
    over = Statement(id=LIVE, said_at=NOW, traits=0, relations=(), invalid_at=NOW, superseded_by=GONE)
    await store.settle([over], scope=STRANGER, now=NOW)


async def probe_purge(store: DocumentStore, document: Document) -> None:
    assert await store.purge([LIVE, GONE], scope=STRANGER) == 0


async def probe_history(store: DocumentStore, document: Document) -> None:
    with pytest.raises(NotFound):
        await store.history(LIVE, scope=STRANGER, now=NOW)


async def probe_erase(store: DocumentStore, document: Document) -> None:
    assert not any((await store.erase(STRANGER)).values())


async def probe_count(store: DocumentStore, document: Document) -> None:
    assert not any((await store.count(STRANGER)).values())


async def probe_keyword(store: DocumentStore, document: Document) -> None:
    among = [LIVE, GONE]
    assert await store.keyword(["note"], "note", scope=STRANGER, limit=9, now=NOW) == []
    assert await store.keyword(["note"], "note", scope=STRANGER, limit=9, among=among, now=NOW) == []


async def test_ids_of_others_are_not_found_by_one_who_has_memories_of_the_same_words(documents: DocumentStore) -> None:
    await hers(documents)
    own = build_document("note of a stranger", id=named(50), entities=("munich",))
    await documents.put_many([own], scope=STRANGER, now=NOW)
    among = [LIVE, named(1), own.memory.id]
    found = await documents.keyword(["note"], "note", scope=STRANGER, limit=9, among=among, now=NOW)
    assert [hit.id for hit in found] == [own.memory.id]
    assert await documents.keyword(["note"], "note", scope=STRANGER, limit=9, among=[LIVE], now=NOW) == []
    assert await documents.temporal(TimeWindow(), scope=STRANGER, limit=9, among=[LIVE], now=NOW) == []
    assert [row.id for row in await documents.index_rows(among, scope=STRANGER)] == [own.memory.id]


async def probe_temporal(store: DocumentStore, document: Document) -> None:
    assert await store.temporal(TimeWindow(), scope=STRANGER, limit=9, now=NOW) == []
    assert await store.temporal(TimeWindow(), scope=STRANGER, limit=9, among=[LIVE], now=NOW) == []


async def probe_scan(store: DocumentStore, document: Document) -> None:
    assert await rows_of(store, scope=STRANGER) == []
    assert await rows_of(store, scope=STRANGER, since=PAST) == []


async def probe_index_rows(store: DocumentStore, document: Document) -> None:
    assert await store.index_rows([LIVE, GONE], scope=STRANGER) == []


async def probe_scan_documents(store: DocumentStore, document: Document) -> None:
    assert [batch async for batch in store.scan_documents(scope=STRANGER)] == []


async def probe_claim(store: DocumentStore, document: Document) -> None:
    until = FUTURE
    assert await store.claim(limit=9, now=NOW, until=until, scope=STRANGER, ids=[LIVE, GONE]) == []


async def probe_count_pending(store: DocumentStore, document: Document) -> None:
    assert await store.count_pending(STRANGER) == 0


async def probe_failed(store: DocumentStore, document: Document) -> None:
    assert await store.failed(limit=9, scope=STRANGER) == []


async def probe_mark(store: DocumentStore, document: Document) -> None:
    marks = [IndexMark(LIVE, 1, "done", embedding=unit_vector(0, 1).tobytes()), IndexMark(GONE, 2, "done")]
    assert await store.mark(marks, scope=STRANGER) == 0


PROBES = probes_in(globals())


def test_every_method_that_takes_a_scope_is_probed() -> None:
    assert set(PROBES) == methods_taking(DocumentStore, "scope")


@pytest.mark.parametrize("stranger_has_memories", [False, True])
@pytest.mark.parametrize("method", PROBES)
async def test_another_owner_s_memories_behave_as_unknown(
    documents: DocumentStore, method: str, stranger_has_memories: bool
) -> None:
    document = await hers(documents)
    if stranger_has_memories:  # a store may take a short way for an owner whom it does not know
        await put(documents, build_document("x", scope=STRANGER), scope=STRANGER)
        await documents.erase(STRANGER)
        await put(documents, own := build_document("x", scope=STRANGER), scope=STRANGER)
        await documents.delete(own.memory.id, scope=STRANGER, now=PAST)
        await documents.purge([own.memory.id], scope=STRANGER)
    before = await everything_of_anna(documents)
    await PROBES[method](documents, document)
    assert await everything_of_anna(documents) == before
    assert ids_of(before[0]) == [named(2), named(1), named(0)]


async def test_owners_whose_names_look_alike_are_different_owners(documents: DocumentStore) -> None:
    stored = {}
    for owner in ("anna", *OWNERS):
        scope = Scope(owner=owner)
        [stored[owner]] = await put(documents, build_document("same words", scope=scope, key="same"), scope=scope)
    for owner, memory in stored.items():
        scope = Scope(owner=owner)
        assert await documents.list_page(scope=scope, limit=99, now=NOW) == [memory]
        assert ids_of(await documents.keyword(["same"], "same", scope=scope, limit=9, now=NOW)) == [memory.id]
        assert ids_of(await rows_of(documents, scope=scope)) == [memory.id]
        assert (await documents.count(scope))["memories"] == 1
    await documents.erase(Scope(owner="%"))
    for owner in set(stored) - {"%"}:
        assert await find(documents, stored[owner].id, scope=Scope(owner=owner)) == stored[owner]


async def test_erasing_one_owner_leaves_the_next_one_whole(documents: DocumentStore) -> None:
    scopes = [Scope(owner=f"owner {n}") for n in range(5)]
    given = {scope: build_document("same words", scope=scope) for scope in scopes}
    for scope, document in given.items():
        await put(documents, document, scope=scope)
    await documents.erase(scopes[2])
    for scope in scopes:
        expected = [] if scope == scopes[2] else memory_ids([given[scope]])
        assert ids_of(await documents.list_page(scope=scope, limit=9, now=NOW)) == expected
        assert ids_of(await documents.keyword(["same"], "same", scope=scope, limit=9, now=NOW)) == expected


async def test_how_rare_a_word_is_among_others_shows_in_no_score(documents: DocumentStore) -> None:
    async def asked() -> list[Hit]:
        return await documents.keyword(["pizza", "munich"], "pizza munich", scope=ANNA, limit=9, now=NOW)

    await put(documents, *(build_document(text) for text in ("pizza pizza", "munich", "pizza in munich", "graz")))
    before = await asked()
    assert len(before) == 3
    others = [build_document(f"munich is {'very ' * n} big", scope=STRANGER) for n in range(30)]
    await put(documents, *others, scope=STRANGER)
    assert await asked() == before
