"""The default vector store: nothing to run and nothing to write, it follows the embeddings kept in the documents."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final

from stores.errors import DimensionMismatch
from stores.owner.owner_cache import OwnerCache
from stores.owner.vector_set import VectorSet
from stores.protocols import DocumentStore
from stores.records import FloatVector, Hit, IndexRow, MemoryId, Point, Scope, Validity

_INLINE_BYTES: Final = 16 << 20
"""Up to this size of a matrix a search takes less than about a millisecond, and stays on the event loop."""


class FollowingVectors(VectorSet):
    """A VectorSet that takes over index rows."""

    def __init__(self, *, hnsw_from: int) -> None:
        super().__init__(hnsw_from=hnsw_from)
        self.changed_ms = 0
        self._versions: dict[str, int] = {}

    @property
    def worn(self) -> bool:
        return self.dead > max(256, len(self) // 2)

    def apply(self, rows: Sequence[IndexRow]) -> None:
        """Take over `rows`; those without an embedding, and versions already known, have no effect."""
        for row in rows:
            self.changed_ms = max(self.changed_ms, row.updated_ms)
        self.discard([MemoryId(row.id) for row in rows if not row.live])
        fresh = {
            row.id: row
            for row in rows
            if row.live and row.embedding is not None and self._versions.get(row.id, 0) < row.version
        }
        if fresh:
            self.add_rows([MemoryId(i) for i in fresh], [row.embedding for row in fresh.values()])
            self._versions.update((row.id, row.version) for row in fresh.values())

    def settle(self, validity: Mapping[MemoryId, Validity]) -> None:
        """A vector stays what it is, whether or not its memory holds."""

    def discard(self, ids: Collection[MemoryId]) -> None:
        self.remove(ids)
        for memory_id in ids:
            self._versions.pop(memory_id, None)


class LocalVectors:
    """See `stores.protocols.VectorStore`: exact search, and HNSW for owners with `hnsw_from` vectors or more.

    Writing is a hint that keeps a loaded owner fresh; an owner that is not loaded reads its documents when asked.
    While a graph is being built, in a thread, the exact search goes on serving.
    """

    name = "local"
    derived = True

    def __init__(
        self,
        documents: DocumentStore,
        *,
        max_bytes: int = 1 << 30,
        hnsw_from: int = 50_000,
        staleness_s: float = 1.0,
    ) -> None:
        self._owners = OwnerCache(
            documents,
            lambda: FollowingVectors(hnsw_from=hnsw_from),
            max_bytes=max_bytes,
            staleness_s=staleness_s,
        )
        self._building: dict[Scope, asyncio.Task[None]] = {}

    @property
    def nbytes(self) -> int:
        return self._owners.nbytes

    async def open(self) -> None:
        """Nothing to connect to."""

    async def aclose(self) -> None:
        await asyncio.gather(*self._building.values(), return_exceptions=True)
        await self._owners.aclose()

    async def put_many(self, points: Sequence[Point], *, scope: Scope) -> None:
        """Check the points against the owner's vectors; the next query reads them from the documents."""
        vectors = await self._owners.get(scope)
        for point in points:
            vectors.check(point.vector)
            if len({len(point.vector) for point in points}) > 1:
                raise DimensionMismatch(len(points[0].vector), len(point.vector))

    async def delete_many(self, ids: Collection[MemoryId], *, scope: Scope) -> None:
        self._owners.discard(scope, ids)

    async def query(
        self, vector: FloatVector, *, scope: Scope, limit: int, among: Collection[MemoryId] | None = None
    ) -> list[Hit]:
        vectors = await self._owners.get(scope)
        if vectors.wants_graph() and scope not in self._building:
            self._building[scope] = asyncio.create_task(self._build(scope, vectors), name="context0-hnsw")
        if vectors.matrix.nbytes <= _INLINE_BYTES:
            return vectors.top(vector, limit, among)
        return await asyncio.to_thread(vectors.top, vector, limit, among)

    async def erase(self, scope: Scope) -> int:
        count = await self.count(scope)
        self._owners.drop(scope)
        return count

    async def count(self, scope: Scope) -> int:
        return len(await self._owners.get(scope))

    def follows(self, scope: Scope) -> bool:
        """Say whether the owner is loaded or being loaded."""
        return self._owners.follows(scope)

    async def catch_up(self, scope: Scope, since: datetime) -> None:
        """Take over what the documents hold now, with all that was changed at or after `since`."""
        await self._owners.catch_up(scope, since)

    def apply(self, scope: Scope, rows: Sequence[IndexRow]) -> None:
        """Take over rows that this process has just written, where the owner is loaded."""
        self._owners.apply(scope, rows)

    async def _build(self, scope: Scope, vectors: FollowingVectors) -> None:
        try:
            await asyncio.to_thread(vectors.build_graph)
        finally:
            del self._building[scope]
