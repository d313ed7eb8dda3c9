"""The vector store over a dict: every query compares with every point."""

from collections.abc import Collection, Sequence

import numpy as np

from stores.errors import DimensionMismatch, InvalidVector
from stores.records import FloatVector, Hit, MemoryId, Point, Scope


class ReferenceVectors:
    """A VectorStore that holds `points[owner][id]`; the first vector settles the dimension."""

    name = "reference"
    derived = False

    def __init__(self) -> None:
        self._points: dict[str, dict[MemoryId, FloatVector]] = {}
        self._dimension: int | None = None

    async def open(self) -> None:
        """Nothing to connect to."""

    async def aclose(self) -> None:
        """Nothing to close."""

    async def put_many(self, points: Sequence[Point], *, scope: Scope) -> None:
        dimension = self._dimension
        for point in points:
            dimension = _check(point.vector, dimension)
        self._dimension = dimension
        self._points.setdefault(scope.owner, {}).update({point.id: point.vector.copy() for point in points})

    async def delete_many(self, ids: Collection[MemoryId], *, scope: Scope) -> None:
        for memory_id in ids:
            self._points.get(scope.owner, {}).pop(memory_id, None)

    async def query(
        self, vector: FloatVector, *, scope: Scope, limit: int, among: Collection[MemoryId] | None = None
    ) -> list[Hit]:
        _check(vector, self._dimension)
        hits = [
            Hit(memory_id, _cosine(point, vector))
            for memory_id, point in self._points.get(scope.owner, {}).items()
            if among is None or memory_id in among
        ]
        return sorted(hits, key=lambda hit: (-hit.score, hit.id))[:limit]

    async def erase(self, scope: Scope) -> int:
        return len(self._points.pop(scope.owner, {}))

    async def count(self, scope: Scope) -> int:
        return len(self._points.get(scope.owner, {}))


def _check(vector: FloatVector, dimension: int | None) -> int:
    """Return the vector's dimension. Raises InvalidVector, and DimensionMismatch if it is not `dimension`."""
    if not np.isfinite(vector).all() or not vector.any():
        raise InvalidVector("a vector is finite and not zero; look at what the embedder returned")
    if dimension is not None and vector.size != dimension:
        raise DimensionMismatch(dimension, vector.size)
    return vector.size


def _cosine(left: FloatVector, right: FloatVector) -> float:
    exact_left, exact_right = left.astype(np.float64), right.astype(np.float64)
    cosine = exact_left @ exact_right / (np.linalg.norm(exact_left) * np.linalg.norm(exact_right))
    return float(np.clip(cosine, -1.0, 1.0))
