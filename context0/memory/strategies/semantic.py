"""Memories that mean what the question means: cosine similarity of embeddings."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from context0.memory.query import Query
from context0.memory.strategies.protocol import Scores, SearchStores
from stores.owner.owner_index import Snapshot
from stores.records import FloatMatrix, FloatVector, Hit

_REMOTE_HITS: Final = 200
_CONTRAST: Final = 0.5
_CONTRAST_FROM: Final = 100
"""Half of what a question shares with all memories of its owner counts; with so few memories, three quarters of it."""
_CENTRE_ROWS: Final = 1_024
"""Of so many rows, evenly spread, the mean vector is taken: 0.1 ms, once a snapshot."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """The question as a vector, and what a remote vector store answered."""

    vector: FloatVector
    hits: list[Hit] | None = None


class SemanticStrategy:
    """See `Strategy`. The question is embedded without the names of the people in it: they drown short vectors.

    Beside other arms it is compared by what sets it apart: who talks of one subject only has memories that are all
    alike, and like every question. An arm that was chosen by name keeps the plain cosine.
    """

    waits = True

    def __init__(self, stores: SearchStores) -> None:
        self._embedder = stores.embedder
        self._vectors = stores.vectors

    def applies(self, query: Query) -> bool:
        return bool(query.analysis.content_text)

    async def prepare(self, query: Query) -> Prepared:
        vector = (await self._embedder.embed([query.analysis.content_text]))[0]
        if self._vectors.derived:
            return Prepared(vector)
        return Prepared(vector, await self._query(query, vector, _REMOTE_HITS))

    def score(self, query: Query, prepared: Prepared, snapshot: Snapshot) -> Scores:
        if prepared.hits is None:
            is_alone = query.request.arms_only
            return snapshot.similarity(prepared.vector if is_alone else _contrasted(prepared.vector, snapshot))
        scores = np.full(len(snapshot), np.nan, np.float32)
        for memory_id, score in prepared.hits:
            row = snapshot.row_of.get(memory_id)
            if row is not None and row < len(scores):
                scores[row] = score
        return scores

    async def search(self, query: Query, prepared: Prepared, limit: int) -> list[Hit]:
        return await self._query(query, prepared.vector, limit) if prepared.hits is None else prepared.hits

    async def _query(self, query: Query, vector: FloatVector, limit: int) -> list[Hit]:
        return await self._vectors.query(vector, scope=query.request.scope, limit=limit, among=query.among)


def _contrasted(vector: FloatVector, snapshot: Snapshot) -> FloatVector:
    """Return the question without a part of what it has in common with the mean memory."""
    if not len(snapshot) or len(vector) != snapshot.matrix.shape[1]:
        return vector
    centre = snapshot.once("centre", lambda: _centre(snapshot.matrix))
    share = _CONTRAST * len(snapshot) / (len(snapshot) + _CONTRAST_FROM)
    contrasted: FloatVector = vector - np.float32(share * float(vector @ centre)) * centre
    return contrasted


def _centre(matrix: FloatMatrix) -> FloatVector:
    """Return the direction of the mean row: float32, shape (dimension,); zero where it has none."""
    mean: FloatVector = matrix[:: max(1, len(matrix) // _CENTRE_ROWS)].mean(axis=0, dtype=np.float32)
    length = float(np.sqrt(mean @ mean))
    return mean / np.float32(length) if length > 0 else mean
