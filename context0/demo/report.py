"""What a run of the demo did and saw, as frozen records that turn into plain JSON data."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime

from context0.demo.conversation import QuestionKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    memories: int
    sessions: int
    elapsed_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundMemory:
    """One search result; `expected` when its turn answers the question. `arms`: the score that each arm gave."""

    turn_id: str
    speaker: str
    occurred_at: datetime
    content: str
    score: float
    arms: Mapping[str, float]
    expected: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One question as it was asked after reopening. elapsed_ms: as the caller saw it; timings_ms: the engine's own."""

    kind: QuestionKind
    question: str
    expected_answer: str
    expected_turns: tuple[str, ...]
    found: tuple[FoundMemory, ...]
    elapsed_ms: float
    timings_ms: Mapping[str, float]
    degraded: tuple[str, ...]

    @property
    def success(self) -> bool:
        return any(memory.expected for memory in self.found)


@dataclass(frozen=True, slots=True, kw_only=True)
class PageWalk:
    """A walk over all pages by cursors. `complete`: every memory came exactly once."""

    page_size: int
    pages: int
    memories: int
    duplicates: int
    complete: bool
    elapsed_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    version: int
    event: str
    content: str
    changed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatTurn:
    """One question put to the chat. cited: ids of the memories that the answer quotes. degraded: what failed in it."""

    question: str
    answer: str
    cited: tuple[str, ...]
    degraded: Mapping[str, str]
    elapsed_ms: float

    @property
    def success(self) -> bool:
        return bool(self.cited) and not self.degraded


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreErasure:
    """What one store says of an erasure: how many of each kind it removed, how many it still holds."""

    store: str
    removed: Mapping[str, int]
    remaining: int
    ok: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """The receipt, and what searches and listings of the owner returned afterwards: before and after a reopening."""

    user_id: str
    erased_at: datetime
    stores: tuple[StoreErasure, ...]
    found_afterwards: int
    found_after_reopening: int

    @property
    def clean(self) -> bool:
        return all(store.ok for store in self.stores) and not self.found_afterwards and not self.found_after_reopening


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoReport:
    people: tuple[str, ...]
    written: Written
    reopened_ms: float
    answers: tuple[Answer, ...]
    pages: PageWalk
    history: tuple[Version, ...]
    chat: ChatTurn
    erasure: Erasure

    @property
    def answered(self) -> int:
        """How many questions found an expected turn."""
        return sum(answer.success for answer in self.answers)

    @property
    def ok(self) -> bool:
        """Whether all that must hold did: the page walk, history, chat and erasure, and no search was degraded."""
        degraded = any(answer.degraded for answer in self.answers)
        kept = self.pages.complete and len(self.history) > 1
        return kept and self.chat.success and self.erasure.clean and not degraded

    def as_dict(self) -> dict[str, object]:
        """Plain data for JSON: ISO dates, lists, and the judgements (`success`, `clean`, `answered`, `ok`) beside."""
        plain = {field.name: _plain(getattr(self, field.name)) for field in fields(self)}
        return {**plain, "answered": self.answered, "ok": self.ok}


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if is_dataclass(value):
        plain = {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
        if isinstance(value, Answer | ChatTurn):
            plain["success"] = value.success
        if isinstance(value, Erasure):
            plain["clean"] = value.clean
        return plain
    return value
