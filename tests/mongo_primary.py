"""A primary before the stand-in for MongoDB: it steps down, hangs up and confirms nothing as a test tells it to.

async with primary(port) as server:
    server.strike(Strike(code=11602, applied=True, election_s=0.2))     # of the next command
    ... MongoDatabase(server.url("name"))

It remembers what came of each retryable write, by session and number, as a replica set does: sent again, such a write
has no second effect. With `replica_set=False` it is a server alone, and drivers send no such numbers.
"""

import asyncio
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import bson

from tests.mongo_scripted import HELLO

Body = dict[str, Any]
UNCONFIRMED: Final = 64
_HEADER: Final = struct.Struct("<iiii")
_MESSAGE, _QUERY, _REPLY = 2013, 2004, 1
_BY_DRIVERS: Final = ("ping", "endSessions")


@dataclass(frozen=True, slots=True, kw_only=True)
class Strike:
    """What becomes of one command. code: what is answered; None hangs up. applied: the stand-in has done it before.

    election_s: for so long the server is no primary, and refuses everything. skip: so many commands are well before.
    Code 64 answers as usual, and adds that a majority did not confirm the write; of a read it is no fault.
    """

    code: int | None
    applied: bool = False
    election_s: float = 0.0
    skip: int = 0


@dataclass(frozen=True, slots=True)
class Struck:
    """Which command it was. is_repeatable: a driver repeats it: a read, or a write with a number."""

    name: str
    is_repeatable: bool


class Primary:
    """The running server; one strike at a time."""

    def __init__(self, target_port: int, *, replica_set: bool, spared: bytes) -> None:
        """spared: what stands in commands that no strike meets."""
        self.address = ""
        self._struck: Struck | None = None
        self._target_port = target_port
        self._replica_set = replica_set
        self._spared = spared
        self._strike: Strike | None = None
        self._skip = 0
        self._is_primary_at = 0.0
        self._done: dict[tuple[bytes, int | None], Body] = {}

    def url(self, name: str) -> str:
        return f"mongodb://{self.address}/{name}" + ("?replicaSet=rs" if self._replica_set else "")

    def strike(self, strike: Strike) -> None:
        self._strike, self._skip, self._struck = strike, strike.skip, None

    def take_back(self) -> Struck | None:
        """Strike no more, and return what was met."""
        self._strike = None
        return self._struck

    async def elected(self) -> None:
        """Return when the election is over."""
        await asyncio.sleep(max(0.0, self._is_primary_at - time.monotonic()))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one client until it goes, or is hung up on."""
        there, back = await asyncio.open_connection("127.0.0.1", self._target_port)
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    request = await _read(reader)
                    reply = await self._answer(request, there, back)
                    if reply is None:
                        return
                    writer.write(reply)
                    await writer.drain()
        finally:
            writer.close()
            back.close()

    async def _answer(self, request: "_Request", there: asyncio.StreamReader, back: asyncio.StreamWriter) -> Any:
        name = next(iter(request.body))
        if name.lower() in ("hello", "ismaster"):
            return request.reply(self._hello())
        struck = None if name in _BY_DRIVERS else self._met(request)
        if struck is not None:
            self._is_primary_at = time.monotonic() + struck.election_s
        elif time.monotonic() < self._is_primary_at and name not in _BY_DRIVERS:
            return request.reply(_refusal(10107, request.body))
        if struck is not None and not struck.applied:
            return None if struck.code is None else request.reply(_refusal(struck.code, request.body))
        told = await self._applied(request, there, back)
        if struck is None:
            return request.reply(told)
        if struck.code == UNCONFIRMED:
            return request.reply({**told, "writeConcernError": {"code": UNCONFIRMED, "errmsg": "waiting timed out"}})
        return None if struck.code is None else request.reply(_refusal(struck.code, request.body))

    def _met(self, request: "_Request") -> Strike | None:
        strike, body = self._strike, request.body
        if strike is None or (self._spared and request.holds(self._spared)):
            return None
        if strike.code == UNCONFIRMED and "writeConcern" not in body:
            return None
        if self._skip:
            self._skip -= 1
            return None
        is_write = "writeConcern" in body
        self._struck = Struck(next(iter(body)), not is_write or "txnNumber" in body)
        self._strike = None
        return strike

    async def _applied(self, request: "_Request", there: asyncio.StreamReader, back: asyncio.StreamWriter) -> Body:
        key = (bytes(request.body.get("lsid", {}).get("id", b"")), request.body.get("txnNumber"))
        if key in self._done:
            return self._done[key]
        back.write(request.forwarded())
        told = (await _read(there)).body
        if key[1] is not None:
            self._done[key] = told
        return told

    def _hello(self) -> Body:
        is_primary = time.monotonic() >= self._is_primary_at
        known = {**HELLO, "ismaster": is_primary, "isWritablePrimary": is_primary, "localTime": datetime.now(UTC)}
        members = {"setName": "rs", "me": self.address, "hosts": [self.address], "secondary": not is_primary}
        if not self._replica_set:
            return {**HELLO, "localTime": known["localTime"]}
        return {**known, **members, **({"primary": self.address} if is_primary else {})}


class _Request:
    """One message. body: its command, without the documents that stand behind it."""

    def __init__(self, number: int, kind: int, body: Body, rest: bytes) -> None:
        self.number = number
        self.kind = kind
        self.body = body
        self._rest = rest

    def forwarded(self) -> bytes:
        """As it came, but for what the stand-in does not know."""
        known = {name: value for name, value in self.body.items() if name not in ("lsid", "txnNumber")}
        return self._framed(struct.pack("<i", 0) + b"\0" + bson.encode(known) + self._rest, _MESSAGE)

    def holds(self, text: bytes) -> bool:
        return text in bson.encode(self.body) or text in self._rest

    def reply(self, body: Body) -> bytes:
        told = bson.encode(body)
        if self.kind == _QUERY:
            return self._framed(struct.pack("<iqii", 0, 0, 0, 1) + told, _REPLY)
        return self._framed(struct.pack("<i", 0) + b"\0" + told, _MESSAGE)

    def _framed(self, payload: bytes, kind: int) -> bytes:
        return _HEADER.pack(_HEADER.size + len(payload), self.number, self.number, kind) + payload


async def _read(reader: asyncio.StreamReader) -> _Request:
    length, number, _, kind = _HEADER.unpack(await reader.readexactly(_HEADER.size))
    payload = await reader.readexactly(length - _HEADER.size)
    if kind == _QUERY:
        start = payload.index(b"\0", 4) + 1 + 8
        return _Request(number, kind, _first(payload[start:])[0], b"")
    body, rest = _first(payload[5:])
    return _Request(number, kind, body, rest)


def _first(payload: bytes) -> tuple[Body, bytes]:
    size = struct.unpack_from("<i", payload)[0]
    return dict(bson.decode(payload[:size])), payload[size:]


def _refusal(code: int, body: Body) -> Body:
    labels = {"errorLabels": ["RetryableWriteError"]} if "txnNumber" in body else {}
    return {"ok": 0, "code": code, "errmsg": "a text of the server", **labels}


@asynccontextmanager
async def primary(target_port: int, *, replica_set: bool = True, spared: bytes = b"") -> AsyncIterator[Primary]:
    """Serve until the block ends; what is open then is dropped."""
    held, links = Primary(target_port, replica_set=replica_set, spared=spared), set[asyncio.Task[None]]()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = asyncio.get_running_loop().create_task(held.serve(reader, writer))
        links.add(link)
        link.add_done_callback(links.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    held.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield held
    finally:
        server.close()
        for link in list(links):
            link.cancel()
        await asyncio.gather(*links, return_exceptions=True)
