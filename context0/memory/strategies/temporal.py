"""Memories of the time that the question speaks of: "last May", "in 2022", "yesterday"."""

from datetime import datetime
from typing import Final

import numpy as np
import numpy.typing as npt

from context0.clock import from_ms, to_ms
from context0.memory.query import Query
from context0.memory.rules.dates import DateRange
from context0.memory.strategies.protocol import Scores, SearchStores
from stores.owner.owner_index import Snapshot
from stores.records import Hit, TimeWindow

_DAY_MS: Final = 86_400_000
_BEFORE_MS: Final = 3 * _DAY_MS
_AFTER_MS: Final = 10 * _DAY_MS
_NEAR: Final = 0.5
_MOST_YEARS: Final = 50


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
        event = snapshot.event_ms
        scores = np.full(len(snapshot), np.nan, np.float32)
        for start, end in _windows(wanted, event):
            scores[(event >= start - _BEFORE_MS) & (event < end + _AFTER_MS) & ~(scores > _NEAR)] = _NEAR
            scores[(event >= start) & (event < end)] = 1.0
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


def _windows(wanted: DateRange, event: npt.NDArray[np.int64]) -> list[tuple[int, int]]:
    """Return the range in milliseconds; without a year ("in May") the same one of every year that has memories."""
    if not wanted.yearless or not len(event):
        return [(to_ms(wanted.start), to_ms(wanted.end))]
    first, last = from_ms(int(event.min())).year, from_ms(int(event.max())).year
    shifts = [year - wanted.start.year for year in range(max(first, last - _MOST_YEARS), last + 1)]
    return [(to_ms(_in_year(wanted.start, shift)), to_ms(_in_year(wanted.end, shift))) for shift in shifts]


def _in_year(moment: datetime, shift: int) -> datetime:
    day = 28 if (moment.month, moment.day) == (2, 29) else moment.day
    return moment.replace(year=moment.year + shift, day=day)
