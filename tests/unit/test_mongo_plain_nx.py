"""The store's main path on nx-27017 as it is published: MongoDB's semantics are asked for nowhere here."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from stores.errors import Conflict
from stores.mongo.client import MongoDatabase
from stores.mongo.documents import MongoDocuments
from stores.mongo.graph import MongoGraph
from stores.records import IndexMark, Keyset, TimeWindow
from tests import mongo_server
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
    build_relation,
    document_of,
    find,
    ids_of,
    named,
    put,
    rows_of,
    unit_vector,
)


@pytest.fixture
async def stores() -> AsyncIterator[tuple[MongoDocuments, MongoGraph]]:
    url = f"{mongo_server.stand_in_uri(repaired=False)}/{mongo_server.fresh_name()}"
    database = MongoDatabase(url, options=mongo_server.OPTIONS)
    documents, graph = MongoDocuments(database), MongoGraph(database)
    await documents.open()
    await graph.open()
    yield documents, graph
    await graph.aclose()
    await documents.aclose()


async def test_memories_are_added_listed_changed_and_erased(stores: tuple[MongoDocuments, MongoGraph]) -> None:
    store, graph = stores
    relations = [build_relation("anna", "munich")]
    fields = {"tags": ("food",), "metadata": {"city": "Munich"}, "expires_at": FUTURE, "occurred_at": PAST}
    anna = build_document(
        "Anna moved to Munich", id=named(9), relations=relations, embedding=unit_vector(1), index=PENDING, **fields
    )
    assert await put(store, anna) == [anna.memory]
    others = build_many(5, at=PAST - 10 * MILLISECOND)
    await put(store, *others)
    assert await put(store, anna) == [anna.memory]
    assert await find(store, named(9)) == anna.memory
    assert await find(store, named(9), scope=BEN) is None
    page = await store.list_page(scope=ANNA, limit=2, now=NOW)
    assert ids_of(page) == [named(9), named(4)]
    after = Keyset(round(page[-1].created_at.timestamp() * 1000), page[-1].id)
    assert ids_of(await store.list_page(scope=ANNA, limit=9, after=after, now=NOW)) == [named(n) for n in (3, 2, 1, 0)]
    assert ids_of(await store.keyword(["munich"], "Munich", scope=ANNA, limit=5, now=NOW)) == [named(9)]
    assert len(await store.temporal(TimeWindow(since=PAST), scope=ANNA, limit=5, now=NOW)) == 1
    assert ids_of(await graph.search(["munich"], scope=ANNA, limit=5)) == [named(9)]
    assert [work.id for work in await store.pending(limit=5, now=NOW)] == [named(9)]
    mark = IndexMark(named(9), 1, "done", 1, None, unit_vector(2).tobytes(), "model")
    assert await store.mark([mark], scope=ANNA) == 1

    changed = replace(anna.memory, content="Anna lives in Graz", version=2, updated_at=NOW, embedding_model="model")
    await store.update(document_of(changed, embedding=unit_vector(3)), scope=ANNA, expected_version=1, now=NOW)
    assert await find(store, named(9)) == changed
    with pytest.raises(Conflict):
        await store.update(document_of(changed), scope=ANNA, expected_version=1, now=NOW)
    assert [entry.version for entry in await store.history(named(9), scope=ANNA, now=NOW)] == [1, 2]
    assert ids_of(await store.list_page(scope=ANNA, limit=9, now=NOW))[0] == named(9)
    assert len(await rows_of(store)) == 6

    assert await store.delete(named(9), scope=ANNA, now=NOW)
    assert await find(store, named(9)) is None
    assert [row.live for row in await rows_of(store, since=NOW)] == [False]
    assert await store.purge([named(9), named(1)], scope=ANNA) == 1
    assert await store.erase(ANNA) == {"memories": 5, "history": 0, "relations": 0}
