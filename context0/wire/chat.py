"""What a chat is asked, and answers with: the events of a turn, and the whole reply."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from context0.wire.base import Body, Record, Time

ReplyState = Literal["complete", "partial", "fallback"]
"""partial: the answer was cut off. fallback: another than the configured model answered, and says so."""
Ruling = Literal["keep_new", "keep_both", "undo"]
Mode = Literal["normal", "read_only", "off_record", "redact"]
"""See context0/privacy/modes.py: which one holds, and what each allows."""


class Usage(Record):
    """Tokens as the provider counted them; 0 where it did not tell."""

    prompt_tokens: int = 0
    completion_tokens: int = 0


class UsedMemory(Record):
    """A memory that the answer was given. arms: its score in each search arm that found it."""

    id: str
    score: float
    arms: Mapping[str, float] = {}


class SessionEvent(Record):
    """The first event. turn_id: names the turn in logs.

    session_id: as it was told, or the new one; None for a first message of which nothing is kept.
    """

    type: Literal["session"] = "session"
    session_id: str | None
    turn_id: str
    title: str = ""


class PrivacyEvent(Record):
    """What the privacy rules found and did: counts by kind, categories, and what the turn may do. Never the text."""

    type: Literal["privacy"] = "privacy"
    report: Mapping[str, object]


class MemoriesEvent(Record):
    """The memories that the answer was given, best first. degraded: the search arms that could not answer."""

    type: Literal["memories"] = "memories"
    items: tuple[UsedMemory, ...] = ()
    degraded: tuple[str, ...] = ()


class TokenEvent(Record):
    """A piece of the answer; all of them together are its text."""

    type: Literal["token"] = "token"
    text: str


class Reply(Record):
    """A whole turn.

    memories_used: ids of the memories that the answer was given, best first; cited: those it names.
    memories_written: ids of what was remembered of the turn so far; memories_quarantined: those of them that are kept
    back. degraded: the parts of the turn that failed or were late, with the reason, so that an outage never looks like
    an empty memory. fallback: why another model answered.
    timings_ms: how long each stage took; "first_token" and "total" count from the call.
    """

    text: str
    session_id: str | None
    turn_id: str
    message_id: str | None = None
    state: ReplyState = "complete"
    memories_used: tuple[str, ...] = ()
    cited: tuple[str, ...] = ()
    memories_written: tuple[str, ...] = ()
    memories_quarantined: tuple[str, ...] = ()
    usage: Usage = Usage()
    model: str = ""
    fallback: str | None = None
    mode: str = "normal"
    operation: str = "moderate"
    tier: str = "standard"
    privacy: Mapping[str, object] = {}
    degraded: Mapping[str, str] = {}
    timings_ms: Mapping[str, float] = {}


class DoneEvent(Reply):
    """The answer is whole; it and what rules remembered (`memories_written`) are durable where the turn is kept.

    degraded["memory_manager"] says where that failed, or came later than 2 s after the answer ("deadline").
    """

    type: Literal["done"] = "done"


class MemoryWrittenEvent(Record):
    """What was remembered of the turn, after the answer. decisions: ids of contradictions that wait for the user.

    quarantined: those of `memories` that are kept back, since they read like orders to the assistant.
    """

    type: Literal["memory_written"] = "memory_written"
    memories: tuple[str, ...] = ()
    decisions: tuple[str, ...] = ()
    quarantined: tuple[str, ...] = ()


class ShutdownEvent(Record):
    """The service stops: what the turn has said so far is kept as partial. Only over HTTP; ask again elsewhere."""

    type: Literal["shutdown"] = "shutdown"
    message: str = "the service is stopping; what was said so far is kept, ask again in a moment"


class ErrorEvent(Record):
    """The turn failed, or the answer was cut off: then `done` follows with the state "partial"."""

    type: Literal["error"] = "error"
    code: str
    message: str


ChatEvent = Annotated[
    SessionEvent | PrivacyEvent | MemoriesEvent | TokenEvent | DoneEvent | MemoryWrittenEvent | ErrorEvent,
    Field(discriminator="type"),
]


StreamEvent = Annotated[
    SessionEvent
    | PrivacyEvent
    | MemoriesEvent
    | TokenEvent
    | DoneEvent
    | MemoryWrittenEvent
    | ErrorEvent
    | ShutdownEvent,
    Field(discriminator="type"),
]
"""What a stream over HTTP holds: the events of a turn, and that the service stops."""


class ChatReply(Reply):
    """What `ChatService.send` returns."""


class ChatRequest(Body):
    """One turn. stream: answer with events. resumable: let the turn go on when the connection breaks.

    mode: None is the session's, or else the user's, or else normal. reference_time: what "yesterday" counts from.
    """

    message: str = Field(min_length=1, max_length=32_000, examples=["Which city do I live in?"])
    session_id: str | None = Field(default=None, min_length=1, max_length=256)
    mode: Mode | None = None
    project: str | None = Field(default=None, min_length=1, max_length=256)
    reference_time: Time | None = None
    stream: bool = False
    resumable: bool = False


class ChatDecision(Record):
    """Two memories contradict each other, and rules cannot tell which is true: the newer one holds until it is decided.

    new, old: their texts; None for one that is gone.
    """

    id: str
    reason: str
    new_id: str
    old_id: str
    new: str | None
    old: str | None
    state: str
    created_at: datetime
