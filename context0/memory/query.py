"""What a search asks for, read once and handed to every arm."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from stores.filters import Filter
from stores.records import MemoryId, Scope, TimeWindow

if TYPE_CHECKING:
    from context0.memory.inputs import ArmName
    from context0.memory.rules.query import QueryAnalysis


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRequest:
    """A checked search. `limit`: 1..1,000 memories; `deadline_s`: for all of it."""

    text: str
    scope: Scope
    limit: int
    reference_time: datetime
    arms: Sequence["ArmName"]
    window: TimeWindow
    memory_types: Collection[str] | None
    where: Filter | None
    deadline_s: float
    explain: bool
    after: tuple[float, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """The question as the arms see it.

    words: analysed like the memories; terms: their hashes. entities: keys named in the question, and every run of up to
    three words, so that names that only the owner knows are found. among: only these memories, or None for all.
    """

    request: SearchRequest
    analysis: "QueryAnalysis"
    words: Sequence[str]
    terms: Sequence[int]
    entities: Sequence[str]
    entity_terms: Sequence[int]
    now: datetime
    among: Collection[MemoryId] | None = None
