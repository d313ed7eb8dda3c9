"""What the client's methods take by keyword: the names and kinds of the service's own requests."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import TypedDict

from context0.wire.chat import Mode
from context0.wire.memories import Arm, MemoryKind

Moment = datetime | str
"""An aware time, or ISO text with an offset."""
Json = Mapping[str, object]


class MemoryFields(TypedDict, total=False):
    """What one memory takes beside its content. occurred_at: when it was said or happened.

    idempotency_key: the same key twice is the same memory. Without one, exactly the same memory twice is the same.
    """

    speaker: str | None
    agent_id: str | None
    session_id: str | None
    memory_type: MemoryKind
    tags: Sequence[str]
    importance: float
    occurred_at: Moment | None
    expires_at: Moment | None
    metadata: Json
    idempotency_key: str | None


class MemoryInput(MemoryFields):
    """One item of `add_many`."""

    content: str


class MemoryChanges(TypedDict, total=False):
    """What `update` can change; what is not named stays."""

    content: str
    memory_type: MemoryKind
    tags: Sequence[str]
    importance: float
    occurred_at: Moment | None
    expires_at: Moment | None
    metadata: Json


class ListOptions(TypedDict, total=False):
    """How a listing can be narrowed: `filters` as in README, "Filters"; kinds of memories."""

    filters: Json | None
    memory_types: Collection[MemoryKind] | None


class SearchOptions(ListOptions, total=False):
    """How a search can be narrowed or steered.

    reference_time: what "yesterday" counts from. as_of: what held then. strategies: only these arms. deadline_ms: for
    the search itself; what is late is named in `degraded`. explain: ranks and signals of each memory.
    """

    reference_time: Moment | None
    since: Moment | None
    until: Moment | None
    as_of: Moment | None
    strategies: Collection[Arm] | None
    deadline_ms: float | None
    min_relevance: float | None
    explain: bool
    early_stop: bool


class TurnOptions(TypedDict, total=False):
    """What a turn takes beside its message.

    session_id: goes on with a conversation; None begins one. mode: None is the session's, or else the user's.
    project: whose facts are used and extended. reference_time: what "yesterday" counts from.
    """

    session_id: str | None
    mode: Mode | None
    project: str | None
    reference_time: Moment | None
