"""What MongoDB does when it fails, played by mockupdb: elections, lost replies, unconfirmed writes, silence.

The rule of every test: an answer or a typed error within the deadline, one effect for each memory, never a wrong
"nothing found".
"""

import asyncio
import gc
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final

import pytest
from mockupdb import MockupDB, Request

from stores.errors import Conflict, Full, StoreError, Timeout, Unavailable
from stores.mongo.client import CLOSE_S, MongoDatabase, MongoOptions, Row
from stores.mongo.documents import MongoDocuments
from stores.mongo.graph import MongoGraph
from stores.mongo.monitoring import CommandCounter
from stores.records import IndexMark, TimeWindow
from tests.contracts.builders import ANNA, NOW, build_document, build_many, ids_of, memory_ids, named, put

OPTIONS: Final = MongoOptions(timeout_s=3.0, server_selection_s=1.0, min_pool=0)
HELLO: Final = {
    "ok": 1,
    "ismaster": True,
    "isWritablePrimary": True,
    "minWireVersion": 0,
    "maxWireVersion": 21,
    "maxBsonObjectSize": 16_777_216,
    "maxMessageSizeBytes": 48_000_000,
    "maxWriteBatchSize": 100_000,
    "logicalSessionTimeoutMinutes": 30,
}
UPDATED: Final = {"ok": 1, "n": 1, "nModified": 1}
STEP_DOWN: Final = [10107, 11602, 91]
Behaviour = Callable[["ScriptedMongoDB", Request], None]


@dataclass
class ScriptedMongoDB:
    """A server that keeps what is inserted, and misbehaves as `script` says, command by command."""

    replica_set: bool = True
    script: dict[str, list[Behaviour]] = field(default_factory=dict)
    rows: dict[str, Row] = field(default_factory=dict)
    seen: list[Row] = field(default_factory=list)
    done: dict[Any, Row] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.server = MockupDB()
        self.server.autoresponds(self._answer)
        self.server.run()
        self.address = "{}:{}".format(*self.server.address)

    def of(self, command: str) -> list[Row]:
        return [body for body in self.seen if next(iter(body)) == command]

    def apply(self, body: Row) -> Row:
        """Do what an insert or find asks, as MongoDB does; a retried write is recognised by its number."""
        number = (str(body.get("lsid")), body.get("txnNumber"))
        if "txnNumber" in body and number in self.done:
            return self.done[number]
        reply = self._insert(body) if "insert" in body else self._find(body) if "find" in body else {**UPDATED}
        self.done[number] = reply
        return reply

    def _insert(self, body: Row) -> Row:
        errors = []
        for place, row in enumerate(body["documents"]):
            if row["_id"] in self.rows:
                errors.append({"index": place, "code": 11000, "errmsg": "E11000"})
            else:
                self.rows[row["_id"]] = dict(row)
        return {"ok": 1, "n": len(body["documents"]) - len(errors), **({"writeErrors": errors} if errors else {})}

    def _find(self, body: Row) -> Row:
        keys = body["filter"].get("dedupe_key", {}).get("$in")
        found = [row for row in self.rows.values() if keys is None or row["dedupe_key"] in keys]
        return {"ok": 1, "cursor": {"id": 0, "ns": "db.memories", "firstBatch": found}}

    def _answer(self, request: Request) -> bool:
        name = request.command_name
        if name.lower() in ("ismaster", "hello"):
            members = {"setName": "rs", "me": self.address, "hosts": [self.address], "primary": self.address}
            request.reply({**HELLO, **(members if self.replica_set else {})})
        elif name == "ping":
            request.reply({"ok": 1})
        else:
            if name != "endSessions":
                self.seen.append(dict(request.doc))
            behaviours = self.script.get(name, [])
            (behaviours.pop(0) if behaviours else answer)(self, request)
        return True


def answer(server: ScriptedMongoDB, request: Request) -> None:
    request.reply(server.apply(dict(request.doc)))


def refuse(code: int) -> Behaviour:
    def behave(_: ScriptedMongoDB, request: Request) -> None:
        labels = ["RetryableWriteError"] if code in STEP_DOWN and "txnNumber" in request.doc else []
        request.reply({"ok": 0, "code": code, "errmsg": "a text of the server", "errorLabels": labels})

    return behave


def hang_up(_: ScriptedMongoDB, request: Request) -> None:
    request.hangup()


def hang_up_after_applying(server: ScriptedMongoDB, request: Request) -> None:
    server.apply(dict(request.doc))
    request.hangup()


def hang_up_after_applying_some(server: ScriptedMongoDB, request: Request) -> None:
    server.apply({**request.doc, "documents": request.doc["documents"][:3]})
    request.hangup()


def unconfirmed(server: ScriptedMongoDB, request: Request) -> None:
    late = {"code": 64, "codeName": "WriteConcernFailed", "errmsg": "waiting for replication timed out"}
    request.reply({**server.apply(dict(request.doc)), "writeConcernError": late})


def silence(_server: ScriptedMongoDB, _request: Request) -> None:
    """The reply never comes."""


@pytest.fixture(scope="module")
def stopping() -> Iterator[list[threading.Thread]]:
    """mockupdb takes a second to stop: the servers of these tests do it side by side, and are waited for at the end."""
    threads: list[threading.Thread] = []
    yield threads
    for thread in threads:
        thread.join()


@pytest.fixture
def scripted(stopping: list[threading.Thread]) -> Iterator[ScriptedMongoDB]:
    yield from _served(ScriptedMongoDB(), stopping)


@pytest.fixture
def standalone(stopping: list[threading.Thread]) -> Iterator[ScriptedMongoDB]:
    yield from _served(ScriptedMongoDB(replica_set=False), stopping)


def _served(server: ScriptedMongoDB, stopping: list[threading.Thread]) -> Iterator[ScriptedMongoDB]:
    yield server
    stopping.append(threading.Thread(target=server.server.stop))
    stopping[-1].start()


@asynccontextmanager
async def opened(server: ScriptedMongoDB, options: MongoOptions = OPTIONS) -> AsyncIterator[MongoDocuments]:
    """Yield a store that is connected; its indexes are not what these tests are about."""
    name = "?replicaSet=rs" if server.replica_set else ""
    database = MongoDatabase(f"mongodb://{server.address}/db{name}", options=options)
    user = object()
    await database.open(user)
    try:
        yield MongoDocuments(database)
    finally:
        await database.aclose(user)


# --- elections and lost replies


@pytest.mark.parametrize("code", STEP_DOWN)
async def test_a_write_survives_a_step_down_by_one_retry(scripted: ScriptedMongoDB, code: int) -> None:
    scripted.script["insert"] = [refuse(code)]
    async with opened(scripted) as store:
        given = build_many(3)
        assert ids_of(await put(store, *given)) == memory_ids(given)
    first, second = scripted.of("insert")
    assert (first["txnNumber"], first["lsid"]) == (second["txnNumber"], second["lsid"])
    assert set(scripted.rows) == set(memory_ids(given))


@pytest.mark.parametrize("code", STEP_DOWN)
async def test_a_read_survives_a_step_down_by_one_retry(scripted: ScriptedMongoDB, code: int) -> None:
    async with opened(scripted) as store:
        given = build_document()
        await put(store, given)
        scripted.script["find"] = [refuse(code)]
        assert await store.get_many([given.memory.id], scope=ANNA, now=NOW) == [given.memory]
    assert len(scripted.of("find")) == 2


@pytest.mark.parametrize("fault", [hang_up, hang_up_after_applying], ids=["before applying", "after applying"])
async def test_a_write_whose_reply_is_lost_has_one_effect(scripted: ScriptedMongoDB, fault: Behaviour) -> None:
    scripted.script["insert"] = [fault]
    async with opened(scripted) as store:
        given = build_many(3)
        assert ids_of(await put(store, *given)) == memory_ids(given)
    assert [row["_id"] for row in scripted.rows.values()] == memory_ids(given)
    assert len(scripted.of("insert")) == 2


@pytest.mark.parametrize(
    "fault",
    [hang_up, hang_up_after_applying, hang_up_after_applying_some],
    ids=["before applying", "after applying", "after applying some"],
)
async def test_without_a_replica_set_a_lost_reply_is_reported_and_the_call_may_be_repeated(
    standalone: ScriptedMongoDB, fault: Behaviour
) -> None:
    standalone.script["insert"] = [fault]
    given = build_many(5)
    async with opened(standalone) as store:
        with pytest.raises(Unavailable, match="may be repeated"):
            await put(store, *given)
        assert ids_of(await put(store, *given)) == memory_ids(given)
    assert sorted(standalone.rows) == sorted(memory_ids(given))


async def test_marks_and_deletes_survive_a_step_down(scripted: ScriptedMongoDB) -> None:
    scripted.script["update"] = [refuse(10107), answer, refuse(91)]
    async with opened(scripted) as store:
        assert await store.mark([IndexMark(named(1), 1, "done")], scope=ANNA) == 1
        assert await store.delete(named(1), scope=ANNA, now=NOW)
    assert len(scripted.of("update")) == 4


async def test_a_server_that_is_never_primary_costs_few_commands_and_ends_in_time(scripted: ScriptedMongoDB) -> None:
    scripted.script["insert"] = [refuse(10107)] * 1_000
    began = time.monotonic()
    async with opened(scripted) as store:
        with pytest.raises(Unavailable):
            await put(store, build_document())
    assert time.monotonic() - began < OPTIONS.timeout_s * 1.1 + 0.5
    assert len(scripted.of("insert")) <= 8
    assert scripted.rows == {}


# --- writes that nobody confirms


async def test_an_unconfirmed_insert_is_an_unknown_outcome_that_a_repeated_call_settles(
    scripted: ScriptedMongoDB,
) -> None:
    scripted.script["insert"] = [unconfirmed]
    given = build_document()
    async with opened(scripted) as store:
        with pytest.raises(Unavailable, match="unknown outcome"):
            await put(store, given)
        assert await put(store, given) == [given.memory]
    assert len(scripted.rows) == 1


async def test_an_unconfirmed_update_mark_or_delete_is_never_reported_as_done(scripted: ScriptedMongoDB) -> None:
    scripted.script["update"] = [unconfirmed] * 2
    async with opened(scripted) as store:
        with pytest.raises(Unavailable, match="unknown outcome"):
            await store.mark([IndexMark(named(1), 1, "done")], scope=ANNA)
        with pytest.raises(Unavailable, match="unknown outcome"):
            await store.delete(named(1), scope=ANNA, now=NOW)


async def test_duplicates_with_an_unconfirmed_rest_are_an_unknown_outcome(scripted: ScriptedMongoDB) -> None:
    first, second = build_document("a"), build_document("b")
    async with opened(scripted) as store:
        await put(store, first)
        scripted.script["insert"] = [unconfirmed]
        with pytest.raises(Unavailable, match="unknown outcome"):
            await put(store, first, second)


@pytest.mark.parametrize(("code", "expected"), [(14031, Full), (50, Timeout), (13, Unavailable), (2, StoreError)])
async def test_a_refused_insert_is_a_typed_error(
    scripted: ScriptedMongoDB, code: int, expected: type[StoreError]
) -> None:
    scripted.script["insert"] = [refuse(code)]
    async with opened(scripted) as store:
        with pytest.raises(expected) as caught:
            await put(store, build_document())
    assert type(caught.value) is expected
    assert "a text of the server" not in str(caught.value)


async def test_an_update_that_nothing_matches_any_more_is_a_conflict(scripted: ScriptedMongoDB) -> None:
    def gone(_: ScriptedMongoDB, request: Request) -> None:
        request.reply({"ok": 1, "n": 0, "nModified": 0})

    given = build_document(id=named(1))
    async with opened(scripted) as store:
        await put(store, given)
        scripted.script["update"] = [gone]
        with pytest.raises(Conflict):
            changed = replace(given, memory=replace(given.memory, version=2))
            await store.update(changed, scope=ANNA, expected_version=1, now=NOW)


# --- silence


@pytest.mark.parametrize("command", ["insert", "find", "update"])
async def test_silence_becomes_a_timeout_within_the_deadline(scripted: ScriptedMongoDB, command: str) -> None:
    options = replace(OPTIONS, timeout_s=0.5)
    async with opened(scripted, options) as store:
        given = build_document()
        await put(store, given)
        scripted.script[command] = [silence] * 100
        calls: dict[str, Callable[[], Any]] = {
            "insert": lambda: put(store, build_document()),
            "find": lambda: store.list_page(scope=ANNA, limit=5, now=NOW),
            "update": lambda: store.mark([IndexMark(named(1), 1, "done")], scope=ANNA),
        }
        began = time.monotonic()
        with pytest.raises(Timeout, match=r"0\.5 s"):
            await calls[command]()
        assert time.monotonic() - began < 0.5 * 1.1 + 0.2
        scripted.script[command] = []
        assert ids_of(await store.get_many([given.memory.id], scope=ANNA, now=NOW)) == [given.memory.id]


async def test_silence_holds_up_nobody_else(scripted: ScriptedMongoDB) -> None:
    options = replace(OPTIONS, timeout_s=1.0)
    async with opened(scripted, options) as store:
        scripted.script["insert"] = [silence] * 10
        stuck = [asyncio.create_task(put(store, build_document())) for _ in range(10)]
        began = time.monotonic()
        while len(scripted.of("insert")) < 10:  # noqa: ASYNC110 - the server is a thread of its own
            await asyncio.sleep(0.01)
        assert await store.list_page(scope=ANNA, limit=5, now=NOW) == []
        assert time.monotonic() - began < 0.9
        outcomes = await asyncio.gather(*stuck, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {Timeout}


@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
async def test_a_server_that_accepts_and_never_answers_is_unavailable_when_it_is_opened() -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        address = "{}:{}".format(*listening.getsockname())
        database = MongoDatabase(f"mongodb://{address}/db", options=replace(OPTIONS, server_selection_s=0.4))
        began = time.monotonic()
        with pytest.raises(Unavailable, match="cannot be reached"):
            await MongoDocuments(database).open()
        assert time.monotonic() - began < 1.5
    gc.collect()  # PyMongo 4.20 leaves the socket of a cancelled connection to the collector


async def test_closing_waits_for_no_goodbye(scripted: ScriptedMongoDB) -> None:
    scripted.script["endSessions"] = [silence] * 10
    async with opened(scripted) as store:
        await put(store, build_document())
        began = time.monotonic()
    assert time.monotonic() - began < CLOSE_S + 0.5


async def test_a_cancelled_call_leaves_the_store_usable(scripted: ScriptedMongoDB) -> None:
    async with opened(scripted) as store:
        scripted.script["insert"] = [silence]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await put(store, build_document())
        given = build_document()
        assert await put(store, given) == [given.memory]


# --- failures are never an empty answer


async def test_no_read_answers_a_failure_with_nothing(scripted: ScriptedMongoDB) -> None:
    async with opened(scripted) as store:
        graph = MongoGraph(store._database)
        reads: Sequence[Callable[[], Any]] = [
            lambda: store.get_many([named(1)], scope=ANNA, now=NOW),
            lambda: store.list_page(scope=ANNA, limit=5, now=NOW),
            lambda: store.keyword(["a"], "a", scope=ANNA, limit=5, now=NOW),
            lambda: store.temporal(TimeWindow(), scope=ANNA, limit=5, now=NOW),
            lambda: store.history(named(1), scope=ANNA, now=NOW),
            lambda: store.pending(limit=5, now=NOW),
            lambda: store.expired(limit=5, now=NOW),
            lambda: store.get_meta("x"),
            lambda: graph.search(["a"], scope=ANNA, limit=5),
            lambda: graph.relations("a", scope=ANNA, limit=5),
            lambda: anext(store.scan(scope=ANNA)),
            lambda: anext(store.scan_documents()),
        ]
        for read in reads:
            scripted.script["find"] = [refuse(2)]
            with pytest.raises(StoreError):
                await read()
        scripted.script["aggregate"] = [refuse(2)] * 2
        for count in (store.count, graph.count):
            with pytest.raises(StoreError):
                await count(ANNA)


# --- what goes over the wire


async def test_a_text_search_asks_for_any_of_the_words_of_one_owner(scripted: ScriptedMongoDB) -> None:
    def two_hits(_: ScriptedMongoDB, request: Request) -> None:
        hits = [{"_id": named(2), "score": 1.5}, {"_id": named(1), "score": 0.75}]
        request.reply({"ok": 1, "cursor": {"id": 0, "ns": "db.memories", "firstBatch": hits}})

    scripted.script["find"] = [two_hits]
    async with opened(scripted) as store:
        question = '-where does "she live"?'
        hits = await store.keyword(["she", "live"], question, scope=ANNA, limit=2, among=[named(1), named(2)], now=NOW)
    assert hits == [(named(2), 1.5), (named(1), 0.75)]
    [sent] = scripted.of("find")
    assert sent["filter"]["$text"] == {"$search": "where does she live"}
    assert sent["filter"]["_id"] == {"$in": [named(1), named(2)]}
    assert list(sent["filter"].items())[-1] == ("source_user_id", "anna")
    assert list(sent["sort"].items()) == [("score", {"$meta": "textScore"}), ("_id", 1)]
    assert sent["limit"] == 2


async def test_hostile_keys_are_inert_on_the_wire(scripted: ScriptedMongoDB) -> None:
    metadata = {"$where": "sleep(1)", "a.b": {"$ref": "x", "$id": 1}, "list": [{"$gt": ""}], "nul\0": 1}
    given = build_document(metadata=metadata, key="$ne")
    async with opened(scripted) as store:
        await put(store, given)
        await put(store, given)
        assert await store.get_many([given.memory.id], scope=ANNA, now=NOW) == [given.memory]
    [stored] = scripted.of("insert")[0]["documents"]
    assert not [key for key in keys_of(stored["metadata"]) if key.startswith("$") or "." in key or "\0" in key]
    assert scripted.of("find")[0]["filter"]["dedupe_key"] == {"$in": ["$ne"]}


def keys_of(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from keys_of(item)
    elif isinstance(value, list):
        for item in value:
            yield from keys_of(item)


async def test_every_command_carries_a_deadline_and_every_write_its_concern(scripted: ScriptedMongoDB) -> None:
    counter = CommandCounter()
    async with opened(scripted, replace(OPTIONS, listeners=(counter,))) as store:
        await put(store, build_document(id=named(1)))
        await store.list_page(scope=ANNA, limit=5, now=NOW)
        await store.delete(named(1), scope=ANNA, now=NOW)
    assert [next(iter(body)) for body in scripted.seen] == ["insert", "find", "update", "delete"]
    assert all(0 < body["maxTimeMS"] <= 3_000 for body in scripted.seen)
    concerns = [body.get("writeConcern") for body in scripted.seen]
    assert concerns == [{"w": "majority", "j": True}, None, *[{"w": "majority", "j": True}] * 2]
