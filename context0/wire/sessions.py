"""Conversations over HTTP: sessions, messages, decisions, the mode of privacy."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from context0.wire.base import Body, Record, Time
from context0.wire.chat import ChatDecision, Mode, Ruling


class SessionRecord(Record):
    """One conversation. summary: what was said in the messages up to `summary_seq`."""

    id: str
    created_at: Time
    updated_at: Time
    title: str = ""
    next_seq: int = 1
    summary: str = ""
    summary_seq: int = 0
    metadata: Mapping[str, Any] = {}


class SessionList(Record):
    """A page of sessions, the latest first."""

    items: tuple[SessionRecord, ...]
    next_cursor: str | None = None


class MessageRecord(Record):
    """One message. partial: it was cut off. fallback: said in place of a model that could not answer."""

    id: str
    session_id: str
    seq: int
    role: Literal["user", "assistant"]
    content: str
    created_at: Time
    state: Literal["complete", "partial", "fallback"] = "complete"
    metadata: Mapping[str, Any] = {}


class MessageList(Record):
    """A page of messages, ascending, the newest page first; the cursor leads to older ones."""

    items: tuple[MessageRecord, ...]
    next_cursor: str | None = None


class DecisionList(Record):
    """A page of contradictions, newest first."""

    items: tuple[ChatDecision, ...]
    next_cursor: str | None = None


class ChangeSession(Body):
    """Another title for a session."""

    title: str = Field(min_length=1, max_length=256, examples=["Moving to Munich"])


class Decide(Body):
    """keep_new: as it stands. keep_both: the old one holds again too. undo: the new one goes, the old one holds."""

    ruling: Ruling


class ModeRequest(Body):
    """The mode of one session, or of all that the user says. mode: None takes it back."""

    mode: Mode | None
    session_id: str | None = Field(default=None, min_length=1, max_length=256)


class ModeRecord(Record):
    """The mode that holds for the next turn."""

    mode: Mode
    session_id: str | None = None
