"""A vector store that connects when it is first asked, and again after a failure: so its outage fails one arm only."""

from collections.abc import Collection, Sequence

from context0.memory.background import Opening
from stores.protocols import VectorStore
from stores.records import FloatVector, Hit, MemoryId, Point, Scope


class LazyVectors:
    """See `stores.protocols.VectorStore`; concurrent first uses open once."""

    def __init__(self, vectors: VectorStore) -> None:
        self._vectors = vectors
        self._opening = Opening(vectors.open)

    @property
    def name(self) -> str:
        return self._vectors.name

    @property
    def derived(self) -> bool:
        return self._vectors.derived

    async def open(self) -> None:
        await self._opening.ready()

    async def aclose(self) -> None:
        await self._opening.aclose()
        await self._vectors.aclose()

    async def put_many(self, points: Sequence[Point], *, scope: Scope) -> None:
        await self.open()
        await self._vectors.put_many(points, scope=scope)

    async def delete_many(self, ids: Collection[MemoryId], *, scope: Scope) -> None:
        await self.open()
        await self._vectors.delete_many(ids, scope=scope)

    async def query(
        self, vector: FloatVector, *, scope: Scope, limit: int, among: Collection[MemoryId] | None = None
    ) -> list[Hit]:
        await self.open()
        return await self._vectors.query(vector, scope=scope, limit=limit, among=among)

    async def erase(self, scope: Scope) -> int:
        await self.open()
        return await self._vectors.erase(scope)

    async def count(self, scope: Scope) -> int:
        await self.open()
        return await self._vectors.count(scope)
