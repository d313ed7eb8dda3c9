"""API keys: how they are made, told apart and checked. Only their SHA-256 is ever kept."""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from context0.api.caller import Caller
from context0.errors import InvalidInput
from context0.memory.inputs import check_name, check_scope
from stores.key_protocol import ApiKey, KeyStore
from stores.records import Scope

PREFIX: Final = "c0_"
_ID_BYTES: Final = 6
_SECRET_BYTES: Final = 32
_PARTS: Final = 3
_MAX_NAME: Final = 100
_MAX_KEY: Final = 200
_KNOWN_KEYS: Final = 10_000
_PAGE: Final = 1_000
_NO_DIGEST: Final = bytes(32)


def new_key(user_id: str, *, name: str = "", now: datetime, operator: bool = False) -> tuple[str, ApiKey]:
    """Return a fresh key, which is shown once, and what is kept of it. Raises InvalidInput."""
    owner = check_scope(user_id).owner
    if name and len(check_name("name", name)) > _MAX_NAME:
        raise InvalidInput("name", f"has {len(name)} characters; at most {_MAX_NAME} are allowed")
    key_id = secrets.token_hex(_ID_BYTES)
    key = f"{PREFIX}{key_id}_{secrets.token_urlsafe(_SECRET_BYTES)}"
    return key, ApiKey(id=key_id, owner=owner, digest=digest(key), created_at=now, name=name, operator=operator)


def digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()


class KeyRing:
    """Checks keys against the store. A revoked one opens nothing after `cache_s` at the latest.

    It is an `OwnerStore` of `context0.memory.erasing`: whoever is erased may lose the keys too.
    """

    def __init__(self, store: KeyStore, *, cache_s: float = 5.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._cache_s = cache_s
        self._clock = clock
        self._known: dict[bytes, tuple[Caller, float]] = {}

    async def caller_of(self, key: str) -> Caller | None:
        """Return whose key this is, or None for one that opens nothing. No round trip while it is known.

        Raises StoreError.
        """
        if not key.isascii() or len(key) > _MAX_KEY:
            return None
        told = digest(key)
        caller, until = self._known.get(told, (None, 0.0))
        if caller is not None and self._clock() < until:
            return caller
        return await self._looked_up(key, told)

    async def _looked_up(self, key: str, told: bytes) -> Caller | None:
        self._known.pop(told, None)
        parts = key.split("_", _PARTS - 1)
        if len(parts) != _PARTS:
            return None
        held = await self._store.find(parts[1])
        matches = hmac.compare_digest(told, _NO_DIGEST if held is None else held.digest)
        if held is None or not matches or held.revoked_at is not None:
            return None
        if len(self._known) >= _KNOWN_KEYS:
            self._known.clear()
        caller = Caller(owner=held.owner, operator=held.operator, credential=f"key:{held.id}")
        self._known[told] = (caller, self._clock() + self._cache_s)
        return caller

    @property
    def name(self) -> str:
        return self._store.name

    async def erase(self, scope: Scope) -> Mapping[str, int]:
        """Remove the owner's keys; other processes take them for `cache_s` at the longest. Raises StoreError."""
        removed = await self._store.erase(scope.owner)
        for told in [told for told, (caller, _) in self._known.items() if caller.owner == scope.owner]:
            del self._known[told]
        return {"keys": removed}

    async def count(self, scope: Scope, *, before: datetime | None = None) -> int:
        """Return how many keys the owner has, or had before a moment already. Raises StoreError."""
        after, found = "", 0
        while page := await self._store.list_page(owner=scope.owner, limit=_PAGE, after=after):
            found += sum(before is None or key.created_at < before for key in page)
            after = page[-1].id
        return found
