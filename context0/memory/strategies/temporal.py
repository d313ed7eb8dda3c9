"""Memories of the time that the question speaks of: "last May", "in 2022", "yesterday"."""

from typing import Final

import numpy as np

from context0.memory.query import Query
from context0.memory.strategies.protocol import Scores, SearchStores
from stores.owner.owner_index import Snapshot
from stores.records import Hit, TimeWindow

_DAY_MS: Final = 86_400_000
_BEFORE_MS: Final = 3 * _DAY_MS
_AFTER_MS: Final = 10 * _DAY_MS


class TemporalStrategy:
    """See `Strategy`. 1 inside the range; half of it from 3 days before to 10 days after: people tell things late."""

    waits = False

    def __init__(self, stores: SearchStores) -> None:
        self._documents = stores.documents

    def applies(self, query: Query) -> bool:
        return query.analysis.range is not None

    async def prepare(self, query: Query) -> None:
        """Nothing to wait for."""

    def score(self, query: Query, prepared: None, snapshot: Snapshot) -> Scores:  # noqa: ARG002
        wanted = query.analysis.range
        assert wanted is not None  # noqa: S101 - `applies` has seen to it
        start, end = round(wanted.start.timestamp() * 1000), round(wanted.end.timestamp() * 1000)
        event = snapshot.event_ms
        inside = (event >= start) & (event < end)
        near = (event >= start - _BEFORE_MS) & (event < end + _AFTER_MS)
        scores = np.full(len(snapshot), np.nan, np.float32)
        scores[near] = 0.5
        scores[inside] = 1.0
        return scores

    async def search(self, query: Query, prepared: None, limit: int) -> list[Hit]:  # noqa: ARG002
        wanted = query.analysis.range
        assert wanted is not None  # noqa: S101
        return await self._documents.temporal(
            TimeWindow(since=wanted.start, until=wanted.end),
            scope=query.request.scope,
            limit=limit,
            among=query.among,
            now=query.now,
        )
