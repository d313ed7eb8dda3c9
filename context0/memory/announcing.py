"""How other processes are told of index work, and how they say that they are there to do it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol, TypeAlias

from context0.clock import from_ms, to_ms
from stores.protocols import DocumentStore
from stores.records import MemoryId, Scope

Piece: TypeAlias = tuple[MemoryId, int]
"""A memory, and the generation that is to be indexed."""

_KEY: Final = "worker_seen"


class Announcer(Protocol):
    """Tells worker processes which memories need their indexes: a hint, as the work stands in the documents."""

    def announce(self, scope: Scope, pieces: Sequence[Piece]) -> None:
        """Pass it on, soon. Never waits and never raises; what cannot be told is found without it, only later."""

    async def aclose(self) -> None:
        """Tell what is left to tell, for a moment, and close. Twice is harmless."""


class Presence:
    """Knows from the store when a worker process last said that it is there."""

    def __init__(self, documents: DocumentStore, *, fresh_s: float) -> None:
        self._documents = documents
        self._fresh = timedelta(seconds=fresh_s)

    async def tell(self, now: datetime) -> None:
        """Say that this process does the work of others. One write."""
        await self._documents.put_meta(_KEY, str(to_ms(now)).encode(), replace=True)

    async def seen_at(self) -> datetime | None:
        """Return when a worker was last there, by the time of the store; None: never. One round trip."""
        value = await self._documents.get_meta(_KEY)
        return None if value is None else from_ms(int(value))

    async def is_there(self, now: datetime) -> bool:
        """Return whether a worker told so lately. One round trip."""
        seen = await self.seen_at()
        return seen is not None and now - seen <= self._fresh
