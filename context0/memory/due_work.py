"""Which index work is due, by whose time, and who has taken it: each piece is given to one process at a time."""

import time
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final

from context0.clock import Clock, to_milliseconds
from stores.protocols import DocumentStore
from stores.records import IndexMark, MemoryId, PendingWork, Scope

BATCH: Final = 256
MAX_LOST: Final = 5
"""So often work may be taken by a process that then ends, or hangs, before it is given up."""
_TOGETHER: Final = (BATCH, 16, 1)
"""How much is worked on together of what was lost never, once, more often: what kills a worker is soon alone."""
_REFRESH_S: Final = 60.0


class StoreTime:
    """The time by which leases count: the store's own, so that the clock of a machine may be wrong by hours.

    A store that has none is on this machine, whose clock then counts.
    """

    def __init__(self, documents: DocumentStore, clock: Clock) -> None:
        self._documents = documents
        self._clock = clock
        self._read: tuple[datetime, float] | None = None
        self._refreshed_s = -_REFRESH_S

    def now(self) -> datetime:
        if self._read is None:
            return self._clock.now()
        moment, at_s = self._read
        return to_milliseconds(moment + timedelta(seconds=time.monotonic() - at_s))

    async def refresh(self) -> None:
        """Ask the store, if that is more than a minute ago. One round trip."""
        if time.monotonic() - self._refreshed_s < _REFRESH_S:
            return
        before_s = time.monotonic()
        told = await self._documents.time()
        self._refreshed_s = time.monotonic()
        self._read = None if told is None else (told, (before_s + self._refreshed_s) / 2)


class DueWork:
    """Hands out the work that is due.

    lease_s: how long it is this process's; 0: this process is the only one, and takes what it finds.
    """

    def __init__(self, documents: DocumentStore, clock: Clock, *, lease_s: float = 0.0) -> None:
        self._documents = documents
        self._clock = clock
        self.lease_s = lease_s
        self.store_time = StoreTime(documents, clock)
        self._owed: list[PendingWork] = []

    def now(self) -> datetime:
        """Return the time by which work is due."""
        return self.store_time.now() if self.lease_s else self._clock.now()

    async def take(self, scope: Scope | None = None, ids: Collection[MemoryId] | None = None) -> list[PendingWork]:
        """Return up to 256 pieces that may be worked on together; nothing when nothing is due.

        scope, ids: only of these. What was lost before comes in smaller groups, the rest stays due.
        """
        if not self.lease_s:
            found = await self._documents.pending(limit=BATCH, now=self.now())
            return found if ids is None else [work for work in found if work.scope == scope and work.id in ids]
        await self.settle()
        await self.store_time.refresh()
        now = self.now()
        until = now + timedelta(seconds=self.lease_s)
        claimed = await self._documents.claim(limit=BATCH, now=now, until=until, scope=scope, ids=ids)
        mine, rest = _shared(claimed)
        if rest:
            await self._give_back(rest, now)
        return mine

    def owe(self, works: Sequence[PendingWork]) -> None:
        """Note what was taken and could not be worked on, to be given back: as it was, and due at once."""
        if self.lease_s:
            self._owed += works

    async def settle(self) -> None:
        """Give back what is owed. One write for each owner, if there is anything."""
        if self._owed:
            owed, self._owed = self._owed, []
            try:
                await self._give_back(owed, self.now())
            except BaseException:
                self._owed += owed
                raise

    async def _give_back(self, works: Sequence[PendingWork], now: datetime) -> None:
        marks: dict[Scope, list[IndexMark]] = {}
        for work in works:
            mark = IndexMark(work.id, work.generation, "pending", work.attempts, now, lost=work.lost)
            marks.setdefault(work.scope, []).append(mark)
        for scope, given in marks.items():
            await self._documents.mark(given, scope=scope)


def _shared(works: Sequence[PendingWork]) -> tuple[list[PendingWork], list[PendingWork]]:
    """Return what may be worked on together, and what is given back. What was never lost goes first."""
    if not works:
        return [], []
    least = min(work.lost for work in works)
    size = _TOGETHER[min(least, len(_TOGETHER) - 1)]
    alike = [work for work in works if work.lost == least]
    return alike[:size], [*alike[size:], *(work for work in works if work.lost != least)]
