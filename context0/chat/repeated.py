"""A turn that is sent again under the same name: its ids, and how it ended as its messages tell. Pure."""

import uuid
from collections.abc import Sequence
from typing import Any

from context0.agents.transcript import answer_id, question_id
from context0.cache.keys import digest
from context0.context.built import MEMORIES_USED_KEY, MODE_KEY
from context0.wire import Usage
from stores.records import Message, Scope, SessionId


def named_turn(scope: Scope, key: str) -> dict[str, Any]:
    """Return the fields of a turn that its name decides; names are an owner's own."""
    turn_id = digest(scope.owner, key).hex()[:32]
    return {"id": turn_id, "new_session_id": SessionId(str(uuid.UUID(turn_id)))}


def kept_messages(turn_id: str, messages: Sequence[Message]) -> tuple[Message | None, Message | None]:
    """Return the turn's question and its answer among messages; None for what is not there."""
    by_id = {one.id: one for one in messages}
    return by_id.get(question_id(turn_id)), by_id.get(answer_id(turn_id))


def kept_fields(turn_id: str, answer: Message) -> dict[str, Any]:
    """Return the fields of a reply, as its answer was kept."""
    told = answer.metadata
    return {
        "text": answer.content,
        "session_id": answer.session_id,
        "turn_id": turn_id,
        "message_id": answer.id,
        "state": answer.state,
        "memories_used": tuple(told.get(MEMORIES_USED_KEY, ())),
        "cited": tuple(told.get("cited", ())),
        "usage": Usage(**told.get("usage", {})),
        "model": told.get("model", ""),
        "fallback": told.get("fallback"),
        "mode": told.get(MODE_KEY, "normal"),
    }
