"""Who opens and closes what: URLs, shared databases, Motor's, foreign and newer stores; and what gets logged."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from stores.errors import Incompatible, NotFound, Unavailable
from stores.mongo.client import MongoDatabase
from stores.mongo.documents import MongoDocuments
from stores.mongo.graph import MongoGraph
from stores.records import IndexMark, TimeWindow
from tests import mongo_server
from tests.contracts.builders import (
    ANNA,
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
)
from tests.mongo_server import WarmStore, warm_store


@pytest.fixture
async def warm() -> AsyncIterator[WarmStore]:
    async with warm_store() as opened:
        yield opened


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


async def test_a_store_of_a_newer_format_is_refused(warm: WarmStore) -> None:
    await warm.documents.put_meta("format", b"2", replace=True)
    other = MongoDocuments(MongoDatabase(database=warm.raw.handle))
    with pytest.raises(Incompatible, match="upgrade"):
        await other.open()


async def test_a_prefix_separates_stores_in_one_database(warm: WarmStore) -> None:
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


async def test_a_database_that_was_handed_in_is_not_closed(warm: WarmStore) -> None:
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
