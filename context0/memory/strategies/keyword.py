"""Memories that share words with the question: BM25 over analysed words."""

import numpy as np

from context0.memory.query import Query
from context0.memory.strategies.protocol import Scores, SearchStores
from stores.owner.owner_index import Snapshot
from stores.records import Hit


class KeywordStrategy:
    """See `Strategy`."""

    waits = False

    def __init__(self, stores: SearchStores) -> None:
        self._documents = stores.documents

    def applies(self, query: Query) -> bool:
        return bool(query.words)

    async def prepare(self, query: Query) -> None:
        """Nothing to wait for."""

    def score(self, query: Query, prepared: None, snapshot: Snapshot) -> Scores:  # noqa: ARG002
        scores = snapshot.terms.bm25(query.terms)
        scores[scores == 0] = np.nan
        return scores

    async def search(self, query: Query, prepared: None, limit: int) -> list[Hit]:  # noqa: ARG002
        return await self._documents.keyword(
            query.words,
            query.request.text,
            scope=query.request.scope,
            limit=limit,
            among=query.among,
            now=query.now,
        )
