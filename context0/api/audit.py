"""The audit trail of the service: one line for each request that was served, by owner, chained and bounded."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from weakref import WeakValueDictionary

from cachetools import LRUCache

from stores.audit import MAX_TARGETS, AuditHead, AuditLine, AuditStore, chained
from stores.errors import Conflict
from stores.lateness import digest_of

_OWNERS: Final = 10_000
_ATTEMPTS: Final = 20
_MOST_WAITING: Final = 500
_EVERY_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """What was done, without any content. See `AuditLine`."""

    owner: str
    at: datetime
    actor: str
    action: str
    targets: Sequence[str] = ()
    outcome: str = ""
    request_id: str = ""


class AuditTrail:
    """Appends lines to the owners' trails, also beside other processes: a number that is taken is tried again higher.

    `write` returns when its line is durable. `read` lets lines wait, at most 500 of them and about a second: a process
    that is killed loses those; `aclose` writes them.
    """

    def __init__(self, store: AuditStore, key: bytes, *, level: Literal["writes", "all"] = "writes") -> None:
        """key: the store's own. level: writes leaves reading out."""
        self._store = store
        self._key = key
        self.level = level
        self._last: LRUCache[str, AuditHead] = LRUCache(_OWNERS)
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._waiting: list[AuditEvent] = []
        self._writing: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()

    async def write(self, event: AuditEvent) -> None:
        """Append the event now. Raises StoreError: then it stands nowhere that this was done."""
        await self._append(event.owner, [event])

    async def read(self, event: AuditEvent) -> None:
        """Have the event appended soon; waits only where too many wait already."""
        self._waiting.append(event)
        if len(self._waiting) >= _MOST_WAITING:
            await self.flush()
        elif self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._soon(), name="context0-audit")
            self._writing.add_done_callback(_seen)

    async def flush(self) -> None:
        """Append what waits. Raises StoreError; then it waits on."""
        waiting, self._waiting = self._waiting, []
        by_owner: dict[str, list[AuditEvent]] = {}
        for event in waiting:
            by_owner.setdefault(event.owner, []).append(event)
        while by_owner:
            owner, events = next(iter(by_owner.items()))
            try:
                await self._append(owner, events)
            except BaseException:
                self._waiting = [event for left in by_owner.values() for event in left] + self._waiting
                raise
            del by_owner[owner]

    async def page(self, owner: str, *, limit: int, before: int | None = None) -> list[AuditLine]:
        """Return up to `limit` lines of the owner numbered below `before`, the newest first; what waits comes too."""
        await self.flush()
        return await self._store.list_page(digest_of(owner), limit=limit, before=before)

    async def aclose(self) -> None:
        """Write what waits. Raises StoreError."""
        self._closing.set()
        if self._writing is not None:
            await asyncio.wait((self._writing,))
        await self.flush()

    async def _soon(self) -> None:
        try:
            async with asyncio.timeout(_EVERY_S):
                await self._closing.wait()
        except TimeoutError:
            await self.flush()

    async def _append(self, owner: str, events: Sequence[AuditEvent]) -> None:
        digest = digest_of(owner)
        lock = self._locks.setdefault(digest, asyncio.Lock())
        async with lock:
            for attempt in range(1, _ATTEMPTS + 1):
                last = self._last.get(digest) or await self._last_of(digest)
                lines = self._lines(digest, last, events)
                try:
                    await self._store.append(lines)
                except Conflict:
                    self._last.pop(digest, None)
                    if attempt == _ATTEMPTS:
                        raise
                else:
                    self._last[digest] = AuditHead(lines[-1].seq, lines[-1].code)
                    return

    async def _last_of(self, digest: str) -> AuditHead:
        """Return where the trail goes on: behind the head or, where that is behind after a crash, the last line."""
        head, newest = await self._store.head(digest), await self._store.list_page(digest, limit=1)
        return max([head, *(AuditHead(line.seq, line.code) for line in newest)])

    def _lines(self, digest: str, last: AuditHead, events: Sequence[AuditEvent]) -> list[AuditLine]:
        lines: list[AuditLine] = []
        for number, event in enumerate(events, start=1):
            line = AuditLine(
                owner=digest,
                seq=last.seq + number,
                at=event.at,
                actor=event.actor,
                action=event.action,
                targets=tuple(event.targets[:MAX_TARGETS]),
                total=len(event.targets),
                outcome=event.outcome,
                request_id=event.request_id,
            )
            lines.append(chained(line, lines[-1].code if lines else last.code, self._key))
        return lines


def _seen(task: "asyncio.Task[None]") -> None:
    """What could not be written waits on, and is tried again with the next one."""
    if not task.cancelled():
        task.exception()
