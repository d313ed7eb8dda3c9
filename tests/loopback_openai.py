"""An OpenAI-compatible embeddings server on 127.0.0.1 that answers as a test tells it to.

async with loopback_openai() as server:
    server.script(refusal(429, retry_after="0"), swapped)     # the next requests; afterwards it answers well
    ... OpenAIEmbedder(EmbedderOptions(base_url=server.base_url, model="stub"))
    assert server.texts == [["a", "b"], ["a", "b"]]
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections import deque
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

DIMENSION = 8


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer; `hang` never sends it, `cut` closes the connection halfway through the body."""

    body: bytes = b"{}"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    hang: bool = False
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it arrived."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def texts(self) -> list[str]:
        return self.body["input"]


def vector_of(text: str, dimension: int = DIMENSION) -> np.ndarray:
    """The unit vector that the server knows for `text`: any two texts differ."""
    digest = np.frombuffer(sha256(text.encode()).digest() * dimension, dtype=np.uint8)[:dimension]
    vector = digest.astype(np.float32) - 127.5
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def items_for(request: Request) -> list[dict[str, Any]]:
    """The `data` of a good answer."""
    as_base64 = request.body.get("encoding_format") == "base64"
    items = []
    for index, text in enumerate(request.texts):
        vector = vector_of(text, request.body.get("dimensions") or DIMENSION)
        encoded = base64.b64encode(vector.astype("<f4").tobytes()).decode() if as_base64 else vector.tolist()
        items.append({"object": "embedding", "index": index, "embedding": encoded})
    return items


def answer_with(items: list[dict[str, Any]]) -> Answer:
    usage = {"prompt_tokens": 1, "total_tokens": 1}
    return Answer(json.dumps({"object": "list", "model": "stub", "data": items, "usage": usage}).encode())


def good(request: Request) -> Answer:
    return answer_with(items_for(request))


def swapped(request: Request) -> Answer:
    """The right vectors with the right indexes, last first."""
    return answer_with(items_for(request)[::-1])


def one_short(request: Request) -> Answer:
    return answer_with(items_for(request)[:-1])


def with_vector(vector: object, *, at: int = 0) -> Callable[[Request], Answer]:
    """A good answer but for the vector at `at` (a list, which may hold NaN, or anything else)."""

    def reply(request: Request) -> Answer:
        items = items_for(request)
        items[at]["embedding"] = vector
        return answer_with(items)

    return reply


def poisoned_by(text: str, vector: list[float]) -> Callable[[Request], Answer]:
    """A good answer, unless `text` is among the texts: that one gets `vector`."""

    def reply(request: Request) -> Answer:
        return with_vector(vector, at=request.texts.index(text))(request) if text in request.texts else good(request)

    return reply


def refusal(status: int, *, retry_after: str | None = None, message: str = "no", code: str | None = None) -> Answer:
    headers = {} if retry_after is None else {"retry-after": retry_after}
    body = {"error": {"message": message, "type": "stub", "code": code}}
    return Answer(json.dumps(body).encode(), status, headers)


HANG = Answer(hang=True)
CUT = Answer(b'{"object": "list", "data": [', cut=True)


class LoopbackOpenAI:
    """The running server: `requests` in order of arrival, `script` for what comes next, `gate` to hold answers back."""

    def __init__(self) -> None:
        self.base_url = ""
        self.requests: list[Request] = []
        self.peak = 0
        self.connections = 0
        self.otherwise: Callable[[Request], Answer] | Answer = good
        self.gate = asyncio.Event()
        self.gate.set()
        self._under_way = 0
        self._scripted: deque[Callable[[Request], Answer] | Answer] = deque()
        self._arrival = asyncio.Condition()

    @property
    def texts(self) -> list[list[str]]:
        return [request.texts for request in self.requests]

    def script(self, *replies: Callable[[Request], Answer] | Answer) -> None:
        self._scripted.extend(replies)

    async def arrived(self, count: int, *, within_s: float = 5.0) -> None:
        """Wait until `count` requests have come in."""
        async with asyncio.timeout(within_s), self._arrival:
            await self._arrival.wait_for(lambda: len(self.requests) >= count)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while (request := await _read(reader)) is not None:
                answer = await self._reply(request)
                if answer.hang:
                    await reader.read()
                    return
                _write(writer, answer)
                await writer.drain()
                if answer.cut:
                    return
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def _reply(self, request: Request) -> Answer:
        reply = self._scripted.popleft() if self._scripted else self.otherwise
        self._under_way += 1
        self.peak = max(self.peak, self._under_way)
        async with self._arrival:
            self.requests.append(request)
            self._arrival.notify_all()
        await self.gate.wait()
        self._under_way -= 1
        return reply if isinstance(reply, Answer) else reply(request)


async def _read(reader: asyncio.StreamReader) -> Request | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    except asyncio.IncompleteReadError:
        return None
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(head[0].split(" ")[1], headers, json.loads(body))


def _write(writer: asyncio.StreamWriter, answer: Answer) -> None:
    length = len(answer.body) + (100 if answer.cut else 0)
    headers = {"content-type": "application/json", "content-length": str(length), **answer.headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    writer.write(f"HTTP/1.1 {answer.status} Stub\r\n{head}\r\n".encode() + answer.body)


@asynccontextmanager
async def loopback_openai() -> AsyncIterator[LoopbackOpenAI]:
    """Serve on a free port until the block ends; open connections are dropped then."""
    stub = LoopbackOpenAI()
    connections: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(stub.serve(reader, writer))
        connections.add(task)
        task.add_done_callback(connections.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    stub.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield stub
    finally:
        server.close()
        for task in list(connections):
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        await server.wait_closed()
