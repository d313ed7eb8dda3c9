"""What a search asks for, read once and handed to every arm."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING
from zlib import crc32

from context0.memory.rules.answers import AnswerKind, answer_kind
from context0.memory.rules.fact_questions import facts_asked
from context0.memory.rules.names import entity_key
from context0.memory.rules.terms import analyse_terms, hash_terms
from stores.filters import Filter
from stores.records import MemoryId, Scope, TimeWindow

if TYPE_CHECKING:
    from context0.memory.inputs import ArmName
    from context0.memory.rules.query import QueryAnalysis


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRequest:
    """A checked search. `limit`: 1..1,000 memories; `deadline_s`: for all of it.

    as_of: only what held then; None is all, what no longer holds right behind what took its place.
    arms_only: the caller chose the arms, so nothing else speaks for a memory. min_relevance: below it nothing is found;
    None is the default. early_stop: do not wait for vectors where the words settle it. hits: how many each of the
    stores' own arms is asked for; the same for every page of a search, since scores among other candidates are other
    scores.
    """

    text: str
    scope: Scope
    limit: int
    reference_time: datetime
    arms: Sequence["ArmName"]
    arms_only: bool
    window: TimeWindow
    memory_types: Collection[str] | None
    where: Filter | None
    deadline_s: float
    explain: bool
    early_stop: bool = False
    min_relevance: float | None = None
    as_of: datetime | None = None
    why_not: Sequence[MemoryId] = ()
    hits: int = 200
    after: tuple[float, str] | None = None


@dataclass(frozen=True, kw_only=True)
class Query:
    """The question as the arms see it; what only some arms need is worked out when first asked for.

    among: only these memories, or None for all.
    """

    request: SearchRequest
    analysis: "QueryAnalysis"
    now: datetime
    among: Collection[MemoryId] | None = None

    @cached_property
    def words(self) -> Sequence[str]:
        """The question's words, analysed like those of the memories."""
        return _words(self.request.text)

    @cached_property
    def terms(self) -> Sequence[int]:
        """The hashes of `words`."""
        terms: list[int] = hash_terms(list(self.words)).tolist()
        return terms

    @property
    def answer_kind(self) -> AnswerKind | None:
        """What kind of thing would answer the question."""
        return _answer_kind(self.request.text)

    @cached_property
    def entities(self) -> Sequence[str]:
        """Keys that the question names, and every run of up to three words, for names that only the memories know."""
        return tuple(dict.fromkeys((*self.analysis.entities, *_runs_of_words(self.request.text))))

    @property
    def facts(self) -> Sequence[tuple[str, str]]:
        """The facts that the question asks for: (relation, subject)."""
        return facts_asked(self.request.text, self.analysis.entities)

    @cached_property
    def entity_terms(self) -> Sequence[int]:
        """The hashes of `entities`."""
        return [crc32(key.encode("utf-8", "surrogatepass")) for key in self.entities]


@lru_cache(maxsize=2_048)
def _words(text: str) -> tuple[str, ...]:
    return tuple(analyse_terms(text))


_answer_kind = lru_cache(maxsize=2_048)(answer_kind)


@lru_cache(maxsize=2_048)
def _runs_of_words(text: str) -> tuple[str, ...]:
    words = [key for word in text.split()[:64] if (key := entity_key(word))]
    return tuple(" ".join(words[at : at + size]) for size in (1, 2, 3) for at in range(len(words) - size + 1))
