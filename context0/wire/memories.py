"""Memories over HTTP: what is added, changed and searched for, and what comes back."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from context0.wire.base import Body, Record, Time

MemoryKind = Literal["semantic", "episodic", "procedural", "emotional", "preference", "working"]
Arm = Literal["semantic", "keyword", "entity", "temporal"]
Name = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class AddMemory(Body):
    """One memory to keep. The same content of the same speaker and session is the same memory.

    occurred_at: when it was said or happened. idempotency_key: the same key twice is the same memory.
    """

    content: str = Field(min_length=1, examples=["I moved to Munich in May"])
    speaker: Name | None = Field(default=None, examples=["Anna"])
    agent_id: Name | None = None
    session_id: Name | None = None
    memory_type: MemoryKind = "semantic"
    tags: list[Name] = Field(default=[], max_length=64)
    importance: Share = 0.5
    occurred_at: Time | None = None
    expires_at: Time | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)
    idempotency_key: Name | None = None


class AddMemories(Body):
    """Memories to keep in one write. All are checked before any is written."""

    memories: list[AddMemory] = Field(min_length=1, max_length=10_000)


class ChangeMemory(Body):
    """What is to be changed; a field that is not there stays as it is."""

    content: str | None = Field(default=None, min_length=1, examples=["I moved to Munich in June"])
    memory_type: MemoryKind | None = None
    tags: list[Name] | None = Field(default=None, max_length=64)
    importance: Share | None = None
    occurred_at: Time | None = None
    expires_at: Time | None = None
    metadata: dict[str, Any] | None = None


class SearchMemories(Body):
    """A question to the memory. See the library's `MemoryEngine.search` for each option."""

    query: str = Field(min_length=1, max_length=8_192, examples=["where does she live?"])
    limit: int = Field(default=10, ge=1, le=1_000)
    cursor: str | None = None
    filters: dict[str, Any] | None = Field(default=None, examples=[{"speaker": "Anna"}])
    memory_types: list[MemoryKind] | None = Field(default=None, min_length=1)
    since: Time | None = None
    until: Time | None = None
    reference_time: Time | None = None
    as_of: Time | None = None
    strategies: list[Arm] | None = Field(default=None, min_length=1)
    deadline_ms: Annotated[float, Field(ge=1, le=600_000)] | None = None
    min_relevance: Annotated[float, Field(ge=0, le=2)] | None = None
    explain: bool = False
    early_stop: bool = False


class MemoryRecord(Record):
    """A memory as it is stored. quarantine: why it is kept back from searches and prompts; empty for nearly all."""

    id: str
    user_id: str
    content: str
    created_at: Time
    updated_at: Time
    memory_type: MemoryKind = "semantic"
    speaker: str | None = None
    agent_id: str | None = None
    session_id: str | None = None
    session_seq: int = 0
    tags: tuple[str, ...] = ()
    entities: tuple[str, ...] = ()
    summary: str | None = None
    importance: float = 0.5
    confidence: float = 1.0
    occurred_at: Time | None = None
    valid_from: Time | None = None
    invalid_at: Time | None = None
    superseded_by: str | None = None
    expires_at: Time | None = None
    content_hash: str = ""
    embedding_model: str | None = None
    index: Mapping[str, Any] = {}
    provenance: Mapping[str, Any] = {}
    metadata: Mapping[str, Any] = {}
    version: int = 1
    quarantine: tuple[str, ...] = ()


class MemoryList(Record):
    """A page of memories, newest first."""

    items: tuple[MemoryRecord, ...]
    next_cursor: str | None = None


class FoundRecord(Record):
    """One memory of a search. arms: its score in each search arm that found it."""

    memory: MemoryRecord
    score: float
    arms: Mapping[str, float]
    same: tuple[str, ...] = ()
    explanation: Mapping[str, Any] = {}


class SearchReply(Record):
    """Best first. degraded: the search arms that could not answer."""

    items: tuple[FoundRecord, ...]
    degraded: tuple[str, ...] = ()
    next_cursor: str | None = None
    relevance: float | None = None
    search_id: str | None = None
    timings_ms: Mapping[str, float] = {}
    explanation: Mapping[str, Any] = {}


class HistoryRecord(Record):
    """One version of a memory's content. quarantine: why it was kept back."""

    memory_id: str
    version: int
    event: Literal["added", "updated"]
    content: str
    changed_at: Time
    quarantine: tuple[str, ...] = ()


class HistoryList(Record):
    """Every version, oldest first."""

    items: tuple[HistoryRecord, ...]
    next_cursor: str | None = None


class SourceReceiptRecord(Record):
    """What was deleted of one source; ok=False means: more was added meanwhile, call again."""

    ok: bool
    user_id: str
    agent_id: str | None = None
    session_id: str | None = None
    deleted: int
    from_quarantine: int
    remaining: int


class StoreReceiptRecord(Record):
    """What one store removed, by kind, and how many records remain."""

    store: str
    removed: Mapping[str, int]
    remaining: int
    error: str | None = None


class ReceiptRecord(Record):
    """The proof of an erasure; ok=False means: call again.

    recheck_after: when everything is counted once more. checked_at: of such a count. signature: over all the rest, made
    with the store's key: `context0 receipts verify`.
    """

    ok: bool
    user_id: str
    erased_at: Time
    stores: tuple[StoreReceiptRecord, ...]
    id: str = ""
    recheck_after: Time | None = None
    checked_at: Time | None = None
    signature: str = ""
