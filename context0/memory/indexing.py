"""The work behind the write: what is due is found, done, and put off or given up where it cannot be done.

Everything that is still to do stands in the documents themselves, so nothing is lost when the process ends, and doing
it twice does no harm: outcomes count only for the generation that they were made for.
"""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

from context0.errors import EmbeddingError, EmbeddingInvalid
from context0.memory.announcing import Piece, Presence
from context0.memory.due_work import MAX_LOST, DueWork
from context0.memory.facts import FactKeeper
from context0.memory.index_writing import IndexWriter, Vectors
from context0.memory.measuring import Backlog
from context0.memory.model_guard import ModelGuard
from context0.memory.parts import EngineParts
from stores.errors import StoreError
from stores.owner.owner_cache import OwnerCache
from stores.owner.owner_index import OwnerIndex
from stores.records import Document, IndexMark, MemoryId, PendingWork, Scope

log = logging.getLogger(__name__)

_FIRST_WAIT: Final = timedelta(seconds=1)
_LONGEST_WAIT: Final = timedelta(minutes=10)
_TICKS_OF_PRESENCE: Final = 6
_RELEASE_S: Final = 1.0
_FIRST_LOOK_S: Final = 0.02
_LAST_LOOK_S: Final = 0.5
_MOST_LOOKED_AT: Final = 1_000
_LOST: Final = "worker_lost"
_BROKEN: Final = "broken."
"""How the reason begins of what failed in a way that nobody foresaw; the name of the error follows."""


class Indexer:
    """Finds due work and does it, a batch at a time, until it is stopped. `wake` says that there is some.

    With an announcer the work is told to worker processes, and done here only while there are none.
    """

    def __init__(
        self, parts: EngineParts, guard: ModelGuard, indexes: OwnerCache[OwnerIndex], facts: FactKeeper
    ) -> None:
        self._documents = parts.documents
        self._clock = parts.clock
        self._writer = IndexWriter(parts, guard, indexes, facts)
        self._backlog = Backlog(parts.recorder)
        self._woken = asyncio.Event()
        self._working = asyncio.Lock()
        self._limits = parts.limits
        self._announcer = parts.announcer
        self._is_worker = parts.is_worker
        self._is_alone = parts.announcer is None
        self._due = DueWork(parts.documents, parts.clock, lease_s=parts.limits.index_lease_s)
        self._presence = Presence(parts.documents, fresh_s=_TICKS_OF_PRESENCE * parts.limits.index_interval_s)
        self.writing = self._writer.lock
        """See `IndexWriter.lock`."""

    @property
    def immediate(self) -> bool:
        """True when a document that carries its vector needs no further work."""
        return self._writer.immediate

    def wake(self) -> None:
        self._woken.set()

    def announce(self, scope: Scope, pieces: Sequence[Piece]) -> None:
        """Say which work there is: to this process, or to others."""
        if self._announcer is not None:
            self._announcer.announce(scope, pieces)
        if self._is_alone:
            self.wake()

    async def follow(self, scope: Scope, documents: Sequence[Document]) -> None:
        """Let the indexes in memory that hold the owner know what this process has just written."""
        await self._writer.follow(scope, documents)

    async def take_out(self, scope: Scope, ids: Sequence[MemoryId]) -> None:
        """Take memories that are kept back out of the indexes that do not follow the documents by themselves."""
        async with self.writing:
            await self._writer.take_out(scope, ids)

    async def catch_up(self, scope: Scope, since: datetime) -> None:
        """Let the indexes in memory take over what other processes have written, with all that was changed `since`."""
        await self._writer.catch_up(scope, since)

    async def run(self, interval_s: float, also: Callable[[], Awaitable[None]]) -> None:
        """Work until cancelled. A failure is logged, and the work stays due. also: done every `interval_s` besides."""
        looked_s = time.monotonic()
        while True:
            self._woken.clear()  # before the work: who wakes us during it may have come too late for it
            try:
                await self._look_around()
                if self._is_alone:
                    await self.work_off()
                if time.monotonic() - looked_s >= interval_s:
                    looked_s = time.monotonic()
                    await also()
            except (StoreError, TimeoutError) as exc:
                log.warning("index.unavailable", extra={"error": type(exc).__name__})
            except Exception:  # the edge of the task: without it nothing would be indexed any more
                log.exception("index.broken")
            try:
                async with asyncio.timeout(interval_s):
                    await self._woken.wait()
            except TimeoutError:
                continue

    async def _look_around(self) -> None:
        """Find out whether others do the work; as a worker, tell them that this process does."""
        if self._announcer is None and not self._is_worker:
            return
        await self._due.store_time.refresh()
        now = self._due.store_time.now()
        if self._is_worker:
            await self._presence.tell(now)
        else:
            self._is_alone = not await self._presence.is_there(now)

    async def work_off(self) -> int:
        """Do all the work that is due, and return how many pieces were taken up."""
        taken = 0
        async with self._working:
            await self._writer.expire()
            while work := await self._due.take():
                taken += len(work)
                await self._work(work)
        return taken

    async def work_on(self, scope: Scope, ids: Collection[MemoryId]) -> int:
        """Do what is due of these (0..1,000), whatever else waits; return how many pieces were taken up."""
        taken = 0
        while work := await self._due.take(scope, ids):
            taken += len(work)
            await self._work(work)
            if not self._due.lease_s:
                break
        return taken

    async def release(self) -> None:
        """Give back what this process has taken and does not do any more. Never raises: leases end by themselves."""
        try:
            async with asyncio.timeout(_RELEASE_S):
                await self._due.settle()
        except (StoreError, TimeoutError) as exc:
            log.warning("index.not_released", extra={"error": type(exc).__name__})

    async def finish(self, scope: Scope, ids: Sequence[MemoryId]) -> None:
        """Do what is due of these, and wait for what others have taken of them: at most as long as they may."""
        if not self._due.lease_s:
            await self.work_off()
            return
        for start in range(0, len(ids), _MOST_LOOKED_AT):
            await self.work_on(scope, ids[start : start + _MOST_LOOKED_AT])
        left, wait_s = list(ids), _FIRST_LOOK_S
        with suppress(TimeoutError):
            async with asyncio.timeout(self._due.lease_s):
                while left := await self._taken_by_others(scope, left):
                    await asyncio.sleep(wait_s)
                    wait_s = min(2 * wait_s, _LAST_LOOK_S)

    async def _taken_by_others(self, scope: Scope, ids: Sequence[MemoryId]) -> list[MemoryId]:
        looked_at = ids[:_MOST_LOOKED_AT]
        memories = await self._documents.get_many(looked_at, scope=scope, now=self._clock.now())
        at_work = [one.id for one in memories if one.index.state == "pending" and not one.index.reason]
        return [*at_work, *ids[_MOST_LOOKED_AT:]]

    async def _work(self, work: Sequence[PendingWork]) -> None:
        """Do a batch. What breaks it is found by halving it, so that it holds up no other.

        What hangs is left to its claim: when that ends it counts as lost, as if this process had been killed.
        """
        with self._backlog.at_work(len(work)):
            try:
                async with asyncio.timeout(self._due.lease_s or None):
                    await self._do(work)
            except TimeoutError:
                if not self._due.lease_s:
                    raise
                log.warning("index.hangs", extra={"count": len(work)})
            except (StoreError, asyncio.CancelledError):
                self._due.owe(work)  # it is not lost, and due again as soon as the store can be told
                raise
            except Exception as exc:  # noqa: BLE001 - the edge of the task: it is logged, counted and put off
                log.warning("index.breaks", extra={"error": type(exc).__name__, "count": len(work)})
                if len(work) > 1:
                    middle = len(work) // 2
                    await self._work(work[:middle])
                    await self._work(work[middle:])
                else:
                    await self._put_off(work, _BROKEN + type(exc).__name__, counts=True)

    async def _do(self, work: Sequence[PendingWork]) -> None:
        lost = [item for item in work if item.lost >= MAX_LOST and not item.deleted]
        if lost:
            await self._give_up(lost)
            work = [item for item in work if item not in lost]
        self._backlog.taken([item.id for item in work])
        by_scope: defaultdict[Scope, list[PendingWork]] = defaultdict(list)
        for item in work:
            by_scope[item.scope].append(item)
        vectors = await self._writer.vectors_for([item for item in work if not item.deleted])
        for scope, items in by_scope.items():
            async with self.writing:
                await self._attempt(scope, items, vectors)

    async def _attempt(self, scope: Scope, items: Sequence[PendingWork], vectors: Vectors) -> None:
        ready = {memory_id: vector for memory_id, vector in vectors.items() if isinstance(vector, bytes)}
        late: dict[str, list[PendingWork]] = {}
        try:
            await self._writer.bury(scope, [item.id for item in items if item.deleted])
            await self._writer.index(scope, [item for item in items if not item.deleted and item.id in ready], ready)
        except StoreError as exc:
            log.warning("index.failed", extra={"error": exc.code, "count": len(items)})
            late[exc.code] = list(items)
        else:
            for item in items:
                why = vectors.get(item.id)
                if isinstance(why, EmbeddingError):
                    late.setdefault(why.code, []).append(item)
        self._backlog.worked(len(items) - sum(map(len, late.values())))
        for reason, works in late.items():
            await self._put_off(works, reason, counts=reason == EmbeddingInvalid.code)

    async def _put_off(self, works: Sequence[PendingWork], reason: str, *, counts: bool) -> None:
        """Let them be tried again, later each time.

        counts: it is the text's own fault, so that it is given up after some attempts. An outage ends some day.
        """
        marks = [self._later(item, reason, counts=counts) for item in works]
        put_off = [mark.id for mark in marks if mark.state == "pending"]
        self._backlog.worked(0, put_off=put_off, given_up=len(marks) - len(put_off))
        await self._mark(works, marks)

    async def _give_up(self, works: Sequence[PendingWork]) -> None:
        """Let nobody try again what has ended, or stopped, all who did."""
        log.warning("index.given_up", extra={"count": len(works), "reason": _LOST})
        now = self._due.now()
        marks = [IndexMark(one.id, one.generation, "failed", one.attempts, now, reason=_LOST) for one in works]
        self._backlog.worked(0, given_up=len(works))
        await self._mark(works, marks)

    async def _mark(self, works: Sequence[PendingWork], marks: Sequence[IndexMark]) -> None:
        by_scope: defaultdict[Scope, list[IndexMark]] = defaultdict(list)
        for item, mark in zip(works, marks, strict=True):
            by_scope[item.scope].append(mark)
        for scope, given in by_scope.items():
            await self._documents.mark(given, scope=scope)

    def _later(self, item: PendingWork, reason: str, *, counts: bool) -> IndexMark:
        attempts, now = item.attempts + 1, self._due.now()
        is_over = counts and not item.deleted and attempts >= self._limits.index_max_attempts
        wait = timedelta(0) if is_over else min(_FIRST_WAIT * 2 ** min(item.attempts, 20), _LONGEST_WAIT)
        return IndexMark(
            id=item.id,
            generation=item.generation,
            state="failed" if is_over else "pending",
            attempts=attempts,
            next_attempt_at=now + wait,
            reason=reason,
        )
