"""The records that cross the line between the stores and everything above: frozen, without behaviour."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Generic, Literal, NamedTuple, NewType, TypeVar

import numpy as np
import numpy.typing as npt

T = TypeVar("T")
MemoryId = NewType("MemoryId", str)
FloatVector = npt.NDArray[np.float32]
FloatMatrix = npt.NDArray[np.float32]

MemoryType = Literal["semantic", "episodic", "procedural", "emotional", "preference", "working"]
IndexStatus = Literal["pending", "done", "failed"]
HistoryEvent = Literal["added", "updated"]
IndexName = Literal["keyword", "graph"]
Metadata = Mapping[str, Any]
"""JSON data that the caller attached; validated at the edge, kept as it is."""

SessionId = NewType("SessionId", str)
MessageId = NewType("MessageId", str)
DecisionId = NewType("DecisionId", str)
Role = Literal["user", "assistant"]
MessageState = Literal["complete", "partial", "fallback"]
"""partial: cut off while it was streamed. fallback: what was said in place of a model that could not answer."""
DecisionState = Literal["pending", "kept_new", "kept_both", "undone"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Whose memories an operation may see: every read and write carries one."""

    owner: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexState:
    """How far the indexes outside the document are. `generation` grows with each change of the content;
    work done for an older generation is stale and must have no effect.

    next_attempt_at: for failed work when it was last tried. reason: the stable name of what went wrong last, or "".
    """

    state: IndexStatus = "done"
    generation: int = 1
    attempts: int = 0
    next_attempt_at: datetime | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where a memory comes from."""

    session_id: str | None = None
    message_id: str | None = None
    agent: str | None = None
    trust: float = 1.0


@dataclass(frozen=True, kw_only=True)  # without slots: a store may then fill many in at once, see sqlite/codec.py
class Memory:
    """One remembered text, as people and programs see it. Times are aware UTC in whole milliseconds.

    `occurred_at` is when it was said or happened, `created_at` when it was stored. `session_seq` orders the
    memories of one session by arrival: it grows, and has gaps. `version` counts the changes, from 1.
    `importance` and `confidence` lie in [0, 1]. quarantine: why it is kept back from everything but its owner's
    list of such memories; empty for nearly all.
    """

    id: MemoryId
    user_id: str
    content: str
    created_at: datetime
    updated_at: datetime
    memory_type: MemoryType = "semantic"
    speaker: str | None = None
    agent_id: str | None = None
    session_id: str | None = None
    session_seq: int = 0
    tags: tuple[str, ...] = ()
    entities: tuple[str, ...] = ()
    summary: str | None = None
    importance: float = 0.5
    confidence: float = 1.0
    occurred_at: datetime | None = None
    valid_from: datetime | None = None
    invalid_at: datetime | None = None
    superseded_by: MemoryId | None = None
    expires_at: datetime | None = None
    content_hash: str = ""
    embedding_model: str | None = None
    index: IndexState = field(default_factory=IndexState)
    provenance: Provenance = field(default_factory=Provenance)
    metadata: Metadata = field(default_factory=dict)
    version: int = 1
    quarantine: tuple[str, ...] = ()

    def evolve(self, **changes: object) -> "Memory":
        """Return a copy with `changes`: what `dataclasses.replace` does, ten times faster and without its checks."""
        copy = object.__new__(Memory)
        copy.__dict__.update(self.__dict__, **changes)
        return copy


MENTIONS: Final = "mentions"
"""The relation of a mere mention; every other one is a statement."""
CONTENT_KEY: Final = "same:"
"""How the dedupe keys begin that are made of the content, not by the caller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """A bi-temporal edge between two entity keys, read from one memory.

    True in the world in [valid_from, invalid_at); known to us in [created_at, retired_at). None is open.
    closed_by: the memory that ended it, if another one did.
    """

    source: str
    relation: str
    target: str
    created_at: datetime
    valid_from: datetime | None = None
    invalid_at: datetime | None = None
    retired_at: datetime | None = None
    closed_by: MemoryId | None = None


class EdgePattern(NamedTuple):
    """Which edges that state something are meant: those from `source`, None standing for any name or target.

    over: only those with an end.
    """

    source: str
    relation: str | None = None
    target: str | None = None
    over: bool = False

    def fits(self, edge: Relation) -> bool:
        return (
            edge.source == self.source
            and edge.relation != MENTIONS
            and self.relation in (None, edge.relation)
            and self.target in (None, edge.target)
            and not (self.over and edge.invalid_at is None)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What one memory states, and how it stands: what is read to find out what a new fact ends, and written back.

    said_at: when it was said, or else stored. traits: as in Document. relations: all of the memory's.
    valid_from, invalid_at, superseded_by: of the memory as a whole.
    """

    id: MemoryId
    said_at: datetime
    traits: int
    relations: tuple[Relation, ...]
    valid_from: datetime | None = None
    invalid_at: datetime | None = None
    superseded_by: MemoryId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A memory together with everything that its indexes are made of: what a document store writes.

    dedupe_key: unique among the owner's live memories; the same key twice is the same memory.
    keywords: analysed words (stemmed, in order, with repeats) for the store's keyword index.
    terms, entity_terms: the same words, and the entity keys, as 32-bit hashes, little-endian uint32.
    embedding: float32 little-endian, unit length, or None while pending.
    traits: bits about the text that searches use; their meaning belongs to the writer.
    """

    memory: Memory
    dedupe_key: str
    keywords: tuple[str, ...] = ()
    terms: bytes = b""
    entity_terms: bytes = b""
    relations: tuple[Relation, ...] = ()
    embedding: bytes | None = None
    traits: int = 0


class IndexRow(NamedTuple):
    """What the in-memory index of an owner keeps of one memory. Times are milliseconds since 1970, UTC.

    live: it is searched: neither a tombstone nor in quarantine.
    """

    id: str
    version: int
    live: bool
    updated_ms: int
    created_ms: int
    occurred_ms: int | None
    expires_ms: int | None
    session_id: str | None
    session_seq: int
    speaker: str | None
    memory_type: str
    terms: bytes
    entity_terms: bytes
    embedding: bytes | None
    traits: int = 0
    valid_ms: int | None = None
    invalid_ms: int | None = None
    superseded_by: str | None = None


class Validity(NamedTuple):
    """When a memory holds, [valid_ms, invalid_ms), and the memory that took its place, as written at `at_ms`.

    None: since it happened, and open.
    """

    at_ms: int
    valid_ms: int | None = None
    invalid_ms: int | None = None
    superseded_by: str | None = None


def validity_of(row: IndexRow) -> Validity:
    return Validity(row.updated_ms, row.valid_ms, row.invalid_ms, row.superseded_by)


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A vector to index: float32, shape (dimension,), unit length."""

    id: MemoryId
    vector: FloatVector


class Hit(NamedTuple):
    """One candidate of a search arm; text is fetched separately, by `get_many` with the scope."""

    id: MemoryId
    score: float


class Keyset(NamedTuple):
    """The last row of a page: (created_at in ms, id)."""

    created_ms: int
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeWindow:
    """A half-open interval [since, until); None is open."""

    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    """One version of a memory's content; versions count from 1, the current one is the last.

    quarantine: why this version was kept back: what is empty behind one that was not, was released.
    """

    memory_id: MemoryId
    version: int
    event: HistoryEvent
    content: str
    changed_at: datetime
    quarantine: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingWork:
    """A memory whose indexes are behind: a document to embed and index, or a tombstone to clean up after.

    lost: how often it was claimed by somebody who then told no outcome.
    """

    scope: Scope
    id: MemoryId
    generation: int
    attempts: int
    deleted: bool
    content: str
    embedding: bytes | None
    lost: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedWork:
    """Index work that was given up: the memory is found by its words only. reason: as in IndexState."""

    scope: Scope
    id: MemoryId
    generation: int
    attempts: int
    reason: str
    failed_at: datetime | None


class IndexMark(NamedTuple):
    """The outcome of one piece of index work, valid only while the memory still has this generation.

    lost: not 0 only for work that is given back untouched, as in PendingWork.
    """

    id: MemoryId
    generation: int
    state: IndexStatus
    attempts: int = 0
    next_attempt_at: datetime | None = None
    embedding: bytes | None = None
    embedding_model: str | None = None
    reason: str = ""
    lost: int = 0


@dataclass(frozen=True, kw_only=True)  # without slots: Python 3.11 cannot have them on a generic that is subscripted
class Page(Generic[T]):
    """One page of a listing, and the cursor of the next or None at the end."""

    items: tuple[T, ...]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One conversation of an owner. Times are aware UTC in whole milliseconds.

    next_seq: the number that the next message gets; numbers count from 1, and stay free where a turn was given up.
    summary: what was said in the messages up to `summary_seq`. metadata: JSON data of the chat, such as its mode.
    """

    id: SessionId
    created_at: datetime
    updated_at: datetime
    title: str = ""
    next_seq: int = 1
    summary: str = ""
    summary_seq: int = 0
    metadata: Metadata = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message of a session. `seq` orders them; a question and its answer have two numbers in a row.

    metadata: JSON data, such as the ids of the memories that an answer used.
    """

    id: MessageId
    session_id: SessionId
    seq: int
    role: Role
    content: str
    created_at: datetime
    state: MessageState = "complete"
    metadata: Metadata = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A contradiction between two memories that rules could not settle for certain: the owner is asked.

    The newer one holds until then. reason: the stable name of what was met, such as "contradicts".
    """

    id: DecisionId
    reason: str
    new_id: MemoryId
    old_id: MemoryId
    created_at: datetime
    state: DecisionState = "pending"
    decided_at: datetime | None = None
