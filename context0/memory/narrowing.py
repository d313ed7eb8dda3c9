"""What a search is narrowed to: as a mask over an owner's index, and as one filter for the stores; pure functions."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final, Literal

import numpy as np

from context0.clock import to_ms
from context0.memory.fusion import Mask
from context0.memory.query import Query, SearchRequest
from context0.memory.succession import held_at
from stores.filters import And, Compare, Filter, Not, Or
from stores.owner.owner_index import OwnerIndex, Snapshot

_BEGINNING: Final = datetime(1, 1, 1, tzinfo=UTC)


def conditions(query: Query, index: OwnerIndex, snapshot: Snapshot) -> Iterator[tuple[str, Mask]]:
    """Yield what a row must be to be returned, each with what it is to be told otherwise."""
    request = query.request
    yield "it was deleted", snapshot.alive
    yield "it has expired", snapshot.expires_ms > to_ms(query.now)
    if request.memory_types is not None:
        codes = [index.memory_types.codes.get(name, -2) for name in request.memory_types]
        yield "its type is not among those asked for", np.isin(snapshot.memory_type, codes)
    if request.window.since is not None:
        yield "it happened before `since`", snapshot.event_ms >= to_ms(request.window.since)
    if request.window.until is not None:
        yield "it happened at `until` or later", snapshot.event_ms < to_ms(request.window.until)
    if request.as_of is not None:
        yield "it did not hold at `as_of`", held_at(to_ms(request.as_of), snapshot)
    if query.among is not None:
        chosen = np.zeros(len(snapshot), np.bool_)
        chosen[index.rows_of(query.among)] = True
        yield "it does not match the filters", chosen


def narrowing_filter(request: SearchRequest) -> Filter | None:
    """Return the whole narrowing as one filter, for arms that cut by themselves and know no other."""
    parts: list[Filter] = [] if request.where is None else [request.where]
    if request.memory_types is not None:
        parts.append(Compare("memory_type", "in", tuple(request.memory_types)))
    if request.window.since is not None:
        parts.append(_event("gte", request.window.since))
    if request.window.until is not None:
        parts.append(_event("lt", request.window.until))
    if request.as_of is not None:
        parts += _held_at(request.as_of)
    return And(tuple(parts)) if parts else None


def _held_at(moment: datetime) -> list[Filter]:
    """Compare when it holds: since the text says, or else since it happened, until another memory ended it."""
    unsaid = Not(Compare("valid_from", "gte", _BEGINNING))
    begun = And((unsaid, _event("lte", moment)))
    return [Or((Compare("valid_from", "lte", moment), begun)), Not(Compare("invalid_at", "lte", moment))]


def _event(op: Literal["gte", "lt", "lte"], moment: datetime) -> Filter:
    """Compare when it happened, or when it was stored if that is not known."""
    unknown = Not(Compare("occurred_at", "gte", _BEGINNING))
    return Or((Compare("occurred_at", op, moment), And((unknown, Compare("created_at", op, moment)))))
