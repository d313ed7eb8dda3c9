"""What a search is narrowed to: as a mask over an owner's index, and as one filter for the stores; pure functions."""

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


def allowed_rows(query: Query, index: OwnerIndex, snapshot: Snapshot) -> Mask:
    """Return which rows may be returned: alive, not over, and within what the request narrows to."""
    request = query.request
    now_ms = to_ms(query.now)
    allowed: Mask = snapshot.alive & (snapshot.expires_ms > now_ms)
    if request.memory_types is not None:
        codes = [index.memory_types.codes.get(name, -2) for name in request.memory_types]
        allowed &= np.isin(snapshot.memory_type, codes)
    if request.window.since is not None:
        allowed &= snapshot.event_ms >= to_ms(request.window.since)
    if request.window.until is not None:
        allowed &= snapshot.event_ms < to_ms(request.window.until)
    if request.as_of is not None:
        allowed &= held_at(to_ms(request.as_of), snapshot)
    if query.among is not None:
        chosen = np.zeros(len(snapshot), np.bool_)
        chosen[index.rows_of(query.among)] = True
        allowed &= chosen
    return allowed


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
