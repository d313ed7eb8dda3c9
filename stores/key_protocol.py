"""What a store of API keys must do: every obligation that tests/contracts/test_keys.py checks.

A key itself is never stored, only its SHA-256. Keys lie beside the memories, so that every process on one store knows
the same ones. Like all stores (see `stores.protocols`): a failure raises `Unavailable` and is never an empty result;
`open` may be called again, `aclose` twice.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """One key. id: its public part. digest: 32 bytes, the SHA-256 of the whole key. name: what its owner calls it.

    Times are aware UTC in whole milliseconds. revoked_at: since when it opens nothing any more. operator: it also reads
    what is about the service as a whole.
    """

    id: str
    owner: str
    digest: bytes
    created_at: datetime
    name: str = ""
    revoked_at: datetime | None = None
    operator: bool = False


class KeyStore(Protocol):
    """The API keys of all owners."""

    @property
    def name(self) -> str: ...

    async def open(self) -> None: ...

    async def aclose(self) -> None: ...

    async def put(self, key: ApiKey) -> None:
        """Write a new key, durably. Raises Conflict when the id is taken. One write."""

    async def find(self, key_id: str) -> ApiKey | None:
        """Return a key, revoked ones too. One round trip."""

    async def list_page(self, *, owner: str | None, limit: int, after: str = "") -> list[ApiKey]:
        """Return up to `limit` (1..1,000) keys of one owner, or of all, by ascending id, behind the id `after`."""

    async def revoke(self, ids: Collection[str], *, now: datetime) -> int:
        """Revoke the keys among `ids` that are not revoked yet, for good; return how many these were. One write."""

    async def erase(self, owner: str) -> int:
        """Remove all keys of the owner, so that they open nothing; return how many there were. One write."""
