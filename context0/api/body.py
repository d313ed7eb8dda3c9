"""What comes in: read whole, or line by line, within a deadline and a limit, as JSON without surprises."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

import jiter
import orjson
from starlette.types import Receive, Scope

from context0.api.errors import Refused

JSON: Final = "application/json"
LINES: Final = "application/x-ndjson"
_CLOSE: Final = {"connection": "close"}
"""Where the rest of a request is not read, its connection is of no use any more."""

IS_WHOLE: Final = "context0.is_whole"
"""In the state of a request that had arrived whole when its task began: the server knows, and no timer is needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyLimits:
    """max_bytes: of one request, and of one line of an import. deadline_s: how long either may take to arrive.

    max_import_bytes: of an import as a whole.
    """

    max_bytes: int = 4 << 20
    max_import_bytes: int = 1 << 30
    deadline_s: float = 10.0


class BodyReader:
    """Reads a request's body before its route runs, and refuses what is too large, too slow or no JSON."""

    def __init__(self, limits: BodyLimits) -> None:
        self._limits = limits

    async def read(self, scope: Scope, receive: Receive) -> bytes | None:
        """Return the whole body; None where the head tells of none. Raises Refused."""
        if not _has_body(scope, JSON, self._limits.max_bytes):
            return None
        if IS_WHOLE in scope["state"]:
            return await self._whole(receive)
        try:
            async with asyncio.timeout(self._limits.deadline_s):
                return await self._whole(receive)
        except TimeoutError:
            late = f"the request did not arrive within {self._limits.deadline_s:g} s; send it again"
            raise Refused(408, "too_slow", late, _CLOSE) from None

    async def lines(self, scope: Scope, receive: Receive) -> AsyncIterator[bytes]:
        """Yield the body of an import piece by piece, as it arrives and is asked for. Raises Refused."""
        limits, left_s, size = self._limits, self._limits.deadline_s, 0
        more = _has_body(scope, LINES, limits.max_import_bytes)
        while more:
            started = time.monotonic()
            try:
                async with asyncio.timeout(left_s):
                    message = await receive()
            except TimeoutError:
                late = f"a line did not arrive within {limits.deadline_s:g} s; send it again"
                raise Refused(408, "too_slow", late, _CLOSE) from None
            if message["type"] == "http.disconnect":
                raise Refused(400, "incomplete_body", "the request ended before its body did; send it again")
            piece = message.get("body", b"")
            left_s = limits.deadline_s if b"\n" in piece else max(0.0, left_s - (time.monotonic() - started))
            size += len(piece)
            if size > limits.max_import_bytes:
                raise _too_large(limits.max_import_bytes)
            yield piece
            more = message.get("more_body", False)

    async def _whole(self, receive: Receive) -> bytes:
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Refused(400, "incomplete_body", "the request ended before its body did; send it again")
            chunks.append(message.get("body", b""))
            size += len(chunks[-1])
            if size > self._limits.max_bytes:
                raise _too_large(self._limits.max_bytes)
            if not message.get("more_body", False):
                return b"".join(chunks)


def decode(body: bytes) -> Any:
    """Return the JSON of a request. Raises Refused: NaN, an infinite number, a key twice, lone surrogates, deep nests.

    Two parsers, a microsecond each: one knows keys that come twice, the other numbers that no float can hold.
    """
    try:
        orjson.loads(body)
        return jiter.from_json(body, allow_inf_nan=False, catch_duplicate_keys=True)
    except ValueError as exc:
        raise Refused(400, "invalid_json", f"the body is no plain JSON in UTF-8 ({str(exc)[:200]}); mend it") from None


def _has_body(scope: Scope, wanted: str, max_bytes: int) -> bool:
    """Say whether there is a body to read. Raises Refused by the head alone where that is enough."""
    told = dict(scope["headers"])
    length = told.get(b"content-length")
    if b"transfer-encoding" not in told and length in (None, b"0"):
        return False
    if length is not None and (not length.isdigit() or int(length) > max_bytes):
        raise _too_large(max_bytes)
    if told.get(b"content-encoding", b"identity").strip().lower() != b"identity":
        raise Refused(415, "unsupported_encoding", "send the body as it is, without content-encoding", _CLOSE)
    kind, _, parameters = told.get(b"content-type", b"").lower().partition(b";")
    charset = parameters.strip().removeprefix(b"charset=").strip(b'"')
    if kind.strip() != wanted.encode() or charset not in (b"", b"utf-8"):
        raise Refused(415, "unsupported_media_type", f"send it with content-type: {wanted}, in UTF-8", _CLOSE)
    return True


def _too_large(max_bytes: int) -> Refused:
    return Refused(413, "too_large", f"a request has at most {max_bytes} bytes; send it in several parts", _CLOSE)
