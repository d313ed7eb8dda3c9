"""Keyset cursors as opaque signed text: pure, no I/O.

A cursor is bound to what it continues: the kind of listing, the owner and the query go into the signature, so that a
cursor that was changed, borrowed from another owner or taken to another query is refused, as is one that is too old.
"""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson

from stores.errors import InvalidCursor

MAX_AGE = timedelta(hours=24)
MAX_LENGTH = 2048
_SIGNATURE_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class CursorContext:
    """What a cursor belongs to. `query`: anything JSON that shapes the order or the content of the listing."""

    kind: str
    owner: str
    query: Any = None

    def salt(self) -> bytes:
        told = orjson.dumps([self.kind, self.owner, self.query], option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
        return hashlib.sha256(told).digest()


class CursorCodec:
    """Signs keysets with HMAC-SHA256 under `secret` (at least 32 bytes). A few microseconds each way."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) < 32:
            raise ValueError("a cursor secret has at least 32 bytes")
        self._secret = secret

    def encode(self, keyset: list[Any], context: CursorContext, *, now: datetime) -> str:
        """Return the cursor for the page after `keyset` (JSON values); it holds for 24 hours."""
        body = orjson.dumps([round(now.timestamp()), keyset])
        return urlsafe_b64encode(self._signature(body, context) + body).rstrip(b"=").decode()

    def decode(self, cursor: str, context: CursorContext, *, now: datetime) -> list[Any]:
        """Return the keyset inside `cursor`. Raises InvalidCursor."""
        signed = _decoded(cursor)
        signature, body = signed[:_SIGNATURE_BYTES], signed[_SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, self._signature(body, context)):
            raise InvalidCursor(
                "the cursor was changed, or belongs to another owner or query; start from the first page"
            )
        issued, keyset = orjson.loads(body)
        if now.timestamp() - issued > MAX_AGE.total_seconds():
            raise InvalidCursor("the cursor is older than 24 hours; start from the first page")
        return list(keyset)

    def _signature(self, body: bytes, context: CursorContext) -> bytes:
        return hmac.digest(self._secret, context.salt() + body, "sha256")  # the salt has one length: no ambiguity


def _decoded(cursor: object) -> bytes:
    if isinstance(cursor, str) and len(cursor) <= MAX_LENGTH and cursor.isascii():
        try:
            signed = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        except ValueError:
            signed = b""
        # base64 has several spellings of one value, and the decoder passes over strangers: only ours is taken
        if len(signed) > _SIGNATURE_BYTES and urlsafe_b64encode(signed).rstrip(b"=").decode() == cursor:
            return signed
    raise InvalidCursor("this is no cursor of ours; start from the first page")
