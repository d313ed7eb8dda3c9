"""The built context of one session: what was read for it, and how each change is taken over without reading again.

A section that was not read, or that a change left incomplete, is None: only that one is read when it is needed.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from context0.context.deltas import (
    Delta,
    MemoryRemoved,
    MemoryWritten,
    MessageAdded,
    SessionRenamed,
    SummaryChanged,
)
from context0.context.tiers import MOST_HISTORY, Part
from stores.records import Memory, Message, Scope, Session, SessionId

MAX_HISTORY: Final = MOST_HISTORY + 10
"""Messages kept: those that any tier shows, and those that the summary still has to take in."""
MAX_PREFERENCES: Final = 50
MAX_PROJECT_FACTS: Final = 100
PROJECT_KEY: Final = "project"
"""The metadata key by which a memory belongs to a project."""
MODE_KEY: Final = "mode"
MEMORIES_USED_KEY: Final = "memories_used"
"""The metadata key of an answer under which the ids of its memories stand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextKey:
    """Whose context it is. session_id: None before a session's first message. project: None outside of projects."""

    scope: Scope
    session_id: SessionId | None = None
    project: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """The last messages, ascending, at most MAX_HISTORY. through: no message up to this number is missing."""

    messages: tuple[Message, ...] = ()
    through: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFacts:
    """What a session record tells: its title, and what was said up to the message `summary_seq`."""

    title: str = ""
    summary: str = ""
    summary_seq: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MemorySection:
    """Memories of one kind, newest first. more: there may be older ones that were not read."""

    memories: tuple[Memory, ...] = ()
    more: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltContext:
    """What is known for a turn before it is asked. A section is None where it was not read."""

    key: ContextKey
    history: History | None = None
    session: SessionFacts | None = None
    preferences: MemorySection | None = None
    project: MemorySection | None = None

    def missing(self, parts: Iterable[Part]) -> frozenset[Part]:
        """Return those of `parts` that have to be read."""
        return frozenset(part for part in parts if getattr(self, part) is None)

    def at(self, now: datetime) -> "BuiltContext":
        """Return the context without memories that have expired meanwhile."""
        preferences, project = _living(self.preferences, now), _living(self.project, now)
        if preferences is self.preferences and project is self.project:
            return self
        return replace(self, preferences=preferences, project=project)

    def versions(self) -> dict[Part, str]:
        """Return a short text for each section read, which changes with its content, on every machine the same."""
        found: dict[Part, str] = {}
        if self.history is not None:
            found["history"] = _digest(
                (message.id, message.state, len(message.content)) for message in self.history.messages
            )
        if self.session is not None:
            found["session"] = _digest([(self.session.title, self.session.summary_seq, self.session.summary)])
        for part, section in (("preferences", self.preferences), ("project", self.project)):
            if section is not None:
                found[part] = _digest((memory.id, memory.version) for memory in section.memories)  # type: ignore[index]  # two of the parts
        return found


def is_recorded(message: Message) -> bool:
    """Tell whether a message may be kept: those of the mode off_record never are."""
    return message.metadata.get(MODE_KEY) != "off_record"


def is_preference(memory: Memory) -> bool:
    return memory.memory_type == "preference" and memory.invalid_at is None


def is_project_fact(memory: Memory, project: str | None) -> bool:
    return project is not None and memory.metadata.get(PROJECT_KEY) == project and memory.invalid_at is None


def history_of(messages: Sequence[Message], *, through: int = 0) -> History:
    kept = tuple(filter(is_recorded, messages))[-MAX_HISTORY:]
    return History(messages=kept, through=max([through, *(message.seq for message in messages[-1:])]))


def session_facts(session: Session | None) -> SessionFacts:
    if session is None:
        return SessionFacts()
    return SessionFacts(title=session.title, summary=session.summary, summary_seq=session.summary_seq)


def section_of(memories: Sequence[Memory], limit: int) -> MemorySection:
    """memories: newest first, one more than `limit` if there are more."""
    return MemorySection(memories=tuple(memories[:limit]), more=len(memories) > limit)


def apply(built: BuiltContext, delta: Delta) -> BuiltContext:
    """Return the context after the change: what reading everything again would give. 1 to 5 us.

    Safe to repeat. A change of another session, or of a memory that belongs to no section, changes nothing. A section
    whose next member only the store knows becomes None.
    """
    match delta:
        case MessageAdded(message=message):
            return _with_message(built, message)
        case MemoryWritten(memory=memory):
            return _with_memory(built, memory)
        case MemoryRemoved(memory_id=memory_id):
            return _changed(
                built,
                preferences=_without(built.preferences, memory_id),
                project=_without(built.project, memory_id),
            )
        case SummaryChanged() | SessionRenamed():
            return _with_session(built, delta)


def _with_message(built: BuiltContext, message: Message) -> BuiltContext:
    history = built.history
    if history is None or message.session_id != built.key.session_id or not is_recorded(message):
        return built
    before = [held for held in history.messages if held.seq < message.seq]
    behind = [held for held in history.messages if held.seq > message.seq]
    messages = (*before, message, *behind)[-MAX_HISTORY:]
    is_next = message.seq == history.through + 1  # else what lies between may have been written elsewhere
    through = message.seq if is_next else history.through
    return replace(built, history=History(messages=messages, through=through))


def _with_session(built: BuiltContext, delta: SummaryChanged | SessionRenamed) -> BuiltContext:
    session = built.session
    if session is None or delta.session_id != built.key.session_id:
        return built
    if isinstance(delta, SessionRenamed):
        return replace(built, session=replace(session, title=delta.title))
    if delta.summary_seq < session.summary_seq:
        return built
    return replace(built, session=replace(session, summary=delta.summary, summary_seq=delta.summary_seq))


def _with_memory(built: BuiltContext, memory: Memory) -> BuiltContext:
    return _changed(
        built,
        preferences=_put(built.preferences, memory, belongs=is_preference(memory), limit=MAX_PREFERENCES),
        project=_put(
            built.project, memory, belongs=is_project_fact(memory, built.key.project), limit=MAX_PROJECT_FACTS
        ),
    )


def _changed(built: BuiltContext, *, preferences: MemorySection | None, project: MemorySection | None) -> BuiltContext:
    if preferences is built.preferences and project is built.project:
        return built
    return replace(built, preferences=preferences, project=project)


def _put(section: MemorySection | None, memory: Memory, *, belongs: bool, limit: int) -> MemorySection | None:
    if section is None:
        return None
    held = next((one for one in section.memories if one.id == memory.id), None)
    if held is not None and held.version > memory.version:
        return section
    if not belongs:
        return section if held is None else _without(section, memory.id)
    others = [one for one in section.memories if one.id != memory.id]
    memories = sorted([*others, memory], key=_place, reverse=True)
    return MemorySection(memories=tuple(memories[:limit]), more=section.more or len(memories) > limit)


def _without(section: MemorySection | None, memory_id: str) -> MemorySection | None:
    if section is None or all(memory.id != memory_id for memory in section.memories):
        return section
    if section.more:
        return None
    return MemorySection(memories=tuple(memory for memory in section.memories if memory.id != memory_id))


def _place(memory: Memory) -> tuple[datetime, str]:
    return memory.created_at, memory.id


def _living(section: MemorySection | None, now: datetime) -> MemorySection | None:
    if section is None or all(memory.expires_at is None or memory.expires_at > now for memory in section.memories):
        return section
    living = (memory for memory in section.memories if memory.expires_at is None or memory.expires_at > now)
    return replace(section, memories=tuple(living))


def _digest(parts: Iterable[tuple[object, ...]]) -> str:
    return hashlib.blake2b(repr(list(parts)).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
