"""One owner's vectors in memory: exact search by one matrix product."""

from collections.abc import Callable, Collection, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from stores.errors import DimensionMismatch, InvalidVector
from stores.owner.columns import Column
from stores.records import FloatVector, Hit, MemoryId

ID_BYTES: Final = 150
"""What one id costs beside its row: the text and its place in the dictionary."""


class VectorSet:
    """Ids and unit vectors in rows; a replaced or removed id leaves a dead row behind."""

    def __init__(self) -> None:
        self.ids: list[MemoryId] = []
        self.row_of: dict[MemoryId, int] = {}
        self._alive = Column(np.bool_)
        self._matrix: Column | None = None
        self._without_vector: set[MemoryId] = set()

    def __len__(self) -> int:
        return len(self.row_of)

    @property
    def dimension(self) -> int | None:
        return None if self._matrix is None else self._matrix.view.shape[1]

    @property
    def complete(self) -> bool:
        """True when every living row has a vector."""
        return not self._without_vector

    @property
    def alive(self) -> npt.NDArray[np.bool_]:
        return self._alive.view

    @property
    def matrix(self) -> npt.NDArray[np.float32]:
        """Shape (rows, dimension); a row without a vector is zero."""
        return np.zeros((len(self.ids), 0), np.float32) if self._matrix is None else self._matrix.view

    @property
    def nbytes(self) -> int:
        matrix = 0 if self._matrix is None else self._matrix.nbytes
        return matrix + self._alive.nbytes + ID_BYTES * len(self.ids)

    @property
    def dead(self) -> int:
        return len(self.ids) - len(self.row_of)

    def add_rows(self, ids: Sequence[MemoryId], vectors: Sequence[bytes | None]) -> None:
        """Append one row an id; an id that is there already is replaced. Vectors: float32 bytes, or None for later."""
        known = next((vector for vector in vectors if vector is not None), None)
        if self._matrix is None and known is not None:
            self._matrix = Column(np.float32, len(known) // 4)
            self._matrix.append_many(np.zeros((len(self.ids), len(known) // 4), np.float32))
        if self._matrix is not None:
            self._matrix.append_many(self._stacked(vectors))
        first = len(self.ids)
        self._without_vector.difference_update(ids)
        self._without_vector.update(i for i, vector in zip(ids, vectors, strict=True) if vector is None)
        self.ids.extend(ids)
        self._alive.append_many(np.ones(len(ids), np.bool_))
        for row, memory_id in enumerate(ids, first):
            former = self.row_of.get(memory_id)
            if former is not None:
                self._alive.view[former] = False
            self.row_of[memory_id] = row

    def remove(self, ids: Collection[MemoryId]) -> list[int]:
        """Forget `ids`; return the rows that are dead now."""
        rows = [row for memory_id in ids if (row := self.row_of.pop(memory_id, None)) is not None]
        self._alive.view[rows] = False
        self._without_vector.difference_update(ids)
        return rows

    def scores(self, vector: FloatVector) -> npt.NDArray[np.float32]:
        """Return the cosine similarity of every row, dead ones included: float32, shape (rows,)."""
        self.check(vector)
        if self._matrix is None:
            return np.zeros(len(self.ids), np.float32)
        scores: npt.NDArray[np.float32] = self._matrix.view @ vector
        return scores

    def top(self, vector: FloatVector, limit: int, among: Collection[MemoryId] | None = None) -> list[Hit]:
        """Return the nearest rows, best first, equal scores by ascending id."""
        if among is not None:
            rows = np.fromiter((self.row_of[i] for i in among if i in self.row_of), np.int64)
            self.check(vector)
            scores = self.matrix[rows] @ vector if self._matrix is not None else np.zeros(len(rows), np.float32)
            return best_hits(scores, rows, limit, self._ids)
        rows = np.flatnonzero(self.alive)
        return best_hits(self.scores(vector)[rows], rows, limit, self._ids)

    def check(self, vector: FloatVector) -> None:
        """Raise InvalidVector or DimensionMismatch."""
        if vector.ndim != 1 or not np.isfinite(vector).all() or not vector.any():
            raise InvalidVector("a vector is one row of finite numbers that are not all zero")
        if self._matrix is not None and len(vector) != self.dimension:
            raise DimensionMismatch(self.dimension or 0, len(vector))

    def _ids(self, rows: npt.NDArray[np.int64]) -> list[MemoryId]:
        return [self.ids[row] for row in rows.tolist()]

    def _stacked(self, vectors: Sequence[bytes | None]) -> npt.NDArray[np.float32]:
        assert self._matrix is not None  # noqa: S101 - the caller has just made it
        width = self._matrix.view.shape[1]
        for vector in vectors:
            if vector is not None and len(vector) != width * 4:
                raise DimensionMismatch(width, len(vector) // 4)
        blank = bytes(width * 4)
        joined = b"".join(blank if vector is None else vector for vector in vectors)
        return np.frombuffer(joined, "<f4").reshape(len(vectors), width)


def best_hits(
    scores: npt.NDArray[np.float32],
    rows: npt.NDArray[np.int64],
    limit: int,
    ids_of: Callable[[npt.NDArray[np.int64]], list[MemoryId]],
) -> list[Hit]:
    """Return the rows with the best scores, best first, equal scores by ascending id."""
    if len(rows) > limit:
        threshold = np.partition(scores, -limit)[-limit]
        keep = scores >= threshold  # ties at the edge are settled by id below
        scores, rows = scores[keep], rows[keep]
    hits = map(Hit, ids_of(rows), scores.tolist())
    return sorted(hits, key=lambda hit: (-hit.score, hit.id))[:limit]
