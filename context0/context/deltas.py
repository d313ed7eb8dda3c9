"""What can change under a built context: one frozen record a change, told after it was written."""

from dataclasses import dataclass

from stores.records import Memory, MemoryId, Message, SessionId


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageAdded:
    """A message was written, or written anew in its place: an answer that was cut off is now whole."""

    message: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class SummaryChanged:
    """As the store does, a summary that covers less than the one before is ignored."""

    session_id: SessionId
    summary: str
    summary_seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRenamed:
    session_id: SessionId
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryWritten:
    """A memory was added or changed: its text, its kind, its project, its validity."""

    memory: Memory


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryRemoved:
    memory_id: MemoryId


Delta = MessageAdded | SummaryChanged | SessionRenamed | MemoryWritten | MemoryRemoved
