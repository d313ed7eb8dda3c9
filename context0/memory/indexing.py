"""The work behind the write: embed what is pending, fill the other indexes, clean up after deletions and expiry.

Everything that is still to do stands in the documents themselves, so nothing is lost when the process ends, and doing
it twice does no harm: outcomes count only for the generation that they were made for.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import numpy as np

from context0.errors import EmbeddingError
from context0.memory.model_guard import ModelGuard
from context0.memory.parts import EngineParts
from context0.memory.writing import to_document, to_index_row
from stores.errors import StoreError
from stores.owner.owner_cache import OwnerCache
from stores.owner.owner_index import OwnerIndex
from stores.records import IndexMark, Memory, MemoryId, PendingWork, Point, Scope

log = logging.getLogger(__name__)

BATCH: Final = 256
MAX_ATTEMPTS: Final = 12
_FIRST_WAIT: Final = timedelta(seconds=1)
_LONGEST_WAIT: Final = timedelta(minutes=10)


class Indexer:
    """Finds due work and does it, a batch at a time, until it is stopped. `wake` says that there is some."""

    def __init__(self, parts: EngineParts, guard: ModelGuard, indexes: OwnerCache[OwnerIndex]) -> None:
        self._documents = parts.documents
        self._vectors = parts.vectors
        self._graph = parts.graph
        self._embedder = parts.embedder
        self._clock = parts.clock
        self._guard = guard
        self._indexes = indexes
        self._woken = asyncio.Event()
        self._working = asyncio.Lock()

    @property
    def immediate(self) -> bool:
        """True when a document that carries its vector needs no further work."""
        return self._vectors.derived and "graph" in self._documents.covers

    def wake(self) -> None:
        self._woken.set()

    async def run(self, interval_s: float) -> None:
        """Work until cancelled. A failure of a store is logged, and the work stays due."""
        while True:
            try:
                await self.work_off()
            except (StoreError, TimeoutError) as exc:
                log.warning("index.unavailable", extra={"error": type(exc).__name__})
            self._woken.clear()
            try:
                async with asyncio.timeout(interval_s):
                    await self._woken.wait()
            except TimeoutError:
                continue

    async def work_off(self) -> int:
        """Do all the work that is due, and return how many pieces were taken up."""
        taken = 0
        async with self._working:
            await self._expire()
            while work := await self._documents.pending(limit=BATCH, now=self._clock.now()):
                taken += len(work)
                by_scope: defaultdict[Scope, list[PendingWork]] = defaultdict(list)
                for item in work:
                    by_scope[item.scope].append(item)
                vectors = await self._vectors_for([item for item in work if not item.deleted])
                for scope, items in by_scope.items():
                    await self._attempt(scope, items, vectors)
        return taken

    async def _vectors_for(self, work: Sequence[PendingWork]) -> dict[MemoryId, bytes]:
        """Return the vectors that the work needs, those missing by one call for all; none of them if that fails."""
        ready = {item.id: item.embedding for item in work if item.embedding is not None}
        missing = [item for item in work if item.embedding is None]
        if missing:
            try:
                rows = await self._embedder.embed([item.content for item in missing])
                await self._guard.check(rows.shape[1])
            except EmbeddingError as exc:
                log.warning("index.embedding_failed", extra={"error": exc.code, "count": len(missing)})
                return ready
            ready.update((item.id, row.tobytes()) for item, row in zip(missing, rows, strict=True))
        return ready

    async def _attempt(self, scope: Scope, items: Sequence[PendingWork], vectors: dict[MemoryId, bytes]) -> None:
        try:
            await self._bury(scope, [item.id for item in items if item.deleted])
            await self._index(scope, [item for item in items if not item.deleted and item.id in vectors], vectors)
            late = [item for item in items if not item.deleted and item.id not in vectors]
        except StoreError as exc:
            log.warning("index.failed", extra={"error": exc.code, "count": len(items)})
            late = list(items)
        if late:
            await self._documents.mark([self._later(item) for item in late], scope=scope)

    async def _index(self, scope: Scope, items: Sequence[PendingWork], vectors: dict[MemoryId, bytes]) -> None:
        if not items:
            return
        now = self._clock.now()
        memories = await self._documents.get_many([item.id for item in items], scope=scope, now=now)
        documents = [
            to_document(memory, "", vectors[memory.id], self._embedder.model)
            for memory, item in _paired(memories, items)
        ]
        points = [
            Point(id=document.memory.id, vector=np.frombuffer(document.embedding or b"", "<f4"))
            for document in documents
        ]
        if not self._vectors.derived and points:
            await self._vectors.put_many(points, scope=scope)
        if "graph" not in self._documents.covers:
            await self._graph.put_many(documents, scope=scope)
        marks = [
            IndexMark(
                id=item.id,
                generation=item.generation,
                state="done",
                embedding=vectors[item.id],
                embedding_model=self._embedder.model,
            )
            for item in items
        ]
        if await self._documents.mark(marks, scope=scope) < len(marks):
            await self._undo_for_gone(scope, [item.id for item in items])
        self._indexes.apply(scope, [to_index_row(document) for document in documents])

    async def _undo_for_gone(self, scope: Scope, ids: Sequence[MemoryId]) -> None:
        """Take back what was indexed for memories that were deleted meanwhile."""
        left = await self._documents.get_many(ids, scope=scope, now=self._clock.now())
        gone = set(ids) - {memory.id for memory in left}
        self._indexes.discard(scope, gone)
        if gone and not self._vectors.derived:
            await self._vectors.delete_many(gone, scope=scope)

    async def _bury(self, scope: Scope, ids: Sequence[MemoryId]) -> None:
        if not ids:
            return
        if not self._vectors.derived:
            await self._vectors.delete_many(ids, scope=scope)
        if "graph" not in self._documents.covers:
            await self._graph.delete_many(ids, scope=scope)
        await self._documents.purge(ids, scope=scope)

    async def _expire(self) -> None:
        now = self._clock.now()
        while over := await self._documents.expired(limit=BATCH, now=now):
            for scope, memory_id in over:
                await self._documents.delete(memory_id, scope=scope, now=now)
                self._indexes.discard(scope, [memory_id])

    def _later(self, item: PendingWork) -> IndexMark:
        attempts = item.attempts + 1
        wait = min(_FIRST_WAIT * 2 ** min(item.attempts, 20), _LONGEST_WAIT)
        return IndexMark(
            id=item.id,
            generation=item.generation,
            state="pending" if item.deleted or attempts < MAX_ATTEMPTS else "failed",
            attempts=attempts,
            next_attempt_at=self._clock.now() + wait,
        )


def _paired(memories: Sequence[Memory], items: Sequence[PendingWork]) -> list[tuple[Memory, PendingWork]]:
    """Pair what is stored with the work that was meant for exactly that generation."""
    work = {item.id: item for item in items}
    return [(memory, work[memory.id]) for memory in memories if memory.index.generation == work[memory.id].generation]
