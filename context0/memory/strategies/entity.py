"""Memories that mention the people, places and things that the question names."""

import numpy as np

from context0.memory.query import Query
from context0.memory.strategies.protocol import Scores, SearchStores
from stores.owner.owner_index import Snapshot
from stores.records import Hit


class EntityStrategy:
    """See `Strategy`. A memory that mentions a named entity scores 1 / log2(2 + how many do), summed over the entities.

    One hop: a second one would cost another round trip, and what it would find has not been measured yet.
    """

    waits = False

    def __init__(self, stores: SearchStores) -> None:
        self._graph = stores.graph

    def applies(self, query: Query) -> bool:
        return bool(query.entities)

    async def prepare(self, query: Query) -> None:
        """Nothing to wait for."""

    def score(self, query: Query, prepared: None, snapshot: Snapshot) -> Scores:  # noqa: ARG002
        scores = np.zeros(len(snapshot), np.float32)
        for rows, _ in snapshot.entities.matches(query.entity_terms):
            scores[rows] += np.float32(1 / np.log2(2 + len(rows)))
        scores[scores == 0] = np.nan
        return scores

    async def search(self, query: Query, prepared: None, limit: int) -> list[Hit]:  # noqa: ARG002
        return await self._graph.search(
            query.entities, scope=query.request.scope, hops=1, limit=limit, among=query.among
        )
