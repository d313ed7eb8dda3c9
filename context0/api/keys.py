"""API keys: how they are made, told apart and checked. Only their SHA-256 is ever kept."""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from datetime import datetime
from typing import Final

from cachetools import TTLCache

from context0.errors import InvalidInput
from context0.memory.inputs import check_name, check_scope
from stores.key_protocol import ApiKey, KeyStore

PREFIX: Final = "c0_"
_ID_BYTES: Final = 6
_SECRET_BYTES: Final = 32
_PARTS: Final = 3
_MAX_NAME: Final = 100
_MAX_KEY: Final = 200
_KNOWN_KEYS: Final = 10_000
_NO_DIGEST: Final = bytes(32)


def new_key(user_id: str, *, name: str = "", now: datetime) -> tuple[str, ApiKey]:
    """Return a fresh key, which is shown once, and what is kept of it. Raises InvalidInput."""
    owner = check_scope(user_id).owner
    if name and len(check_name("name", name)) > _MAX_NAME:
        raise InvalidInput("name", f"has {len(name)} characters; at most {_MAX_NAME} are allowed")
    key_id = secrets.token_hex(_ID_BYTES)
    key = f"{PREFIX}{key_id}_{secrets.token_urlsafe(_SECRET_BYTES)}"
    return key, ApiKey(id=key_id, owner=owner, digest=digest(key), created_at=now, name=name)


def digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()


class KeyRing:
    """Checks keys against the store. A revoked one opens nothing after `cache_s` at the latest."""

    def __init__(self, store: KeyStore, *, cache_s: float = 5.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._known: TTLCache[str, ApiKey] = TTLCache(_KNOWN_KEYS, cache_s, timer=clock)

    async def owner_of(self, key: str) -> str | None:
        """Return whose key this is, or None for one that opens nothing. No round trip while it is known.

        Raises StoreError.
        """
        parts = key.split("_", _PARTS - 1)
        if len(parts) != _PARTS or not key.isascii() or len(key) > _MAX_KEY:
            return None
        held = self._known.get(parts[1]) or await self._store.find(parts[1])
        matches = hmac.compare_digest(digest(key), _NO_DIGEST if held is None else held.digest)
        if held is None or not matches or held.revoked_at is not None:
            return None
        self._known.setdefault(held.id, held)
        return held.owner
