"""What the store makes of a MongoDB that fails: elections, lost replies, unconfirmed writes, refusals.

The rule of every test: an answer or a typed error within the deadline, one effect for each memory, never a wrong
"nothing found".
"""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from mockupdb import Request

from context0.retry_budget import RetryBudget
from stores.errors import Conflict, Full, StoreError, Timeout, Unavailable
from stores.mongo.graph import MongoGraph
from stores.mongo.monitoring import CommandCounter
from stores.records import IndexMark, TimeWindow
from tests.contracts.builders import ANNA, NOW, build_document, build_many, ids_of, memory_ids, named, put
from tests.mongo_scripted import (
    OPTIONS,
    STEP_DOWN,
    Behaviour,
    ScriptedMongoDB,
    answer,
    hang_up,
    hang_up_after_applying,
    hang_up_after_applying_some,
    opened,
    refuse,
    served,
    unconfirmed,
    unconfirmed_by,
)


@pytest.fixture(scope="module")
def stopping() -> Iterator[list[threading.Thread]]:
    threads: list[threading.Thread] = []
    yield threads
    for thread in threads:
        thread.join()


@pytest.fixture
def scripted(stopping: list[threading.Thread]) -> Iterator[ScriptedMongoDB]:
    yield from served(ScriptedMongoDB(), stopping)


@pytest.fixture
def standalone(stopping: list[threading.Thread]) -> Iterator[ScriptedMongoDB]:
    yield from served(ScriptedMongoDB(replica_set=False), stopping)


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


@pytest.mark.parametrize("fault", [refuse(11602), hang_up, unconfirmed_by(11602)], ids=["refuses", "hangs up", "late"])
async def test_a_server_that_stays_away_costs_two_commands(scripted: ScriptedMongoDB, fault: Behaviour) -> None:
    scripted.script["insert"] = [fault] * 1_000
    began = time.monotonic()
    async with opened(scripted) as store:
        with pytest.raises(Unavailable):
            await put(store, build_document())
        assert len(scripted.of("insert")) == 2
        scripted.script["insert"] = []
        assert await put(store, build_document()), "the next call has its time"
    assert time.monotonic() - began < OPTIONS.timeout_s * 1.1 + 0.5


async def test_calls_together_repeat_no_more_than_they_are_allowed(scripted: ScriptedMongoDB) -> None:
    scripted.script["find"] = [refuse(11602)] * 1_000
    async with opened(scripted, replace(OPTIONS, retries=RetryBudget(share=0.1, reserve=2))) as store:
        calls = (store.get_many([named(1)], scope=ANNA, now=NOW) for _ in range(40))
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {Unavailable}
    assert len(scripted.of("find")) == 40 + 2 + 4


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
