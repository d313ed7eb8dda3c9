"""The work behind the write: embed what is pending, fill the other indexes, clean up after deletions and expiry.

Everything that is still to do stands in the documents themselves, so nothing is lost when the process ends, and doing
it twice does no harm: outcomes count only for the generation that they were made for.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final, Protocol, runtime_checkable

import numpy as np

from context0.errors import EmbeddingError, EmbeddingInvalid
from context0.memory.facts import FactKeeper
from context0.memory.measuring import Backlog
from context0.memory.model_guard import ModelGuard
from context0.memory.parts import EngineParts
from context0.memory.writing import to_document, to_index_row
from stores.errors import StoreError
from stores.owner.owner_cache import OwnerCache
from stores.owner.owner_index import OwnerIndex
from stores.records import Document, IndexMark, IndexRow, Memory, MemoryId, PendingWork, Point, Scope

log = logging.getLogger(__name__)

Vectors = Mapping[MemoryId, bytes | None]
"""What is to be written; None stands for a text that the embedder refuses."""

BATCH: Final = 256
MAX_ATTEMPTS: Final = 12
_FIRST_WAIT: Final = timedelta(seconds=1)
_LONGEST_WAIT: Final = timedelta(minutes=10)


@runtime_checkable
class Follower(Protocol):
    """An index in memory, made from the documents: told what was written here, it is not behind."""

    def follows(self, scope: Scope) -> bool: ...

    def apply(self, scope: Scope, rows: Sequence[IndexRow]) -> None: ...


class Indexer:
    """Finds due work and does it, a batch at a time, until it is stopped. `wake` says that there is some."""

    def __init__(
        self, parts: EngineParts, guard: ModelGuard, indexes: OwnerCache[OwnerIndex], facts: FactKeeper
    ) -> None:
        self._facts = facts
        self._documents = parts.documents
        self._vectors = parts.vectors
        self._graph = parts.graph
        self._embedder = parts.embedder
        self._clock = parts.clock
        self._guard = guard
        self._indexes = indexes
        self._backlog = Backlog(parts.recorder)
        self._woken = asyncio.Event()
        self._working = asyncio.Lock()
        self.writing = asyncio.Lock()
        """Held while indexes are written: whoever erases an owner takes it, so that no vector is put behind him."""

    @property
    def immediate(self) -> bool:
        """True when a document that carries its vector needs no further work."""
        return self._vectors.derived and "graph" in self._documents.covers

    def wake(self) -> None:
        self._woken.set()

    def follow(self, scope: Scope, documents: Sequence[Document]) -> None:
        """Let the indexes in memory that hold the owner know what this process has just written."""
        candidates = (self._indexes, self._vectors)
        followers = [one for one in candidates if isinstance(one, Follower) and one.follows(scope)]
        if followers:
            rows = [to_index_row(document) for document in documents]
            for follower in followers:
                follower.apply(scope, rows)

    async def run(self, interval_s: float) -> None:
        """Work until cancelled. A failure is logged, and the work stays due."""
        while True:
            self._woken.clear()  # before the work: who wakes us during it may have come too late for it
            try:
                await self.work_off()
            except (StoreError, TimeoutError) as exc:
                log.warning("index.unavailable", extra={"error": type(exc).__name__})
            except Exception:  # the edge of the task: without it nothing would be indexed any more
                log.exception("index.broken")
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
                self._backlog.taken([item.id for item in work])
                by_scope: defaultdict[Scope, list[PendingWork]] = defaultdict(list)
                for item in work:
                    by_scope[item.scope].append(item)
                vectors = await self._vectors_for([item for item in work if not item.deleted])
                for scope, items in by_scope.items():
                    async with self.writing:
                        await self._attempt(scope, items, vectors)
        return taken

    async def _vectors_for(self, work: Sequence[PendingWork]) -> Vectors:
        """Return the vectors that the work needs, those missing by one call for all."""
        missing = [item for item in work if item.embedding is None]
        made = await self._embed(missing) if missing else {}
        return {**made, **{item.id: item.embedding for item in work if item.embedding is not None}}

    async def _embed(self, items: Sequence[PendingWork]) -> Vectors:
        """Embed by one call; when it is refused, halve it until the text at fault is alone, so that it spoils no other.

        Nothing is returned for texts that could not be asked about, None for one that was refused.
        """
        try:
            rows = await self._embedder.embed([item.content for item in items])
            await self._guard.check(rows.shape[1])
        except EmbeddingError as exc:
            if isinstance(exc, EmbeddingInvalid) and len(items) > 1:
                middle = len(items) // 2
                return {**await self._embed(items[:middle]), **await self._embed(items[middle:])}
            log.warning("index.embedding_failed", extra={"error": exc.code, "count": len(items)})
            return {item.id: None for item in items} if isinstance(exc, EmbeddingInvalid) else {}
        return {item.id: row.tobytes() for item, row in zip(items, rows, strict=True)}

    async def _attempt(self, scope: Scope, items: Sequence[PendingWork], vectors: Vectors) -> None:
        ready = {memory_id: vector for memory_id, vector in vectors.items() if vector is not None}
        try:
            await self._bury(scope, [item.id for item in items if item.deleted])
            await self._index(scope, [item for item in items if not item.deleted and item.id in ready], ready)
            late = [item for item in items if not item.deleted and item.id not in ready]
        except StoreError as exc:
            log.warning("index.failed", extra={"error": exc.code, "count": len(items)})
            late = list(items)
        marks = [self._later(item, refused=vectors.get(item.id, b"") is None) for item in late]
        put_off = [mark.id for mark in marks if mark.state == "pending"]
        self._backlog.worked(len(items), put_off=put_off, given_up=len(marks) - len(put_off))
        if marks:
            await self._documents.mark(marks, scope=scope)

    async def _index(self, scope: Scope, items: Sequence[PendingWork], vectors: Mapping[MemoryId, bytes]) -> None:
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
        taken = await self._documents.mark(marks, scope=scope)
        self.follow(scope, documents)
        if taken < len(marks):
            await self._undo_for_gone(scope, [item.id for item in items])

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
                async with self._facts.removing(scope, memory_id) as changed:
                    await self._documents.delete(memory_id, scope=scope, now=now, settled=changed)
                self._indexes.discard(scope, [memory_id])

    def _later(self, item: PendingWork, *, refused: bool) -> IndexMark:
        """Put it off; only a text that the embedder refuses again and again is given up: an outage ends some day."""
        attempts = item.attempts + 1
        wait = min(_FIRST_WAIT * 2 ** min(item.attempts, 20), _LONGEST_WAIT)
        return IndexMark(
            id=item.id,
            generation=item.generation,
            state="failed" if refused and attempts >= MAX_ATTEMPTS else "pending",
            attempts=attempts,
            next_attempt_at=self._clock.now() + wait,
        )


def _paired(memories: Sequence[Memory], items: Sequence[PendingWork]) -> list[tuple[Memory, PendingWork]]:
    """Pair what is stored with the work that was meant for exactly that generation."""
    work = {item.id: item for item in items}
    return [(memory, work[memory.id]) for memory in memories if memory.index.generation == work[memory.id].generation]
