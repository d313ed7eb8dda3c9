"""A MongoDB that accepts and says nothing: every wait ends within its deadline, and holds up nobody else."""

import asyncio
import gc
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Final

import pytest

from stores.errors import Timeout, Unavailable
from stores.mongo.client import CLOSE_S, MongoDatabase
from stores.mongo.documents import MongoDocuments
from stores.records import IndexMark
from tests.contracts.builders import ANNA, NOW, build_document, ids_of, named, put
from tests.mongo_scripted import OPTIONS, ScriptedMongoDB, opened, served, silence

SLACK_S: Final = 0.5
"""What a busy test machine may add to a deadline."""


@pytest.fixture(scope="module")
def stopping() -> Iterator[list[threading.Thread]]:
    threads: list[threading.Thread] = []
    yield threads
    for thread in threads:
        thread.join()


@pytest.fixture
def scripted(stopping: list[threading.Thread]) -> Iterator[ScriptedMongoDB]:
    yield from served(ScriptedMongoDB(), stopping)


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
        assert time.monotonic() - began < 0.5 * 1.1 + SLACK_S
        scripted.script[command] = []
        assert ids_of(await store.get_many([given.memory.id], scope=ANNA, now=NOW)) == [given.memory.id]


async def test_silence_becomes_a_timeout_through_motor_too(scripted: ScriptedMongoDB) -> None:
    from motor.motor_asyncio import AsyncIOMotorClient

    client: Any = AsyncIOMotorClient(f"mongodb://{scripted.address}/?replicaSet=rs")
    store = MongoDocuments(MongoDatabase(database=client["db"], options=replace(OPTIONS, timeout_s=0.5)))
    await store.ping()
    scripted.script["insert"] = [silence] * 100
    began = time.monotonic()
    with pytest.raises(Timeout):
        await put(store, build_document())
    assert time.monotonic() - began < 0.5 * 1.1 + SLACK_S
    client.close()


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
