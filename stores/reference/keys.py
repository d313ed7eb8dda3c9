"""The key store over a dict: what the protocol means, in the fewest words."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from stores.errors import Conflict
from stores.key_protocol import ApiKey


class ReferenceKeys:
    """A KeyStore that keeps everything in a dict."""

    name = "reference-keys"

    def __init__(self) -> None:
        self._keys: dict[str, ApiKey] = {}

    async def open(self) -> None:
        """Nothing to connect to."""

    async def aclose(self) -> None:
        """Nothing to close."""

    async def put(self, key: ApiKey) -> None:
        if self._keys.setdefault(key.id, key) is not key:
            raise Conflict("a key with this id is there already; make another one")

    async def find(self, key_id: str) -> ApiKey | None:
        return self._keys.get(key_id)

    async def list_page(self, *, owner: str | None, limit: int, after: str = "") -> list[ApiKey]:
        found = [key for key in self._keys.values() if key.id > after and owner in (None, key.owner)]
        return sorted(found, key=lambda key: key.id)[:limit]

    async def revoke(self, ids: Collection[str], *, now: datetime) -> int:
        live = [key for key_id in set(ids) if (key := self._keys.get(key_id)) and key.revoked_at is None]
        self._keys.update({key.id: replace(key, revoked_at=now) for key in live})
        return len(live)

    async def erase(self, owner: str) -> int:
        left = {key_id: key for key_id, key in self._keys.items() if key.owner != owner}
        removed, self._keys = len(self._keys) - len(left), left
        return removed
