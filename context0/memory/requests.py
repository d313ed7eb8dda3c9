"""From the keywords of a search to a checked request: pure."""

import hashlib
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Final

import orjson

from context0.clock import to_ms
from context0.errors import InvalidInput
from context0.memory.inputs import (
    SEARCH_NAMES,
    check_ids,
    check_limit,
    check_memory_types,
    check_names,
    check_query,
    check_scope,
    check_strategies,
    check_time,
)
from context0.memory.query import SearchRequest
from stores.filters import And, Compare, Filter, parse_filter
from stores.records import MemoryType, TimeWindow

_LEAST_HITS: Final = 200
_MOST_HITS: Final = 1_000


def to_search_request(
    query: str, user_id: str, limit: int, options: Mapping[str, Any], *, now: datetime, deadline_ms: float
) -> SearchRequest:
    """Check everything and return the request. Raises InvalidInput and InvalidFilter."""
    check_names(options, SEARCH_NAMES)
    filters = options.get("filters")
    given_deadline = options.get("deadline_ms")
    return SearchRequest(
        text=check_query(query),
        scope=check_scope(user_id),
        limit=check_limit(limit),
        reference_time=check_time("reference_time", options.get("reference_time")) or now,
        arms=check_strategies(options.get("strategies")),
        arms_only=options.get("strategies") is not None,
        window=_window(options),
        as_of=check_time("as_of", options.get("as_of")),
        memory_types=check_memory_types(options.get("memory_types")),
        where=None if filters is None else parse_filter(filters),
        deadline_s=(deadline_ms if given_deadline is None else _deadline(given_deadline)) / 1000,
        min_relevance=None if options.get("min_relevance") is None else _relevance(options["min_relevance"]),
        why_not=check_ids(options.get("why_not") or ()),
        explain=bool(options.get("explain", False)),
        early_stop=bool(options.get("early_stop", False)),
        hits=min(_MOST_HITS, max(_LEAST_HITS, 4 * limit)),
    )


def narrowed(where: Filter | None, memory_types: Collection[MemoryType] | None) -> Filter | None:
    """Return `where` with the memory types as one more condition."""
    if memory_types is None:
        return where
    types = Compare("memory_type", "in", tuple(sorted(memory_types)))
    return types if where is None else And((where, types))


def fingerprint(query: str, options: Mapping[str, Any]) -> str:
    """Return what makes two searches the same listing: a digest of everything that shapes it, but for the page."""
    told = {
        name: value for name, value in options.items() if name not in ("deadline_ms", "explain") and value is not None
    }
    text = orjson.dumps([query, told], option=orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATETIME, default=_plain)
    return hashlib.sha256(text).hexdigest()


def _window(options: Mapping[str, Any]) -> TimeWindow:
    since, until = check_time("since", options.get("since")), check_time("until", options.get("until"))
    if since is not None and until is not None and since >= until:
        raise InvalidInput("until", "is not after since; nothing can lie between")
    return TimeWindow(since=since, until=until)


def _deadline(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= 600_000:
        raise InvalidInput("deadline_ms", "give a number of milliseconds from 1 to 600000")
    return float(value)


def _relevance(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 2:
        raise InvalidInput("min_relevance", "give a number from 0 (everything) to 2")
    return float(value)


def _plain(value: object) -> Any:
    match value:
        case datetime():
            return ["time", to_ms(value)]
        case set() | frozenset():
            return sorted(value, key=repr)
        case Mapping():
            return dict(value)
        case Collection():
            return list(value)
        case float() | int():  # numpy's numbers
            return float(value)
    raise TypeError(type(value).__name__)
