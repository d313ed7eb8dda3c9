"""How the store on MongoDB works beside the contracts: its commands, its keys, what is in a document."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from stores.errors import Conflict, StoreError
from stores.filters import parse_filter
from stores.mongo.index_table import INDEXES
from stores.records import IndexMark, TimeWindow
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
    memory_ids,
    named,
    put,
    rows_of,
    unit_vector,
)
from tests.mongo_planner import indexes_for
from tests.mongo_server import WarmStore, warm_store


@pytest.fixture
async def warm() -> AsyncIterator[WarmStore]:
    async with warm_store() as opened:
        yield opened


# --- commands


async def test_each_call_costs_the_commands_that_it_promises(warm: WarmStore) -> None:
    store, graph, counter = warm
    many = [build_document(f"note {n}", id=named(n), embedding=unit_vector(n), index=PENDING) for n in range(1, 101)]
    edge = [build_relation("anna", "munich")]
    first = build_document("Anna moved to Munich", id=named(0), relations=edge)
    second = document_of(replace(first.memory, content="Anna lives in Graz", version=2), relations=edge)
    since = TimeWindow(since=PAST)
    where = parse_filter({"tags": "x"})
    calls = {
        "add": (put(store, first), ["insert"]),
        "add 100": (put(store, *many), ["insert"]),
        "add again": (put(store, first, *many[:3]), ["insert", "find"]),
        "get_many": (store.get_many(memory_ids(many), scope=ANNA, now=NOW), ["find"]),
        "list": (store.list_page(scope=ANNA, limit=20, now=NOW), ["find"]),
        "list of 1,001": (store.list_page(scope=ANNA, limit=1_001, where=where, now=NOW), ["find"]),
        "match": (store.match(where, scope=ANNA, now=NOW), ["find"]),
        "keyword": (store.keyword(["note"], "note", scope=ANNA, limit=50, now=NOW), ["find"]),
        "keyword without words": (store.keyword([], "?", scope=ANNA, limit=50, now=NOW), []),
        "temporal": (store.temporal(since, scope=ANNA, limit=50, now=NOW), ["find"]),
        "graph, 1 hop": (graph.search(["anna"], scope=ANNA, limit=5), ["find"]),
        "graph, 2 hops": (graph.search(["anna"], scope=ANNA, hops=2, limit=5), ["find", "find"]),
        "relations": (graph.relations("anna", scope=ANNA, limit=5), ["find"]),
        "scan": (rows_of(store), ["find"]),
        "scan since": (rows_of(store, since=PAST), ["find"]),
        "pending": (store.pending(limit=100, now=NOW), ["find"]),
        "mark 100": (store.mark([IndexMark(d.memory.id, 1, "done") for d in many], scope=ANNA), ["update"]),
        "update": (store.update(second, scope=ANNA, expected_version=1, now=NOW), ["find", "update"]),
        "history": (store.history(named(0), scope=ANNA, now=NOW), ["find"]),
        "delete": (store.delete(named(0), scope=ANNA, now=NOW), ["update", "delete"]),
        "delete again": (store.delete(named(0), scope=ANNA, now=NOW), ["update"]),
        "purge": (store.purge([named(0), named(1)], scope=ANNA), ["find", "delete", "delete"]),
        "expired": (store.expired(limit=5, now=NOW), ["find"]),
        "get_meta": (store.get_meta("x"), ["find"]),
        "ping": (store.ping(), ["ping"]),
        "count": (store.count(ANNA), ["aggregate", "aggregate"]),
        "erase": (store.erase(ANNA), ["hello", "update", "aggregate", "aggregate", "delete", "delete"]),
    }
    spent = {}
    for name, (call, _) in calls.items():
        counter.reset()
        await call
        spent[name] = counter.names
        assert len({json.dumps(body, default=str) for *_, body in counter.sent}) == len(counter.sent), name
    assert spent == {name: expected for name, (_, expected) in calls.items()}


async def test_a_thousand_memories_are_one_command(warm: WarmStore) -> None:
    given = build_many(1_000)
    await put(warm.documents, *given)
    assert warm.counter.names == ["insert"]
    warm.counter.reset()
    assert len(await warm.documents.get_many(memory_ids(given), scope=ANNA, now=NOW)) == 1_000
    assert warm.counter.names == ["find"]


async def test_a_page_of_1001_comes_in_one_reply(warm: WarmStore) -> None:
    await put(warm.documents, *build_many(1_001))
    warm.counter.reset()
    assert len(await warm.documents.list_page(scope=ANNA, limit=1_001, now=NOW)) == 1_001
    assert warm.counter.names == ["find"]


async def test_every_write_and_read_is_led_by_an_index_and_bound_to_the_owner(warm: WarmStore) -> None:
    store, graph, counter = warm
    await put(store, build_document("a", id=named(1), key="k", expires_at=PAST), now=PAST - MILLISECOND)
    await put(store, build_document("b", id=named(2), key="k"), build_document("c", id=named(3)))
    await store.update(build_document("d", id=named(3), version=2), scope=ANNA, expected_version=1, now=NOW)
    await store.mark([IndexMark(named(3), 1, "done")], scope=ANNA)
    await graph.put_many([build_document("d", id=named(3), relations=[build_relation("a", "b")])], scope=ANNA)
    await graph.delete_many([named(3)], scope=ANNA)
    await store.delete(named(3), scope=ANNA, now=NOW)
    await store.purge([named(3)], scope=ANNA)
    await graph.erase(ANNA)
    await store.erase(ANNA)
    filters = [(c, q) for name, c, body in counter.sent for q in filters_of(name, body) if c.startswith("memor")]
    assert len(filters) > 15
    for collection, query in filters:
        declared = [index for index in INDEXES if index.collection == collection]
        assert list(query.items())[-1] == ("source_user_id", "anna"), query
        assert indexes_for(query, declared), query


def filters_of(command: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    match command:
        case "find":
            return [body["filter"]]
        case "update":
            return [statement["q"] for statement in body["updates"]]
        case "delete":
            return [statement["q"] for statement in body["deletes"]]
        case "aggregate":
            return [body["pipeline"][0]["$match"]]
    return []


async def test_every_write_waits_for_the_journals_of_a_majority(warm: WarmStore) -> None:
    await put(warm.documents, build_document(id=named(1)))
    await warm.documents.delete(named(1), scope=ANNA, now=NOW)
    await warm.documents.erase(ANNA)
    writes = [body for name, _, body in warm.counter.sent if name in ("insert", "update", "delete")]
    assert [body["writeConcern"] for body in writes] == [{"w": "majority", "j": True}] * len(writes)
    assert len(writes) == 6


# --- keys


async def test_fifty_concurrent_adds_of_one_key_store_one_memory(warm: WarmStore) -> None:
    adds = (put(warm.documents, build_document("same", key="same")) for _ in range(50))
    stored = await asyncio.gather(*adds)
    assert len({memories[0].id for memories in stored}) == 1
    assert (await warm.documents.count(ANNA))["memories"] == 1


async def test_a_released_key_leaves_the_expired_memory_to_the_sweeper(warm: WarmStore) -> None:
    old = build_document("old", key="k", expires_at=NOW)
    await put(warm.documents, old, now=PAST)
    new = build_document("new", key="k")
    assert ids_of(await put(warm.documents, new)) == [new.memory.id]
    assert await warm.documents.expired(limit=9, now=NOW) == [(ANNA, old.memory.id)]


async def test_an_id_that_is_taken_by_another_memory_is_a_conflict(warm: WarmStore) -> None:
    await put(warm.documents, build_document("hers", id=named(1)))
    with pytest.raises(Conflict):
        await put(warm.documents, build_document("his", id=named(1), scope=BEN), scope=BEN)
    assert (await warm.documents.count(BEN))["memories"] == 0
    hers = await find(warm.documents, named(1))
    assert hers is not None
    assert hers.content == "hers"


async def test_the_same_documents_again_are_the_same_memories(warm: WarmStore) -> None:
    given = build_many(20)
    once = await put(warm.documents, *given[:10])
    assert (await put(warm.documents, *given))[:10] == once
    assert (await warm.documents.count(ANNA))["memories"] == 20


# --- what is in a document


async def test_a_memory_and_its_edges_are_one_document(warm: WarmStore) -> None:
    await put(warm.documents, build_document(id=named(1), relations=[build_relation("anna", "munich")]))
    assert warm.counter.names == ["insert"]
    [hit] = await warm.graph.search(["munich"], scope=ANNA, limit=5)
    assert hit.id == named(1)
    await warm.documents.delete(named(1), scope=ANNA, now=NOW)
    assert await warm.graph.count(ANNA) == 0


@pytest.mark.parametrize(
    "metadata", [{"$where": "sleep(1)"}, {"$ref": "x", "$id": 1}, {"a.b": {"$gt": ""}}, {"": 1, "＼s": [{"$": 1}]}]
)
async def test_hostile_metadata_is_stored_and_found_as_data(warm: WarmStore, metadata: dict[str, Any]) -> None:
    document = build_document(metadata=metadata, id=named(1))
    await put(warm.documents, document, build_document(id=named(2)))
    assert await find(warm.documents, named(1)) == document.memory
    changed = document_of(replace(document.memory, version=2, content="new"))
    await warm.documents.update(changed, scope=ANNA, expected_version=1, now=NOW)
    assert await find(warm.documents, named(1)) == changed.memory


@pytest.mark.parametrize("owner", ['{"$ne": 1}', "$where", "*", "anna.", "a\u0000b", ""])
async def test_an_owner_that_looks_like_an_operator_sees_nothing(warm: WarmStore, owner: str) -> None:
    await put(warm.documents, build_document(id=named(1)))
    scope = replace(ANNA, owner=owner)
    assert await warm.documents.get_many([named(1)], scope=scope, now=NOW) == []
    assert await warm.documents.list_page(scope=scope, limit=5, now=NOW) == []
    assert await warm.documents.erase(scope) == {"memories": 0, "history": 0, "relations": 0}


@pytest.mark.parametrize("metadata", [{"n": 2**64}, {"text": "\ud800"}, {"set": {1, 2}}])
async def test_what_bson_cannot_hold_is_a_typed_error_and_nothing_is_written(
    warm: WarmStore, metadata: dict[str, Any]
) -> None:
    with pytest.raises(StoreError):
        await put(warm.documents, build_document(), build_document(metadata=metadata))
    assert (await warm.documents.count(ANNA))["memories"] == 0


async def test_marks_touch_neither_version_nor_time_of_change(warm: WarmStore) -> None:
    document = build_document(id=named(1), index=PENDING)
    await put(warm.documents, document)
    mark = IndexMark(named(1), 1, "pending", 2, FUTURE, unit_vector(1).tobytes(), "model")
    assert await warm.documents.mark([mark], scope=ANNA) == 1
    assert await warm.documents.mark([], scope=ANNA) == 0
    marked = await find(warm.documents, named(1))
    assert marked is not None
    assert (marked.index.attempts, marked.index.next_attempt_at, marked.embedding_model) == (2, FUTURE, "model")
    assert (marked.version, marked.updated_at) == (1, document.memory.updated_at)


async def test_status_tells_what_doctor_shows(warm: WarmStore) -> None:
    await put(warm.documents, build_document(id=named(1), index=PENDING), build_document(id=named(2)))
    await warm.documents.delete(named(2), scope=ANNA, now=NOW)
    status = await warm.documents.status()
    assert (status["index_pending"], status["tombstones"], status["format"]) == (1, 1, 1)
    assert status["write_concern"] == "majority, journaled"
