"""How the store on MongoDB works beside the contracts: its commands, its history, its keys, who opens and closes it."""

import asyncio
import gc
import json
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, NamedTuple

import pytest

from stores.errors import Conflict, Incompatible, NotFound, StoreError, Unavailable
from stores.filters import parse_filter
from stores.mongo.client import MongoDatabase
from stores.mongo.documents import MongoDocuments
from stores.mongo.graph import MongoGraph
from stores.mongo.indexes import INDEXES
from stores.mongo.monitoring import CommandCounter
from stores.mongo.writing import VERSIONS_INSIDE
from stores.records import IndexMark, Memory, TimeWindow
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
    memory_ids,
    named,
    put,
    rows_of,
    unit_vector,
)
from tests.mongo_planner import indexes_for


class Warm(NamedTuple):
    """An open store whose counter starts at zero."""

    documents: MongoDocuments
    graph: MongoGraph
    counter: CommandCounter

    @property
    def raw(self) -> MongoDatabase:
        return self.documents._database


@pytest.fixture
async def warm() -> AsyncIterator[Warm]:
    counter = CommandCounter()
    options = replace(mongo_server.OPTIONS, listeners=(counter,))
    database = MongoDatabase(mongo_server.database_url(mongo_server.fresh_name()), options=options)
    documents, graph = MongoDocuments(database), MongoGraph(database)
    await documents.open()
    await graph.open()
    counter.reset()
    yield Warm(documents, graph, counter)
    await database.handle.client.drop_database(database.handle.name)
    await graph.aclose()
    await documents.aclose()


async def versions(store: MongoDocuments, number: int) -> Memory:
    """Give memory 1 `number` versions, and return the last."""
    document = build_document("version 1", id=named(1), at=PAST)
    await put(store, document)
    memory = document.memory
    for version in range(2, number + 1):
        memory = replace(memory, content=f"version {version}", version=version, updated_at=PAST + version * MILLISECOND)
        await store.update(document_of(memory), scope=ANNA, expected_version=version - 1, now=NOW)
    return memory


# --- commands


async def test_each_call_costs_the_commands_that_it_promises(warm: Warm) -> None:
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
        "erase": (store.erase(ANNA), ["aggregate", "aggregate", "delete", "delete"]),
    }
    spent = {}
    for name, (call, _) in calls.items():
        counter.reset()
        await call
        spent[name] = counter.names
        assert len({json.dumps(body, default=str) for *_, body in counter.sent}) == len(counter.sent), name
    assert spent == {name: expected for name, (_, expected) in calls.items()}


async def test_a_thousand_memories_are_one_command(warm: Warm) -> None:
    given = build_many(1_000)
    await put(warm.documents, *given)
    assert warm.counter.names == ["insert"]
    warm.counter.reset()
    assert len(await warm.documents.get_many(memory_ids(given), scope=ANNA, now=NOW)) == 1_000
    assert warm.counter.names == ["find"]


async def test_a_page_of_1001_comes_in_one_reply(warm: Warm) -> None:
    await put(warm.documents, *build_many(1_001))
    warm.counter.reset()
    assert len(await warm.documents.list_page(scope=ANNA, limit=1_001, now=NOW)) == 1_001
    assert warm.counter.names == ["find"]


async def test_every_write_and_read_is_led_by_an_index_and_bound_to_the_owner(warm: Warm) -> None:
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


async def test_every_write_waits_for_the_journals_of_a_majority(warm: Warm) -> None:
    await put(warm.documents, build_document(id=named(1)))
    await warm.documents.delete(named(1), scope=ANNA, now=NOW)
    await warm.documents.erase(ANNA)
    writes = [body for name, _, body in warm.counter.sent if name in ("insert", "update", "delete")]
    assert [body["writeConcern"] for body in writes] == [{"w": "majority", "j": True}] * len(writes)
    assert len(writes) == 5


# --- history


async def test_all_versions_stay_when_they_no_longer_fit_inside_the_memory(warm: Warm) -> None:
    number = 2 * VERSIONS_INSIDE + 5
    last = await versions(warm.documents, number)
    warm.counter.reset()
    past = await warm.documents.history(last.id, scope=ANNA, now=NOW)
    assert [entry.version for entry in past] == list(range(1, number + 1))
    assert [entry.content for entry in past] == [f"version {version}" for version in range(1, number + 1)]
    assert [entry.event for entry in past] == ["added"] + ["updated"] * (number - 1)
    assert warm.counter.names == ["find", "find"]
    inside = await warm.raw.collection("memories").find_one({"_id": last.id})
    assert inside is not None
    assert len(inside["history"]) <= VERSIONS_INSIDE


async def test_an_update_costs_a_third_command_only_when_the_history_moves_out(warm: Warm) -> None:
    await versions(warm.documents, 3 * VERSIONS_INSIDE)
    names = warm.counter.names
    assert names.count("update") == 3 * VERSIONS_INSIDE - 1
    assert names.count("insert") - 1 == 2


async def test_a_crash_after_moving_history_out_loses_and_repeats_nothing(
    warm: Warm, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = await versions(warm.documents, VERSIONS_INSIDE + 1)
    changed = document_of(replace(last, content="after", version=last.version + 1))

    async def crash(*_: Any) -> bool:
        raise Unavailable("crashed")

    with monkeypatch.context() as patched:
        patched.setattr("stores.mongo.writing._compare_and_set", crash)
        with pytest.raises(Unavailable):
            await warm.documents.update(changed, scope=ANNA, expected_version=last.version, now=NOW)
    assert await warm.raw.collection("memory_history").count_documents({}) == VERSIONS_INSIDE
    before = await warm.documents.history(last.id, scope=ANNA, now=NOW)
    assert [entry.version for entry in before] == list(range(1, last.version + 1))
    await warm.documents.update(changed, scope=ANNA, expected_version=last.version, now=NOW)
    after = await warm.documents.history(last.id, scope=ANNA, now=NOW)
    assert [entry.version for entry in after] == list(range(1, last.version + 2))


@pytest.mark.parametrize("way", ["delete", "purge after a crash", "erase"])
async def test_versions_outside_the_memory_go_with_it(warm: Warm, way: str) -> None:
    last = await versions(warm.documents, VERSIONS_INSIDE + 2)
    moved = warm.raw.collection("memory_history")
    left = await moved.find({}).to_list(None)
    assert left
    if way == "erase":
        removed = await warm.documents.erase(ANNA)
        assert removed["history"] == VERSIONS_INSIDE + 1
    else:
        await warm.documents.delete(last.id, scope=ANNA, now=NOW)
    if way == "purge after a crash":
        await moved.insert_many(left)
        await warm.documents.purge([last.id], scope=ANNA)
    assert await moved.count_documents({}) == 0


async def test_fifty_updates_of_one_version_leave_one_winner(warm: Warm) -> None:
    document = build_document("first", id=named(1))
    await put(warm.documents, document)

    async def change(number: int) -> bool:
        memory = replace(document.memory, content=f"by {number}", version=2)
        try:
            await warm.documents.update(document_of(memory), scope=ANNA, expected_version=1, now=NOW)
        except Conflict:
            return False
        return True

    assert sum(await asyncio.gather(*map(change, range(50)))) == 1
    assert [e.version for e in await warm.documents.history(named(1), scope=ANNA, now=NOW)] == [1, 2]


# --- keys


async def test_fifty_concurrent_adds_of_one_key_store_one_memory(warm: Warm) -> None:
    adds = (put(warm.documents, build_document("same", key="same")) for _ in range(50))
    stored = await asyncio.gather(*adds)
    assert len({memories[0].id for memories in stored}) == 1
    assert (await warm.documents.count(ANNA))["memories"] == 1


async def test_a_released_key_leaves_the_expired_memory_to_the_sweeper(warm: Warm) -> None:
    old = build_document("old", key="k", expires_at=NOW)
    await put(warm.documents, old, now=PAST)
    new = build_document("new", key="k")
    assert ids_of(await put(warm.documents, new)) == [new.memory.id]
    assert await warm.documents.expired(limit=9, now=NOW) == [(ANNA, old.memory.id)]


async def test_an_id_that_is_taken_by_another_memory_is_a_conflict(warm: Warm) -> None:
    await put(warm.documents, build_document("hers", id=named(1)))
    with pytest.raises(Conflict):
        await put(warm.documents, build_document("his", id=named(1), scope=BEN), scope=BEN)
    assert (await warm.documents.count(BEN))["memories"] == 0
    hers = await find(warm.documents, named(1))
    assert hers is not None
    assert hers.content == "hers"


async def test_the_same_documents_again_are_the_same_memories(warm: Warm) -> None:
    given = build_many(20)
    once = await put(warm.documents, *given[:10])
    assert (await put(warm.documents, *given))[:10] == once
    assert (await warm.documents.count(ANNA))["memories"] == 20


# --- what is in a document


async def test_a_memory_and_its_edges_are_one_document(warm: Warm) -> None:
    await put(warm.documents, build_document(id=named(1), relations=[build_relation("anna", "munich")]))
    assert warm.counter.names == ["insert"]
    [hit] = await warm.graph.search(["munich"], scope=ANNA, limit=5)
    assert hit.id == named(1)
    await warm.documents.delete(named(1), scope=ANNA, now=NOW)
    assert await warm.graph.count(ANNA) == 0


@pytest.mark.parametrize(
    "metadata", [{"$where": "sleep(1)"}, {"$ref": "x", "$id": 1}, {"a.b": {"$gt": ""}}, {"": 1, "＼s": [{"$": 1}]}]
)
async def test_hostile_metadata_is_stored_and_found_as_data(warm: Warm, metadata: dict[str, Any]) -> None:
    document = build_document(metadata=metadata, id=named(1))
    await put(warm.documents, document, build_document(id=named(2)))
    assert await find(warm.documents, named(1)) == document.memory
    changed = document_of(replace(document.memory, version=2, content="new"))
    await warm.documents.update(changed, scope=ANNA, expected_version=1, now=NOW)
    assert await find(warm.documents, named(1)) == changed.memory


@pytest.mark.parametrize("owner", ['{"$ne": 1}', "$where", "*", "anna.", "a\u0000b", ""])
async def test_an_owner_that_looks_like_an_operator_sees_nothing(warm: Warm, owner: str) -> None:
    await put(warm.documents, build_document(id=named(1)))
    scope = replace(ANNA, owner=owner)
    assert await warm.documents.get_many([named(1)], scope=scope, now=NOW) == []
    assert await warm.documents.list_page(scope=scope, limit=5, now=NOW) == []
    assert await warm.documents.erase(scope) == {"memories": 0, "history": 0, "relations": 0}


@pytest.mark.parametrize("metadata", [{"n": 2**64}, {"text": "\ud800"}, {"set": {1, 2}}])
async def test_what_bson_cannot_hold_is_a_typed_error_and_nothing_is_written(
    warm: Warm, metadata: dict[str, Any]
) -> None:
    with pytest.raises(StoreError):
        await put(warm.documents, build_document(), build_document(metadata=metadata))
    assert (await warm.documents.count(ANNA))["memories"] == 0


async def test_marks_touch_neither_version_nor_time_of_change(warm: Warm) -> None:
    document = build_document(id=named(1), index=PENDING)
    await put(warm.documents, document)
    mark = IndexMark(named(1), 1, "pending", 2, FUTURE, unit_vector(1).tobytes(), "model")
    assert await warm.documents.mark([mark], scope=ANNA) == 1
    assert await warm.documents.mark([], scope=ANNA) == 0
    marked = await find(warm.documents, named(1))
    assert marked is not None
    assert (marked.index.attempts, marked.index.next_attempt_at, marked.embedding_model) == (2, FUTURE, "model")
    assert (marked.version, marked.updated_at) == (1, document.memory.updated_at)


async def test_status_tells_what_doctor_shows(warm: Warm) -> None:
    await put(warm.documents, build_document(id=named(1), index=PENDING), build_document(id=named(2)))
    await warm.documents.delete(named(2), scope=ANNA, now=NOW)
    status = await warm.documents.status()
    assert (status["index_pending"], status["tombstones"], status["format"]) == (1, 1, 1)
    assert status["write_concern"] == "majority, journaled"


# --- opening and closing


async def test_a_database_of_another_program_is_refused_and_left_untouched() -> None:
    url = mongo_server.database_url(mongo_server.fresh_name())
    database, user = MongoDatabase(url, options=mongo_server.OPTIONS), object()
    await database.open(user)
    await database.collection("memories").insert_one({"_id": "theirs", "text": "x"})
    before = await database.handle.list_collection_names()
    with pytest.raises(Incompatible, match="another program"):
        await MongoDocuments(database).open()
    assert await database.handle.list_collection_names() == before
    assert await database.collection("memories").find_one({}) == {"_id": "theirs", "text": "x"}
    await database.aclose(user)
    mongo_server.drop(url)


async def test_a_store_of_a_newer_format_is_refused(warm: Warm) -> None:
    await warm.documents.put_meta("format", b"2", replace=True)
    other = MongoDocuments(MongoDatabase(database=warm.raw.handle))
    with pytest.raises(Incompatible, match="upgrade"):
        await other.open()


async def test_a_prefix_separates_stores_in_one_database(warm: Warm) -> None:
    options = replace(mongo_server.OPTIONS, collection_prefix="other_")
    other = MongoDocuments(MongoDatabase(database=warm.raw.handle, options=options))
    await other.open()
    await put(other, build_document())
    assert (await other.count(ANNA))["memories"] == 1
    assert (await warm.documents.count(ANNA))["memories"] == 0
    assert {"other_memories", "other_context0_meta"} <= set(await warm.raw.handle.list_collection_names())
    await other.aclose()


async def test_the_last_of_the_stores_on_a_database_closes_it() -> None:
    database = MongoDatabase(mongo_server.database_url(mongo_server.fresh_name()), options=mongo_server.OPTIONS)
    documents, graph = MongoDocuments(database), MongoGraph(database)
    with pytest.raises(Unavailable, match="open"):
        await documents.ping()
    await asyncio.gather(documents.open(), graph.open())
    await graph.aclose()
    await graph.aclose()
    await documents.ping()
    url_name = database.handle.name
    await documents.aclose()
    await documents.aclose()
    with pytest.raises(Unavailable):
        await documents.ping()
    await documents.open()
    assert database.handle.name == url_name
    await database.handle.client.drop_database(url_name)
    await documents.aclose()


async def test_a_database_that_was_handed_in_is_not_closed(warm: Warm) -> None:
    borrowed = MongoDocuments(MongoDatabase(database=warm.raw.handle))
    await borrowed.open()
    await borrowed.aclose()
    await warm.documents.ping()


@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
async def test_a_failed_opening_can_be_tried_again() -> None:
    options = replace(mongo_server.OPTIONS, server_selection_s=0.2)
    store = MongoDocuments(MongoDatabase("mongodb://127.0.0.1:1/x", options=options))
    for _ in range(2):
        with pytest.raises(Unavailable, match="cannot be reached"):
            await store.open()
    await store.aclose()
    gc.collect()  # PyMongo 4.20 leaves the socket of a monitor that is cancelled while it connects to the collector


async def test_nothing_of_a_memory_is_in_the_slow_command_log(caplog: pytest.LogCaptureFixture) -> None:
    options = replace(mongo_server.OPTIONS, slow_command_ms=0)
    database = MongoDatabase(mongo_server.database_url(mongo_server.fresh_name()), options=options)
    store = MongoDocuments(database)
    with caplog.at_level(logging.WARNING, "stores.mongo"):
        await store.open()
        await put(store, build_document("a secret content", metadata={"secret": "word"}))
        await store.keyword(["secret"], "secret", scope=ANNA, limit=5, now=NOW)
    await database.handle.client.drop_database(database.handle.name)
    await store.aclose()
    records = [record.__dict__ for record in caplog.records if record.msg == "mongo.slow_command"]
    told = {(record["command"], record["collection"], record["outcome"]) for record in records}
    assert {("insert", "memories", "succeeded"), ("find", "memories", "succeeded"), ("ping", "", "succeeded")} <= told
    assert all(record["ms"] >= 0 for record in records)
    assert "secret" not in str(records)
    assert "anna" not in str(records)


# --- Motor


@pytest.fixture
async def motor_store() -> AsyncIterator[tuple[MongoDocuments, MongoGraph]]:
    from motor.motor_asyncio import AsyncIOMotorClient

    client: Any = AsyncIOMotorClient(mongo_server.mongo_uri())
    handed = client[mongo_server.fresh_name()]
    database = MongoDatabase(database=handed)
    documents, graph = MongoDocuments(database), MongoGraph(database)
    await documents.open()
    await graph.open()
    yield documents, graph
    await graph.aclose()
    await documents.aclose()
    await client.drop_database(handed.name)
    client.close()


async def test_a_motor_database_works_through_the_same_code(motor_store: tuple[MongoDocuments, MongoGraph]) -> None:
    store, graph = motor_store
    given = build_document("Anna moved", id=named(1), relations=[build_relation("anna", "munich")], index=PENDING)
    assert await put(store, given, *build_many(5, at=PAST - 10 * MILLISECOND)[2:]) != []
    assert await put(store, given) == [given.memory]
    assert await find(store, named(1)) == given.memory
    assert ids_of(await store.list_page(scope=ANNA, limit=9, now=NOW))[0] == named(1)
    assert ids_of(await store.keyword(["moved"], "moved", scope=ANNA, limit=5, now=NOW)) == [named(1)]
    assert len(await store.temporal(TimeWindow(since=PAST), scope=ANNA, limit=5, now=NOW)) == 1
    assert ids_of(await graph.search(["munich"], scope=ANNA, limit=5)) == [named(1)]
    assert [work.id for work in await store.pending(limit=5, now=NOW)] == [named(1)]
    assert await store.mark([IndexMark(named(1), 1, "done")], scope=ANNA) == 1
    memory = replace(given.memory, content="Anna stayed", version=2, updated_at=NOW)
    await store.update(document_of(memory), scope=ANNA, expected_version=1, now=NOW)
    assert [e.content for e in await store.history(named(1), scope=ANNA, now=NOW)] == ["Anna moved", "Anna stayed"]
    assert len(await rows_of(store)) == 4
    assert len([batch async for batch in store.scan_documents()]) == 1
    assert (await store.status())["format"] == 1
    assert await store.put_meta("x", b"1") == b"1"
    assert await store.delete(named(1), scope=ANNA, now=NOW)
    with pytest.raises(NotFound):
        await store.history(named(1), scope=ANNA, now=NOW)
    assert await store.purge([named(1)], scope=ANNA) == 1
    assert (await store.erase(ANNA))["memories"] == 3


async def test_motor_has_our_codec_durability_and_deadline(motor_store: tuple[MongoDocuments, MongoGraph]) -> None:
    store, _ = motor_store
    collection = store._database.collection("memories")
    assert collection.codec_options.tz_aware
    assert collection.write_concern.document == {"w": "majority", "j": True}
