"""What surrounds every request: its id, the headers of every answer, the last resort, and the only place of timing."""

import logging
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from context0.api.errors import INTERNAL, Failure, Refused, body_of, failure_of
from context0.errors import Context0Error
from stores.errors import StoreError

log = logging.getLogger(__name__)

_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_ALWAYS: Final = ((b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer"))
_NOT_KEPT: Final = (b"cache-control", b"no-store")
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


class Envelope:
    """Goes around the whole application. observe: is told of each request when it has ended; must not block."""

    def __init__(self, app: ASGIApp, *, observe: Observe) -> None:
        self._app = app
        self._observe = observe

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)
        else:  # no WebSockets here
            await send({"type": "websocket.close", "code": 1008})

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        ours = (b"x-request-id", request_id.encode()), *_ALWAYS
        started = time.perf_counter()
        status, first_byte_s = CLIENT_GONE, None

        async def send_with_headers(message: Message) -> None:
            nonlocal status, first_byte_s
            if message["type"] == "http.response.start":
                status, first_byte_s = message["status"], time.perf_counter() - started
                headers = [*message.get("headers", ()), *ours]
                if not any(name == b"cache-control" for name, _ in headers):
                    headers.append(_NOT_KEPT)
                message = {**message, "headers": headers}
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except (Refused, Context0Error, StoreError) as refused:  # by what stands before the routes
            if first_byte_s is not None:
                raise
            await send_failure(failure_of(refused), scope, send_with_headers)
        except Exception:
            log.exception("api.request_failed", extra={"request_id": request_id})
            if first_byte_s is not None:
                raise  # the server breaks the connection: a cut answer must not look like a whole one
            await send_failure(INTERNAL, scope, send_with_headers)
        finally:
            self._observe(
                RequestOutcome(
                    route=getattr(scope.get("route"), "path", ""),
                    method=scope["method"],
                    status=status,
                    seconds=time.perf_counter() - started,
                    first_byte_s=first_byte_s,
                )
            )


async def send_failure(failure: Failure, scope: Scope, send: Send) -> None:
    """Answer with a failure."""
    body = body_of(failure, scope["state"]["request_id"], scope["path"])
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        *((name.lower().encode(), value.encode()) for name, value in failure.headers.items()),
    ]
    await send({"type": "http.response.start", "status": failure.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _request_id(scope: Scope) -> str:
    """Return the client's id if it is short and plain, else one of ours."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            told: bytes = value
            return told.decode()
    return secrets.token_hex(8)
