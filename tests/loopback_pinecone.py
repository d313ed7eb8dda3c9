"""A Pinecone to test against: the REST contract of API version 2026-07 on a free port of 127.0.0.1, in this process.

It answers the official client as the service does, control plane and data plane, and it fails on demand. What it does
with the requests is in `loopback_pinecone_index`.
"""

import asyncio
import json
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import unquote

from stores.pinecone.vectors import PineconeOptions, PineconeVectors
from tests.contracts.backends import VectorBench, writable
from tests.loopback_pinecone_index import MAX_BODY_BYTES, NOT_FOUND, TOO_LARGE, Json, Namespaces, Refusal, require

API_KEY: Final = "loopback-key"
API_VERSION: Final = "2026-07"
INDEX: Final = "memories"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What goes back over the wire."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)


Fault = Answer | Literal["hang", "reset"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A request that arrived. size: bytes of its body."""

    method: str
    path: str
    headers: Mapping[str, str]
    size: int
    body: Json


def busy(retry_after_s: float | None = None, status: int = 429) -> Answer:
    """Return the answer to one request too many."""
    headers = {} if retry_after_s is None else {"retry-after": f"{retry_after_s:g}"}
    body = json.dumps({"code": 8, "message": "Request failed. You've reached the limit.", "details": []})
    return Answer(status=status, body=body.encode(), headers=headers)


class LoopbackPinecone:
    """An HTTP server in front of one index: `async with LoopbackPinecone() as server`.

    seen: the requests that arrived, in order. faults: one for each coming request, before it is looked at.
    fault_always: for every request, once `faults` are used up. arrived: set by every request.
    """

    def __init__(
        self,
        *,
        dimension: int = 8,
        metric: str = "cosine",
        lag_s: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.dimension = dimension
        self.metric = metric
        self.namespaces = Namespaces(dimension, lag_s, clock)
        self.seen: list[Seen] = []
        self.faults: deque[Fault] = deque()
        self.fault_always: Fault | None = None
        self.arrived = asyncio.Event()
        self.most_at_once = 0
        self.url = ""
        self._at_once = 0
        self._talks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "LoopbackPinecone":
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for talk in self._talks:
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)

    def options(self, **changes: Any) -> PineconeOptions:
        """Return options that lead to this server, by way of its control plane."""
        return PineconeOptions(**{"api_key": API_KEY, "control_host": self.url, **changes})

    @asynccontextmanager
    async def opened(self, **changes: Any) -> AsyncIterator[PineconeVectors]:
        """Yield an open store over this server, and forget the requests that opened it."""
        store = PineconeVectors(INDEX, options=self.options(**changes))
        try:
            await store.open()
            self.seen.clear()
            yield store
        finally:
            await store.aclose()

    def paths(self) -> list[str]:
        """Return what was asked for, in order."""
        return [f"{seen.method} {seen.path}" for seen in self.seen]

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = asyncio.current_task()
        assert talk is not None
        self._talks.add(talk)
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
                while await self._exchange(reader, writer):
                    pass
        finally:
            self._talks.discard(talk)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; return whether the connection lives on."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = head[0].split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        raw = await reader.readexactly(int(headers.get("content-length", "0")))
        body = json.loads(raw) if raw else {}
        seen = Seen(method=method, path=unquote(target), headers=headers, size=len(raw), body=body)
        self.seen.append(seen)
        self.arrived.set()
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            await asyncio.sleep(0)  # others may arrive meanwhile
            fault = self.faults.popleft() if self.faults else self.fault_always
            if fault == "hang":
                await asyncio.Event().wait()
            if fault == "reset":
                writer.transport.abort()
                return False
            answer = fault if isinstance(fault, Answer) else self._answer(seen)
        finally:
            self._at_once -= 1
        await _write(writer, answer)
        return True

    def _answer(self, seen: Seen) -> Answer:
        if seen.headers.get("api-key") != API_KEY:
            return Answer(status=401, body=b"Invalid API Key", headers={"content-type": "text/plain"})
        try:
            require(seen.headers.get("x-pinecone-api-version") == API_VERSION, "Unsupported API version")
            if seen.size > MAX_BODY_BYTES:
                raise Refusal(413, TOO_LARGE, "Request size exceeds the maximum supported size of 2MB")
            return Answer(body=json.dumps(self._route(seen)).encode())
        except Refusal as refusal:
            return Answer(status=refusal.status, body=refusal.body)

    def _route(self, seen: Seen) -> Json:
        match seen.method, *seen.path.strip("/").split("/"):
            case "GET", "indexes", name if name == INDEX:
                return self._description()
            case "POST", "describe_index_stats":
                return {**self.namespaces.stats(seen.body), "metric": self.metric, "vectorType": "dense"}
            case "POST", "query":
                return self.namespaces.query(seen.body)
            case "POST", "vectors", "upsert":
                return self.namespaces.upsert(seen.body)
            case "POST", "vectors", "delete":
                return self.namespaces.delete(seen.body)
            case "GET", "namespaces", name:
                return self.namespaces.describe(name)
            case "DELETE", "namespaces", name:
                return self.namespaces.drop(name)
        raise Refusal(404, NOT_FOUND, f"Resource {seen.path} not found")

    def _description(self) -> Json:
        return {
            "name": INDEX,
            "host": self.url,
            "deletion_protection": "disabled",
            "deployment": {"deployment_type": "managed", "cloud": "aws", "region": "us-east-1"},
            "read_capacity": {"mode": "OnDemand", "status": {"state": "Ready"}},
            "schema": {
                "fields": {"_values": {"type": "dense_vector", "dimension": self.dimension, "metric": self.metric}}
            },
            "status": {"ready": True, "state": "Ready"},
        }


@asynccontextmanager
async def pinecone_vectors(dimension: int = 8) -> AsyncIterator[PineconeVectors]:
    """Yield an open store over a loopback index."""
    async with LoopbackPinecone(dimension=dimension) as server, server.opened() as store:
        yield store


@asynccontextmanager
async def open_bench(_folder: Path) -> AsyncIterator[VectorBench]:
    """Yield the store as the contract suites take it."""
    async with pinecone_vectors() as store:
        yield writable(store)


async def _write(writer: asyncio.StreamWriter, answer: Answer) -> None:
    headers = {"content-type": "application/json", **answer.headers, "content-length": str(len(answer.body))}
    lines = [f"HTTP/1.1 {answer.status} Status", *(f"{name}: {value}" for name, value in headers.items())]
    writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + answer.body)
    await writer.drain()
