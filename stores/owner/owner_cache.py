"""The in-memory indexes of many owners: loaded when first asked, followed while in use, dropped to save memory."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Generic, Protocol, TypeVar, runtime_checkable

from stores.blocking import in_thread
from stores.protocols import DocumentStore
from stores.records import IndexRow, MemoryId, Scope, Validity

_OVERLAP: Final = timedelta(seconds=5)
"""How far the clocks of two processes may lie apart without a change being missed."""
_AT_ONCE: Final = 500
"""So many rows that changed elsewhere are taken over in some milliseconds; then others have their turn."""
_LATE_S: Final = 60.0
"""How long after its time a change may be written without being missed by who has read nothing new for so long."""


class Followed(Protocol):
    """An index of one owner that can take over changed rows."""

    changed_ms: int

    @property
    def nbytes(self) -> int: ...

    @property
    def worn(self) -> bool: ...

    def apply(self, rows: Sequence[IndexRow]) -> None: ...

    def settle(self, validity: Mapping[MemoryId, Validity]) -> None: ...

    def discard(self, ids: Collection[MemoryId]) -> None: ...


@runtime_checkable
class Watched(Protocol):
    """Documents that tell without a round trip whether anything was written to them, by anybody."""

    def changes(self) -> int | None:
        """Return another number than before if so, None where it cannot be told."""


@dataclass(slots=True, eq=False)
class _Taking:
    """Rows that are being taken over in parts."""

    stopped: bool = False


I = TypeVar("I", bound=Followed)  # noqa: E741


class OwnerCache(Generic[I]):
    """Holds one index an owner, at most `max_bytes` of them together; the least recently used leave first.

    A change made through this process is seen by the next read (`apply`). One made by another process is seen after at
    most `staleness_s`: then the documents changed since are read, one round trip; none where they are `Watched`, and
    nothing was written at all. Concurrent first uses load once.
    """

    def __init__(
        self,
        documents: DocumentStore,
        new_index: Callable[[], I],
        *,
        max_bytes: int,
        staleness_s: float = 1.0,
        vectors: bool = True,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._documents = documents
        self._new_index = new_index
        self._max_bytes = max_bytes
        self._staleness_s = staleness_s
        self._vectors = vectors
        self.restore: Callable[[Scope], Awaitable[I | None]] | None = None
        """Returns an index of the owner as of its `changed_ms`, so that only later changes are read, or None."""
        self._timer = timer
        self._held: OrderedDict[Scope, I] = OrderedDict()
        self._read_at: dict[Scope, float] = {}
        self._watched = documents if isinstance(documents, Watched) else None
        self._changes: dict[Scope, int | None] = {}
        self._quiet_since: dict[Scope, tuple[int, float]] = {}
        self._loading: dict[Scope, asyncio.Task[I]] = {}
        self._behind_ms: dict[Scope, int] = {}
        self._late: dict[Scope, list[IndexRow]] = {}
        self._late_gone: dict[Scope, set[MemoryId]] = {}
        self._late_validity: dict[Scope, dict[MemoryId, Validity]] = {}
        self._dropped: set[Scope] = set()
        self._taking: dict[Scope, list[_Taking]] = {}
        self._sizes: dict[Scope, int] = {}
        self._total = 0
        self.hits = 0
        """Asks for an index that was loaded, whether it had to be refreshed or not."""
        self.misses = 0

    @property
    def nbytes(self) -> int:
        """Bytes of all the indexes, each as of its last read of the documents."""
        return self._total

    def __len__(self) -> int:
        return len(self._held)

    async def get(self, scope: Scope) -> I:
        """Return the owner's index, loaded and fresh: no round trip when it is. Raises Unavailable."""
        index = self._held.get(scope)
        if index is None or index.worn:
            self.misses += 1
            return await self._shared(scope, self._load)
        self.hits += 1
        self._held.move_to_end(scope)
        if not self._is_fresh(scope):
            return await self._shared(scope, self._refresh)
        return index

    async def catch_up(self, scope: Scope, since: datetime) -> None:
        """Take over what the documents hold now, with all that was changed at or after `since`, if the owner is loaded.

        One round trip, for all who wait for it; none for an owner who is not loaded. Raises Unavailable.
        """
        if not self.follows(scope):
            return
        wanted_ms = int(since.timestamp() * 1000)
        self._behind_ms[scope] = min(wanted_ms, self._behind_ms.get(scope, wanted_ms))
        earlier = self._loading.get(scope)
        if earlier is not None:  # it may have read before the change; one that begins behind it has not
            await asyncio.wait((earlier,))
        await self._shared(scope, self._refresh)

    def fresh(self, scope: Scope) -> I | None:
        """Return the owner's index if `get` would return it as it is, without a round trip."""
        index = self._held.get(scope)
        if index is None or index.worn or not self._is_fresh(scope):
            return None
        self._held.move_to_end(scope)
        return index

    def _is_fresh(self, scope: Scope) -> bool:
        now = self._timer()
        if now - self._read_at[scope] <= self._staleness_s:
            return True
        if self._watched is None or (changes := self._watched.changes()) is None or changes != self._changes[scope]:
            return False
        self._read_at[scope] = now
        return True

    def held(self, scope: Scope) -> I | None:
        """Return the owner's index if it is loaded, as fresh as it is."""
        return self._held.get(scope)

    def owners(self) -> list[Scope]:
        """Return whose index is loaded, or being loaded."""
        return [*self._held, *self._loading]

    def follows(self, scope: Scope) -> bool:
        """Say whether the owner is loaded or being loaded, so that changes have to be handed in."""
        return scope in self._held or scope in self._loading

    def apply(self, scope: Scope, rows: Sequence[IndexRow]) -> None:
        """Take over rows that this process has just written."""
        if scope in self._loading:
            self._late.setdefault(scope, []).extend(rows)
        if scope in self._held:
            self._held[scope].apply(rows)

    async def take(self, scope: Scope, parts: Iterable[Sequence[IndexRow]]) -> None:
        """As `apply`, part after part; the event loop turns in between. Ends where the owner is dropped meanwhile."""
        taking = _Taking()
        self._taking.setdefault(scope, []).append(taking)
        try:
            for number, part in enumerate(parts):
                if number:
                    await asyncio.sleep(0)
                if taking.stopped:  # who loads the owner again reads all of it
                    break
                self.apply(scope, part)
        finally:
            self._taking[scope].remove(taking)
            if not self._taking[scope]:
                del self._taking[scope]

    def settle(self, scope: Scope, validity: Mapping[MemoryId, Validity]) -> None:
        """Take over when memories hold, as this process has just written it."""
        if scope in self._loading:
            self._late_validity.setdefault(scope, {}).update(validity)
        if scope in self._held:
            self._held[scope].settle(validity)

    def discard(self, scope: Scope, ids: Collection[MemoryId]) -> None:
        """Forget ids that turned out to be gone."""
        if scope in self._loading:
            self._late_gone.setdefault(scope, set()).update(ids)
        if scope in self._held:
            self._held[scope].discard(ids)

    def drop(self, scope: Scope) -> int:
        """Forget the owner; return how many bytes that freed."""
        if scope in self._loading:
            self._dropped.add(scope)
        for taking in self._taking.get(scope, ()):
            taking.stopped = True
        self._read_at.pop(scope, None)
        self._changes.pop(scope, None)
        self._quiet_since.pop(scope, None)
        self._behind_ms.pop(scope, None)
        self._held.pop(scope, None)
        size = self._sizes.pop(scope, 0)
        self._total -= size
        return size

    async def aclose(self) -> None:
        loading = list(self._loading.values())
        for task in loading:
            task.cancel()
        await asyncio.gather(*loading, return_exceptions=True)
        for scope in list(self._held):
            self.drop(scope)

    async def _shared(self, scope: Scope, work: Callable[[Scope], Awaitable[I]]) -> I:
        """Run `work` once for all who are waiting for it; whoever gives up waiting does not stop the others."""
        task = self._loading.get(scope)
        if task is None:
            task = asyncio.create_task(self._run(scope, work), name="context0-owner-index")
            self._loading[scope] = task
        return await asyncio.shield(task)

    async def _run(self, scope: Scope, work: Callable[[Scope], Awaitable[I]]) -> I:
        try:
            started, changes = self._timer(), None if self._watched is None else self._watched.changes()
            index = await work(scope)
            while scope in self._dropped:  # erased meanwhile: what was read may be gone
                self._dropped.discard(scope)
                index = await self._load(scope)
            index.apply(self._late.pop(scope, []))
            index.settle(self._late_validity.pop(scope, {}))
            index.discard(self._late_gone.pop(scope, ()))
            self._held[scope] = index
            self._held.move_to_end(scope)
            self._read_at[scope], self._changes[scope] = started, changes
            if self._quiet_since.get(scope, (-1,))[0] != index.changed_ms:
                self._quiet_since[scope] = index.changed_ms, started
            self._total += index.nbytes - self._sizes.get(scope, 0)
            self._sizes[scope] = index.nbytes
            self._make_room()
            return index
        finally:
            self._late.pop(scope, None)
            self._late_gone.pop(scope, None)
            self._late_validity.pop(scope, None)
            del self._loading[scope]

    async def _load(self, scope: Scope) -> I:
        index = None if self.restore is None else await self.restore(scope)
        since = None
        if index is None:
            index = self._new_index()
        elif index.changed_ms:
            since = datetime.fromtimestamp(index.changed_ms / 1000, UTC) - _OVERLAP
        async for rows in self._documents.scan(scope=scope, since=since, vectors=self._vectors):
            await in_thread(index.apply, rows)  # nobody else has it yet
        return index

    async def _refresh(self, scope: Scope) -> I:
        index = self._held.get(scope)
        if index is None:
            return await self._load(scope)
        since = self._unread_from(scope, index.changed_ms) if index.changed_ms else None
        behind_ms = self._behind_ms.pop(scope, None)
        if since is not None and behind_ms is not None:
            since = min(since, datetime.fromtimestamp(behind_ms / 1000, UTC))
        async for rows in self._documents.scan(scope=scope, since=since, vectors=self._vectors):
            for start in range(0, len(rows), _AT_ONCE):
                if start:
                    await asyncio.sleep(0)
                index.apply(rows[start : start + _AT_ONCE])
        return index

    def _unread_from(self, scope: Scope, changed_ms: int) -> datetime:
        """Return the moment since which there may be changes that were not read.

        It moves on while nothing changes: else what was written by one large write would be read again and again.
        """
        known_ms, read_at = self._quiet_since.get(scope, (0, 0.0))
        quiet_s = self._timer() - read_at if known_ms == changed_ms else 0.0
        moved = timedelta(seconds=max(0.0, quiet_s - _LATE_S))
        return datetime.fromtimestamp(changed_ms / 1000, UTC) - _OVERLAP + moved

    def _make_room(self) -> None:
        while len(self._held) > 1 and self._total > self._max_bytes:
            self.drop(next(iter(self._held)))
