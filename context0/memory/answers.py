"""What of a search and of a list is kept to be answered again: what shapes it, and how it is handed out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from context0.cache.frozen import frozen
from context0.cache.keys import Field
from context0.memory.analysis import LONG_QUESTION
from context0.memory.query import SearchRequest
from context0.memory.requests import fingerprint
from context0.memory.results import SearchResult
from context0.memory.rules.dates import DateRange, find_query_range
from stores.records import Memory, MemoryId, Page


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A search's result without its cursor, which belongs to who asked. last: where the next page begins, if any."""

    result: SearchResult
    last: tuple[float, MemoryId] | None


def search_fields(request: SearchRequest, options: Mapping[str, Any], told: str, *, by_day: bool) -> Sequence[Field]:
    """Return all that shapes the answer to `request` beside the owner's memories. 5 us; 60 when first asked.

    Of the reference time, what the rules read into the question counts. told: the fingerprint of query and options.
    by_day: somebody else reads the reference time too, to the day. Long questions are not read here: the minute counts.
    """
    if options.get("reference_time") is not None:
        told = fingerprint(request.text, {name: value for name, value in options.items() if name != "reference_time"})
    reference = request.reference_time.replace(second=0, microsecond=0)
    span = reference if len(request.text) > LONG_QUESTION else _range(request.text, reference)
    page = (request.limit, request.hits, request.after, request.deadline_s)
    day = str(reference.date()) if by_day else None
    return ("search", told, repr(page), repr(span), day)


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
