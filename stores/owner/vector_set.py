"""One owner's vectors: exact search by one matrix product, and a graph (HNSW) beside it when they are many."""

import threading
from collections.abc import Collection, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from stores.errors import DimensionMismatch, InvalidVector
from stores.owner.columns import Column
from stores.records import FloatVector, Hit, MemoryId

ID_BYTES: Final = 150
"""What one id costs beside its row: the text and its place in the dictionary."""
_CONNECTIVITY: Final = 16
_EXPANSION_ADD: Final = 128
_EXPANSION_SEARCH: Final = 256


class VectorSet:
    """Ids and unit vectors in rows; a replaced or removed id leaves a dead row behind.

    hnsw_from: rows from which `build_graph` is worth calling. With a graph, `top` without a restriction asks it and
    scans only the rows added since it was built; a restricted search is always exact.
    """

    def __init__(self, *, hnsw_from: int = 50_000) -> None:
        self.ids: list[MemoryId] = []
        self.row_of: dict[MemoryId, int] = {}
        self._alive = Column(np.bool_)
        self._matrix: Column | None = None
        self._hnsw_from = hnsw_from
        self._graph: Any = None  # usearch.index.Index, imported on first use
        self._graph_rows = 0
        self._without_vector: set[MemoryId] = set()
        self._building = threading.Lock()

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
        graph = 0 if self._graph is None else self._graph.memory_usage
        matrix = 0 if self._matrix is None else self._matrix.nbytes
        return matrix + self._alive.nbytes + graph + ID_BYTES * len(self.ids)

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
        if self._graph is not None and among is None:
            self.check(vector)
            rows = self._graph_candidates(vector, limit)
            return self._best(self.matrix[rows] @ vector, rows, limit)
        if among is not None:
            rows = np.fromiter((self.row_of[i] for i in among if i in self.row_of), np.int64)
            self.check(vector)
            return self._best(self.matrix[rows] @ vector if self._matrix is not None else rows * 0.0, rows, limit)
        rows = np.flatnonzero(self.alive)
        return self._best(self.scores(vector)[rows], rows, limit)

    def check(self, vector: FloatVector) -> None:
        """Raise InvalidVector or DimensionMismatch."""
        if vector.ndim != 1 or not np.isfinite(vector).all() or not vector.any():
            raise InvalidVector("a vector is one row of finite numbers that are not all zero")
        if self._matrix is not None and len(vector) != self.dimension:
            raise DimensionMismatch(self.dimension or 0, len(vector))

    def wants_graph(self) -> bool:
        return len(self.ids) >= self._hnsw_from and len(self.ids) > self._graph_rows * 5 // 4

    def build_graph(self) -> None:
        """Build the graph over all rows of now, beside the one that serves; for a thread of its own. One at a time."""
        from usearch.index import Index

        with self._building:
            matrix = self.matrix
            graph = Index(
                ndim=matrix.shape[1],
                metric="ip",
                dtype="f32",
                connectivity=_CONNECTIVITY,
                expansion_add=_EXPANSION_ADD,
                expansion_search=_EXPANSION_SEARCH,
            )
            graph.add(np.arange(len(matrix)), matrix, threads=1)
            self._graph, self._graph_rows = graph, len(matrix)

    def _graph_candidates(self, vector: FloatVector, limit: int) -> npt.NDArray[np.int64]:
        wanted = min(self._graph_rows, 2 * limit + 16 + self.dead)
        found = self._graph.search(vector, wanted).keys.astype(np.int64)
        rows = np.concatenate([found, np.arange(self._graph_rows, len(self.ids))])
        living: npt.NDArray[np.int64] = rows[self.alive[rows]]
        return living

    def _best(self, scores: npt.NDArray[np.float32], rows: npt.NDArray[np.int64], limit: int) -> list[Hit]:
        if len(rows) > limit:
            threshold = np.partition(scores, -limit)[-limit]
            keep = scores >= threshold  # ties at the edge are settled by id below
            scores, rows = scores[keep], rows[keep]
        hits = [Hit(self.ids[row], float(score)) for row, score in zip(rows.tolist(), scores, strict=True)]
        return sorted(hits, key=lambda hit: (-hit.score, hit.id))[:limit]

    def _stacked(self, vectors: Sequence[bytes | None]) -> npt.NDArray[np.float32]:
        assert self._matrix is not None  # noqa: S101 - the caller has just made it
        width = self._matrix.view.shape[1]
        for vector in vectors:
            if vector is not None and len(vector) != width * 4:
                raise DimensionMismatch(width, len(vector) // 4)
        blank = bytes(width * 4)
        joined = b"".join(blank if vector is None else vector for vector in vectors)
        return np.frombuffer(joined, "<f4").reshape(len(vectors), width)
