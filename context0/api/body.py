"""What comes in: read whole, within a deadline and a limit, as JSON without surprises."""

import asyncio
from dataclasses import dataclass
from typing import Any, Final

import jiter
import orjson
from starlette.types import Receive, Scope

from context0.api.errors import Refused

_CLOSE: Final = {"connection": "close"}
"""Where the rest of a request is not read, its connection is of no use any more."""

IS_WHOLE: Final = "context0.is_whole"
"""In the state of a request that had arrived whole when its task began: the server knows, and no timer is needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyLimits:
    """max_bytes: of one request. deadline_s: how long it may take to arrive."""

    max_bytes: int = 4 << 20
    deadline_s: float = 10.0


class BodyReader:
    """Reads a request's body before its route runs, and refuses what is too large, too slow or no JSON."""

    def __init__(self, limits: BodyLimits) -> None:
        self._limits = limits

    async def read(self, scope: Scope, receive: Receive) -> bytes | None:
        """Return the whole body; None where the head tells of none. Raises Refused."""
        if not _has_body(scope, self._limits.max_bytes):
            return None
        if IS_WHOLE in scope["state"]:
            return await self._whole(receive)
        try:
            async with asyncio.timeout(self._limits.deadline_s):
                return await self._whole(receive)
        except TimeoutError:
            late = f"the request did not arrive within {self._limits.deadline_s:g} s; send it again"
            raise Refused(408, "too_slow", late, _CLOSE) from None

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


def _has_body(scope: Scope, max_bytes: int) -> bool:
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
    if kind.strip() != b"application/json" or charset not in (b"", b"utf-8"):
        raise Refused(415, "unsupported_media_type", "send JSON with content-type: application/json", _CLOSE)
    return True


def _too_large(max_bytes: int) -> Refused:
    return Refused(413, "too_large", f"a request has at most {max_bytes} bytes; send it in several parts", _CLOSE)
