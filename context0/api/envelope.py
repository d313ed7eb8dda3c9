"""The answer of one request on its way out: its id, the headers of every answer, and the only place of timing."""

import re
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from starlette.responses import Response
from starlette.types import Message, Scope, Send

from context0.api.errors import Failure, body_of

_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")
TOKEN_HEADER: Final = b"context0-consistency"
"""In an answer: what it has written; in a request: what it wants to see. See `MemoryEngine.catch_up`."""
_ALWAYS: Final = ((b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer"))
_NOT_KEPT: Final = (b"cache-control", b"no-store")
_STREAM: Final = b"text/event-stream"
CLIENT_GONE: Final = 499


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestOutcome:
    """One request, for metrics. route: its template, such as "/v1/memories/{memory_id}"; "" where there is none.

    seconds: until the answer was complete; first_byte_s: until its head was sent, None if it never was.
    status: 499 where the client went away before.
    """

    route: str
    method: str
    status: int
    seconds: float
    first_byte_s: float | None


Observe = Callable[[RequestOutcome], None]


@dataclass(slots=True)
class OpenStreams:
    """How many event streams are being sent."""

    count: int = 0


class Envelope:
    """Goes around one answer: what is sent through it gets its headers, and is timed."""

    __slots__ = (
        "_is_stream",
        "_scope",
        "_send",
        "_started",
        "_streams",
        "first_byte_s",
        "request_id",
        "status",
        "token",
    )

    def __init__(self, scope: Scope, send: Send, streams: OpenStreams) -> None:
        self._scope = scope
        self._send = send
        self._started = time.perf_counter()
        self.request_id = _request_id(scope)
        self.status = CLIENT_GONE
        self.first_byte_s: float | None = None
        self._streams = streams
        self._is_stream = False
        self.token: Callable[[], str | None] = _nothing

    def send(self, message: Message) -> Awaitable[None]:
        """Send a message of the answer; to be awaited at once. No coroutine of its own: a stream sends thousands."""
        if message["type"] == "http.response.start":
            message = self._headed(message["status"], list(message.get("headers", ())))
        return self._send(message)

    async def send_whole(self, response: Response) -> None:
        """Send an answer whose body is there."""
        await self._send(self._headed(response.status_code, response.raw_headers))
        await self._send({"type": "http.response.body", "body": response.body})

    async def send_failure(self, failure: Failure) -> None:
        """Answer with a failure."""
        body = body_of(failure, self.request_id, self._scope["path"])
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            *((name.lower().encode(), value.encode()) for name, value in failure.headers.items()),
        ]
        await self._send(self._headed(failure.status, headers))
        await self._send({"type": "http.response.body", "body": body})

    def close(self) -> None:
        """The answer is over."""
        self._streams.count -= self._is_stream

    def outcome(self) -> RequestOutcome:
        """Return how the request ended, now."""
        return RequestOutcome(
            route=getattr(self._scope.get("route"), "path", ""),
            method=self._scope["method"],
            status=self.status,
            seconds=time.perf_counter() - self._started,
            first_byte_s=self.first_byte_s,
        )

    def _headed(self, status: int, headers: list[tuple[bytes, bytes]]) -> Message:
        """Return the first message. headers: names in lower case; the list becomes a part of it."""
        self.status, self.first_byte_s = status, time.perf_counter() - self._started
        is_kept = False
        for name, value in headers:
            if name == b"cache-control":
                is_kept = True
            elif name == b"content-type":
                self._is_stream = value.startswith(_STREAM)
        self._streams.count += self._is_stream
        headers += ((b"x-request-id", self.request_id.encode()), *_ALWAYS)
        if (token := self.token()) is not None:
            headers.append((TOKEN_HEADER, token.encode()))
        if not is_kept:
            headers.append(_NOT_KEPT)
        return {"type": "http.response.start", "status": status, "headers": headers}


def _nothing() -> None:
    return None


def _request_id(scope: Scope) -> str:
    """Return the client's id if it is short and plain, else one of ours."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            told: bytes = value
            return told.decode()
    return secrets.token_hex(8)
