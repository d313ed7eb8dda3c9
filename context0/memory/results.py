"""What the engine answers with: frozen records."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from stores.records import Memory, MemoryId


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundMemory:
    """One memory of a search. `score` orders the result; `arms` has the score of each arm that found it.

    same: memories of the same speaker with the same words, which it stands for.
    """

    memory: Memory
    score: float
    arms: Mapping[str, float]
    same: tuple[MemoryId, ...] = ()
    explanation: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """Best first. `degraded` names the arms that could not answer: the result may then lack what they would have found.

    relevance: how much the best memory has to do with the question, about 0 to 1; None where it was not needed: the
    arms were chosen, or only the stores' own indexes asked. Below the search's minimum nothing is returned.
    search_id: names the search in `feedback`, where that is switched on.
    timings_ms: how long the stages took. explanation: how the question was read, with `explain=True`.
    """

    items: tuple[FoundMemory, ...]
    degraded: tuple[str, ...] = ()
    next_cursor: str | None = None
    relevance: float | None = None
    search_id: str | None = None
    timings_ms: Mapping[str, float] = field(default_factory=dict)
    explanation: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedFact:
    """One fact that a memory states: (subject, relation, object), and when it holds.

    subject, object: entity keys, lower case; the subject "self" is the user. negated: it is said not to be so.
    Holds in [valid_from, invalid_at); None is open. superseded_by: the memory that ended it.
    """

    memory_id: MemoryId
    subject: str
    relation: str
    object: str
    negated: bool
    valid_from: datetime | None
    invalid_at: datetime | None
    superseded_by: MemoryId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Superseded:
    """A fact that another memory ended. certain: False where they contradict each other: a person may know better."""

    memory_id: MemoryId
    relation: str
    object: str
    certain: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceReceipt:
    """What was deleted of one source: memories that were in use, and ones that were in quarantine.

    remaining: how many in use there are now: added meanwhile, so call again.
    """

    user_id: str
    agent_id: str | None
    session_id: str | None
    deleted: int
    from_quarantine: int
    remaining: int

    @property
    def ok(self) -> bool:
        return self.remaining == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreReceipt:
    """What one store removed, by kind, and how many records remain. `error` says why, where it failed."""

    store: str
    removed: Mapping[str, int]
    remaining: int
    error: str | None = None

    @property
    def ok(self) -> bool:
        return self.error is None and self.remaining == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureReceipt:
    """The proof of an erasure, store by store; not `ok` means: call `delete_all` again.

    recheck_after: when everything is counted once more, by the engine if it still runs, or by `recheck`. checked_at:
    of such a count; `stores` are what it found of before the erasure. signature: made with the store's key over all
    the rest, see `verify_receipt`.
    """

    user_id: str
    erased_at: datetime
    stores: tuple[StoreReceipt, ...]
    id: str = ""
    recheck_after: datetime | None = None
    checked_at: datetime | None = None
    signature: str = ""

    @property
    def ok(self) -> bool:
        return all(store.ok for store in self.stores)
