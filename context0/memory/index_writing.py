"""What is written for index work: vectors made, put where they are searched, and taken away with their memories."""

import asyncio
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final, Protocol, runtime_checkable

import numpy as np

from context0.errors import EmbeddingError, EmbeddingInvalid
from context0.memory.due_work import BATCH
from context0.memory.facts import FactKeeper
from context0.memory.model_guard import ModelGuard
from context0.memory.parts import EngineParts
from context0.memory.writing import to_document, to_index_row
from stores.owner.owner_cache import OwnerCache
from stores.owner.owner_index import OwnerIndex
from stores.records import Document, IndexMark, IndexRow, Memory, MemoryId, PendingWork, Point, Scope

log = logging.getLogger(__name__)

_AT_ONCE: Final = 250
"""So many rows an index takes over in some milliseconds."""
Vectors = Mapping[MemoryId, bytes | EmbeddingError]
"""What is to be written, or why there is nothing: EmbeddingInvalid for a text that the embedder refuses."""


@runtime_checkable
class Follower(Protocol):
    """An index in memory, made from the documents: told what was written here, it is not behind."""

    def follows(self, scope: Scope) -> bool: ...

    async def take(self, scope: Scope, parts: Iterable[Sequence[IndexRow]]) -> None: ...

    async def catch_up(self, scope: Scope, since: datetime) -> None: ...


class IndexWriter:
    """Writes the indexes outside the documents, and marks in these what is done. Doing it twice does no harm."""

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
        candidates = (indexes, parts.vectors)
        self._followers = [one for one in candidates if isinstance(one, Follower)]  # asked once: it takes 10 us
        self.lock = asyncio.Lock()
        """Held while indexes are written: whoever erases an owner takes it, so that no vector is put behind him."""

    @property
    def immediate(self) -> bool:
        """True when a document that carries its vector needs no further work."""
        return self._vectors.derived and "graph" in self._documents.covers

    async def follow(self, scope: Scope, documents: Sequence[Document]) -> None:
        """Let the indexes in memory that hold the owner know what this process has just written."""
        for follower in self._followers:
            if follower.follows(scope):
                await follower.take(scope, _in_parts(documents))

    async def catch_up(self, scope: Scope, since: datetime) -> None:
        """Let the indexes in memory take over what the documents hold now."""
        await asyncio.gather(*(one.catch_up(scope, since) for one in self._followers))

    async def vectors_for(self, work: Sequence[PendingWork]) -> Vectors:
        """Return the vectors that the work needs, those missing by one call for all."""
        missing = [item for item in work if item.embedding is None]
        made = await self._embed(missing) if missing else {}
        return {**made, **{item.id: item.embedding for item in work if item.embedding is not None}}

    async def _embed(self, items: Sequence[PendingWork]) -> Vectors:
        """Embed by one call; one that is refused is halved until the text at fault is alone, and spoils no other."""
        try:
            rows = await self._embedder.embed([item.content for item in items])
            await self._guard.check(rows.shape[1])
        except EmbeddingError as exc:
            if isinstance(exc, EmbeddingInvalid) and len(items) > 1:
                middle = len(items) // 2
                return {**await self._embed(items[:middle]), **await self._embed(items[middle:])}
            log.warning("index.embedding_failed", extra={"error": exc.code, "count": len(items)})
            return dict.fromkeys((item.id for item in items), exc)
        return {item.id: row.tobytes() for item, row in zip(items, rows, strict=True)}

    async def index(self, scope: Scope, items: Sequence[PendingWork], vectors: Mapping[MemoryId, bytes]) -> None:
        """Index what has not changed since it was taken, and mark it done. Raises StoreError: then it is not."""
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
        await self.follow(scope, documents)
        if taken < len(marks):
            await self._undo_for_gone(scope, [item.id for item in items])

    async def _undo_for_gone(self, scope: Scope, ids: Sequence[MemoryId]) -> None:
        """Take back what was indexed for memories that were deleted meanwhile."""
        left = await self._documents.get_many(ids, scope=scope, now=self._clock.now())
        gone = set(ids) - {memory.id for memory in left}
        self._indexes.discard(scope, gone)
        if gone and not self._vectors.derived:
            await self._vectors.delete_many(gone, scope=scope)

    async def bury(self, scope: Scope, ids: Sequence[MemoryId]) -> None:
        """Take deleted memories out of the indexes, then remove what stayed of them."""
        if ids:
            await self.take_out(scope, ids)
            await self._documents.purge(ids, scope=scope)

    async def take_out(self, scope: Scope, ids: Sequence[MemoryId]) -> None:
        """Take memories out of the indexes that do not follow the documents by themselves."""
        if not self._vectors.derived:
            await self._vectors.delete_many(ids, scope=scope)
        if "graph" not in self._documents.covers:
            await self._graph.delete_many(ids, scope=scope)

    async def expire(self) -> None:
        """Delete the memories whose time is over."""
        now = self._clock.now()
        while over := await self._documents.expired(limit=BATCH, now=now):
            for scope, memory_id in over:
                async with self._facts.removing(scope, memory_id) as changed:
                    await self._documents.delete(memory_id, scope=scope, now=now, settled=changed)
                self._indexes.discard(scope, [memory_id])


def _in_parts(documents: Sequence[Document]) -> Iterator[list[IndexRow]]:
    for start in range(0, len(documents), _AT_ONCE):
        yield [to_index_row(document) for document in documents[start : start + _AT_ONCE]]


def _paired(memories: Sequence[Memory], items: Sequence[PendingWork]) -> list[tuple[Memory, PendingWork]]:
    """Pair what is stored with the work that was meant for exactly that generation."""
    work = {item.id: item for item in items}
    return [(memory, work[memory.id]) for memory in memories if memory.index.generation == work[memory.id].generation]
