"""A MongoDB that misbehaves on command, by mockupdb: for what nx-27017 cannot show."""

import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from mockupdb import MockupDB, Request

from stores.mongo.client import MongoDatabase, MongoOptions, Row
from stores.mongo.documents import MongoDocuments

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


def unconfirmed_by(code: int) -> Behaviour:
    """Apply the write, and say that a majority did not confirm it; a step-down may be repeated."""
    labels = {"errorLabels": ["RetryableWriteError"]} if code in STEP_DOWN else {}

    def behave(server: ScriptedMongoDB, request: Request) -> None:
        late = {"code": code, "errmsg": "a text of the server"}
        request.reply({**server.apply(dict(request.doc)), "writeConcernError": late, **labels})

    return behave


unconfirmed: Final = unconfirmed_by(64)


def silence(_server: ScriptedMongoDB, _request: Request) -> None:
    """The reply never comes."""


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


def served(server: ScriptedMongoDB, stopping: list[threading.Thread]) -> Iterator[ScriptedMongoDB]:
    """Yield the server, then stop it beside what follows: mockupdb takes a second for that."""
    yield server
    stopping.append(threading.Thread(target=server.server.stop))
    stopping[-1].start()
