"""Memories that mean what the question means: cosine similarity of embeddings."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from context0.memory.query import Query
from context0.memory.strategies.protocol import Scores, SearchStores
from stores.owner.owner_index import Snapshot
from stores.records import FloatVector, Hit

_REMOTE_HITS: Final = 200


@dataclass(frozen=True, slots=True)
class Prepared:
    """The question as a vector, and what a remote vector store answered."""

    vector: FloatVector
    hits: list[Hit] | None = None


class SemanticStrategy:
    """See `Strategy`. The question is embedded without the names of the people in it: they drown short vectors."""

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

    def score(self, query: Query, prepared: Prepared, snapshot: Snapshot) -> Scores:  # noqa: ARG002
        if prepared.hits is None:
            return snapshot.similarity(prepared.vector)
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
