"""What of a search and of a list is kept to be answered again: what shapes it, and how it is handed out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from context0.cache.frozen import frozen
from context0.cache.keys import Field
from context0.memory.parts import EngineParts
from context0.memory.query import SearchRequest
from context0.memory.requests import fingerprint
from context0.memory.result_cache import Indexes, Kind, ResultCache, ResultLimits
from context0.memory.results import SearchResult
from context0.memory.rules.dates import DateRange, find_query_range
from stores.records import Memory, MemoryId, Page

_SETTLING_S: Final = 10.0
"""A hosted index may show what it was given only so much later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A search's result without its cursor, which belongs to who asked. last: where the next page begins, if any."""

    result: SearchResult
    last: tuple[float, MemoryId] | None


def search_fields(request: SearchRequest, options: Mapping[str, Any], told: str, *, by_day: bool) -> Sequence[Field]:
    """Return all that shapes the answer to `request` beside the owner's memories. 5 us; 60 when first asked.

    Of the reference time, what the rules read into the question counts. told: the fingerprint of query and options.
    by_day: somebody else reads the reference time too, to the day.
    """
    if options.get("reference_time") is not None:
        told = fingerprint(request.text, {name: value for name, value in options.items() if name != "reference_time"})
    reference = request.reference_time.replace(second=0, microsecond=0)
    page = (request.limit, request.hits, request.after, request.deadline_s)
    day = str(reference.date()) if by_day else None
    return ("search", told, repr(page), repr(_range(request.text, reference)), day)


def list_fields(options: Mapping[str, Any], limit: int) -> Sequence[Field]:
    """Return all that shapes the first page of a list."""
    return ("list", fingerprint("", options), limit)


def memories_of_search(answer: Answer) -> Sequence[Memory]:
    return [found.memory for found in answer.result.items]


def shareable(answer: Answer) -> Answer:
    """Return the answer with dictionaries that nobody can change, since many will get them. 20 us for ten."""
    items = tuple(
        replace(one, memory=shareable_memory(one.memory), arms=frozen(one.arms)) for one in answer.result.items
    )
    return replace(answer, result=replace(answer.result, items=items))


def shareable_page(page: Page[Memory]) -> Page[Memory]:
    """See `shareable`."""
    return replace(page, items=tuple(map(shareable_memory, page.items)))


def shareable_memory(memory: Memory) -> Memory:
    return memory.evolve(metadata=frozen(memory.metadata))


@lru_cache(maxsize=2_048)
def _range(text: str, reference: datetime) -> DateRange | None:
    return find_query_range(text, reference=reference)


def build_result_caches(indexes: Indexes, parts: EngineParts) -> tuple[ResultCache[Answer], ResultCache[Page[Memory]]]:
    """Return the caches of searches and of lists; one whose size is 0, or that nothing could be kept in, is off."""
    limits = parts.limits
    searches = ResultCache(
        indexes,
        parts.documents,
        Kind(memories_of=memories_of_search, shareable=shareable, keeps=lambda answer: not answer.result.degraded),
        ResultLimits(
            max_bytes=limits.search_cache_bytes,
            ttl_s=limits.search_cache_ttl_s,
            staleness_s=limits.owner_index_staleness_s,
            settling_s=0.0 if parts.vectors.derived else _SETTLING_S,
        ),
        clock=parts.clock,
    )
    lists = ResultCache(
        indexes,
        parts.documents,
        Kind(memories_of=lambda page: page.items, shareable=shareable_page),
        ResultLimits(
            max_bytes=limits.list_cache_bytes,
            ttl_s=limits.list_cache_ttl_s,
            staleness_s=limits.owner_index_staleness_s,
        ),
        clock=parts.clock,
    )
    parts.recorder.watch_cache("searches", lambda: searches.cache.statistics().reading())
    parts.recorder.watch_cache("lists", lambda: lists.cache.statistics().reading())
    return searches, lists
