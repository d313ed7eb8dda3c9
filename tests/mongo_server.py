"""A MongoDB server for tests: a real one by CONTEXT0_TEST_MONGODB_URI, else the stand-in, one process per test worker.

The stand-in is nx-27017 over TCP, with the repairs of `tests.mongo_stand_in`; `stand_in_uri(repaired=False)` is the
server as it is published.
"""

import atexit
import os
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple

from pymongo import MongoClient
from pymongo.monitoring import CommandListener

from stores.mongo.chats import MongoChats
from stores.mongo.client import MongoDatabase, MongoOptions
from stores.mongo.documents import MongoDocuments
from stores.mongo.graph import MongoGraph
from stores.mongo.monitoring import CommandCounter
from tests.contracts.backends import DocumentBench
from tests.contracts.chat_bench import ChatBench, nothing_to_do

ENVIRONMENT_NAME: Final = "CONTEXT0_TEST_MONGODB_URI"
START_DEADLINE_S: Final = 30.0
OPTIONS: Final = MongoOptions(min_pool=0, server_selection_s=20.0, timeout_s=60.0, late_s=0.05)
"""Patient: a test machine may be busy, and the stand-in's speed says nothing about MongoDB's."""

CAPABILITIES: Final = frozenset({"durable", "any_word_text_search", "bool_is_not_number"}) | (
    frozenset({"explain", "stemming", "write_concern"}) if ENVIRONMENT_NAME in os.environ else frozenset()
)
"""What the server of these tests can show; the repaired stand-in all that the contract suites ask MongoDB for."""


def mongo_uri() -> str:
    """Return the address of the server, which is started when it is first asked for."""
    return os.environ.get(ENVIRONMENT_NAME) or stand_in_uri(repaired=True)


def database_url(name: str) -> str:
    """Return the URL of a database on the server."""
    address, mark, options = mongo_uri().partition("?")
    host = address.removeprefix("mongodb://").partition("/")[0]
    return f"mongodb://{host}/{name}{mark}{options}"


def fresh_name() -> str:
    return f"context0-{uuid.uuid4().hex[:16]}"


@cache
def stand_in_uri(*, repaired: bool) -> str:
    """Start nx-27017 in a process of its own, on a free port and an empty folder, until this process ends."""
    folder = tempfile.TemporaryDirectory(prefix="context0-mongo-", ignore_cleanup_errors=True)
    port = _free_port()
    place = Path(folder.name)
    command = [sys.executable, "-m", "tests.mongo_stand_in", *(() if repaired else ["--as-published"])]
    command += ["--data-dir", str(place / "data"), "--port", str(port), "--journal-mode", "OFF"]
    command += ["--log-file", str(place / "log"), "--pid-file", str(place / "pid")]
    with (place / "output").open("wb") as output:
        root = Path(__file__).resolve().parents[1]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output, stderr=output, cwd=root)
    atexit.register(folder.cleanup)
    atexit.register(_stop, process)
    _wait_until_it_listens(process, port, place / "output")
    return f"mongodb://127.0.0.1:{port}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_it_listens(process: "subprocess.Popen[bytes]", port: int, output: Path) -> None:
    deadline = time.monotonic() + START_DEADLINE_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the stand-in ended with {process.returncode}: {output.read_text()[-2000:]}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError(f"the stand-in did not listen within {START_DEADLINE_S} s: {output.read_text()[-2000:]}")


def _stop(process: "subprocess.Popen[bytes]") -> None:
    if process.stdin is not None:
        process.stdin.close()  # it ends when this closes, also when we are killed
    process.kill()
    process.wait()


def drop(url: str) -> None:
    """Drop the database that the URL names."""
    with MongoClient[Any](url) as client:
        client.drop_database(client.get_default_database().name)


@asynccontextmanager
async def mongo_graph(name: str | None = None) -> AsyncIterator[tuple[MongoDocuments, MongoGraph]]:
    """Yield stores on the database `name`, or on a fresh one that is dropped afterwards."""
    database = MongoDatabase(database_url(name or fresh_name()), options=OPTIONS)
    documents, graph = MongoDocuments(database), MongoGraph(database)
    await documents.open()
    await graph.open()
    try:
        yield documents, graph
    finally:
        if name is None:
            await database.handle.client.drop_database(database.handle.name)
        await graph.aclose()
        await documents.aclose()


class WarmStore(NamedTuple):
    """Open stores on a fresh database, whose commands are counted from zero."""

    documents: MongoDocuments
    graph: MongoGraph
    counter: CommandCounter

    @property
    def raw(self) -> MongoDatabase:
        return self.documents._database


@asynccontextmanager
async def warm_store() -> AsyncIterator[WarmStore]:
    counter = CommandCounter()
    database = MongoDatabase(database_url(fresh_name()), options=replace(OPTIONS, listeners=(counter,)))
    documents, graph = MongoDocuments(database), MongoGraph(database)
    await documents.open()
    await graph.open()
    counter.reset()
    try:
        yield WarmStore(documents, graph, counter)
    finally:
        await database.handle.client.drop_database(database.handle.name)
        await graph.aclose()
        await documents.aclose()


@asynccontextmanager
async def mongo_documents(name: str | None = None) -> AsyncIterator[MongoDocuments]:
    async with mongo_graph(name) as (documents, _):
        yield documents


@asynccontextmanager
async def open_bench(folder: Path) -> AsyncIterator[DocumentBench]:
    """The contract suites' way in: the same folder is the same database, which stays until this process ends."""
    async with mongo_graph(_lasting_name(folder)) as (documents, graph):
        yield DocumentBench(documents=documents, graph=graph)


@asynccontextmanager
async def open_chat_bench(folder: Path) -> AsyncIterator[ChatBench]:
    async with mongo_chats(_lasting_name(folder)) as chats:
        yield ChatBench(store=chats, settle=nothing_to_do)


@asynccontextmanager
async def mongo_chats(name: str, *listeners: CommandListener) -> AsyncIterator[MongoChats]:
    """Yield the chats of the database `name`."""
    chats = MongoChats(MongoDatabase(database_url(name), options=replace(OPTIONS, listeners=listeners)))
    await chats.open()
    try:
        yield chats
    finally:
        await chats.aclose()


def _lasting_name(folder: Path) -> str:
    name = f"context0-{sha256(str(folder).encode()).hexdigest()[:24]}"
    if ENVIRONMENT_NAME in os.environ:
        atexit.register(drop, database_url(name))
    return name
