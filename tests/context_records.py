"""Messages, memories and a source of them, as the tests of contexts need them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from context0.context.built import is_preference, is_project_fact
from context0.context.deltas import (
    Delta,
    MemoryRemoved,
    MemoryWritten,
    MessageAdded,
    SessionRenamed,
    SummaryChanged,
)
from context0.memory.results import FoundMemory
from stores.errors import NotFound
from stores.records import Memory, MemoryId, Message, MessageId, Role, Scope, Session, SessionId

NOW: Final = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
ANNA: Final = Scope(owner="anna")
SESSION: Final = SessionId("s1")


def message(seq: int, text: str = "", *, role: Role | None = None, session: str = "s1", **changes: Any) -> Message:
    """Odd numbers are the user's."""
    return Message(
        id=MessageId(f"{session}/{seq}"),
        session_id=SessionId(session),
        seq=seq,
        role=role or ("user" if seq % 2 else "assistant"),
        content=text or f"message {seq}",
        created_at=NOW + timedelta(seconds=seq),
        **changes,
    )


def memory(number: int, text: str = "", **changes: Any) -> Memory:
    created = NOW + timedelta(minutes=number)
    return Memory(
        id=MemoryId(f"m{number:04}"),
        user_id="anna",
        content=text or f"memory {number}",
        created_at=created,
        updated_at=created,
        **changes,
    )


def found(*memories: Memory) -> tuple[FoundMemory, ...]:
    return tuple(FoundMemory(memory=one, score=1.0 / (1 + at), arms={}) for at, one in enumerate(memories))


@dataclass
class ListedSource:
    """A `ContextSource` over lists; it counts what it is asked, and changes as the deltas say."""

    messages: dict[tuple[str, int], Message] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)
    memories: dict[str, Memory] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        for name in ("s1", "s2"):
            self.sessions.setdefault(name, Session(id=SessionId(name), created_at=NOW, updated_at=NOW))

    async def recent(
        self, session_id: SessionId, *, scope: Scope, limit: int, before: int | None = None
    ) -> list[Message]:
        self.asked["history"] += 1
        of_session = [one for (session, _), one in sorted(self.messages.items()) if session == session_id]
        return [one for one in of_session if before is None or one.seq < before][-limit:]

    async def get_session(self, session_id: SessionId, *, scope: Scope) -> Session:
        self.asked["session"] += 1
        if session_id not in self.sessions:
            raise NotFound(session_id)
        return self.sessions[session_id]

    async def preferences(self, *, scope: Scope, limit: int) -> Sequence[Memory]:
        self.asked["preferences"] += 1
        return [one for one in self._newest_first() if is_preference(one)][:limit]

    async def project_facts(self, project: str, *, scope: Scope, limit: int) -> Sequence[Memory]:
        self.asked["project"] += 1
        return [one for one in self._newest_first() if is_project_fact(one, project)][:limit]

    def write(self, delta: Delta) -> None:
        """Do to the lists what the delta tells of."""
        match delta:
            case MessageAdded(message=one):
                self.messages[one.session_id, one.seq] = one
            case MemoryWritten(memory=one):
                self.memories[one.id] = one
            case MemoryRemoved(memory_id=memory_id):
                self.memories.pop(memory_id, None)
            case SummaryChanged(session_id=name, summary=summary, summary_seq=seq):
                session = self.sessions[name]
                if seq >= session.summary_seq:
                    self.sessions[name] = _changed(session, summary=summary, summary_seq=seq)
            case SessionRenamed(session_id=name, title=title):
                self.sessions[name] = _changed(self.sessions[name], title=title)

    def _newest_first(self) -> list[Memory]:
        return sorted(self.memories.values(), key=lambda one: (one.created_at, one.id), reverse=True)


def _changed(session: Session, **changes: Any) -> Session:
    fields = {name: getattr(session, name) for name in Session.__dataclass_fields__}
    return Session(**fields | changes)
