"""Keyset cursors as opaque signed text: pure, no I/O.

A cursor is bound to what it continues: the kind of listing, the owner and the query go into the signature, so that a
cursor that was changed, borrowed from another owner or taken to another query is refused, as is one that is too old.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from itsdangerous import BadData, URLSafeSerializer

from stores.errors import InvalidCursor

MAX_AGE = timedelta(hours=24)
MAX_LENGTH = 2048


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
    """Signs keysets with HMAC-SHA256 under `secret` (at least 32 bytes)."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) < 32:
            raise ValueError("a cursor secret has at least 32 bytes")
        self._secret = secret

    def encode(self, keyset: list[Any], context: CursorContext, *, now: datetime) -> str:
        """Return the cursor for the page after `keyset` (JSON values); it holds for 24 hours."""
        return _text(self._serializer(context).dumps([round(now.timestamp()), keyset]))

    def decode(self, cursor: str, context: CursorContext, *, now: datetime) -> list[Any]:
        """Return the keyset inside `cursor`. Raises InvalidCursor."""
        try:
            if len(cursor) > MAX_LENGTH:
                raise InvalidCursor("this is no cursor of ours; start from the first page")
            serializer = self._serializer(context)
            issued, keyset = serializer.loads(cursor)
            if _text(serializer.dumps([issued, keyset])) != cursor:  # base64 has several spellings of one value
                raise InvalidCursor("the cursor was changed; start from the first page")
        except (BadData, UnicodeError, TypeError, ValueError) as exc:
            if isinstance(exc, InvalidCursor):
                raise
            raise InvalidCursor(
                "the cursor was changed, or belongs to another owner or query; start from the first page"
            ) from exc
        if now.timestamp() - issued > MAX_AGE.total_seconds():
            raise InvalidCursor("the cursor is older than 24 hours; start from the first page")
        return list(keyset)

    def _serializer(self, context: CursorContext) -> URLSafeSerializer:
        return URLSafeSerializer(
            self._secret,
            salt=context.salt(),
            serializer=_Compact,
            signer_kwargs={"digest_method": hashlib.sha256, "key_derivation": "hmac"},
        )


def _text(signed: str | bytes) -> str:
    return signed if isinstance(signed, str) else signed.decode()


class _Compact:
    """orjson behind the two names that itsdangerous calls."""

    @staticmethod
    def dumps(value: Any) -> bytes:
        return orjson.dumps(value)

    @staticmethod
    def loads(text: str | bytes) -> Any:
        return orjson.loads(text)
