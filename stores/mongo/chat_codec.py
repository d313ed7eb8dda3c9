"""Sessions, messages and decisions to BSON documents and back: pure. The field names are a contract."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from stores.mongo.codec import Row, escape, moment, unescape
from stores.records import Decision, Message, Session, SessionId

TEXTS_OF_SESSION: Final = ("created_at", "updated_at", "title", "last_seq", "summary", "summary_seq", "metadata")
"""What a tombstone lacks."""


def session_key(session_id: SessionId, owner: str) -> str:
    """Return the `_id` of a session: another one for every (owner, id), whatever they hold; an owner's sort as the ids.

    The length tells where the owner ends.
    """
    return f"{len(owner)}:{owner}:{session_id}"


def message_key(message: Message, owner: str) -> str:
    """Return the `_id` of a message's place: another one for every (owner, session, seq)."""
    return f"{session_key(message.session_id, owner)}:{message.seq}"


def encode_message(message: Message) -> Row:
    """Return what is set in a message's document, but for its `_id` and its owner."""
    return {
        "message_id": message.id,
        "session_id": message.session_id,
        "seq": message.seq,
        "role": message.role,
        "content": message.content,
        "created_at": message.created_at,
        "state": message.state,
        "metadata": escape(message.metadata),
    }


def decode_message(row: Mapping[str, Any]) -> Message:
    return Message(
        id=row["message_id"],
        session_id=row["session_id"],
        seq=int(row["seq"]),
        role=row["role"],
        content=row["content"],
        created_at=moment(row["created_at"]),
        state=row["state"],
        metadata=unescape(row["metadata"]),
    )


def reservation(session: Session, count: int, now: datetime) -> Row:
    """Return the update that takes `count` numbers; on a new document it also sets what `session` says."""
    new = {
        "session_id": session.id,
        "created_at": session.created_at,
        "title": session.title,
        "summary": session.summary,
        "summary_seq": session.summary_seq,
        "metadata": escape(session.metadata),
    }
    return {"$inc": {"last_seq": count}, "$set": {"updated_at": now}, "$setOnInsert": new}


def decode_session(row: Mapping[str, Any]) -> Session:
    return Session(
        id=row["session_id"],
        created_at=moment(row["created_at"]),
        updated_at=moment(row["updated_at"]),
        title=row["title"],
        next_seq=int(row["last_seq"]) + 1,
        summary=row["summary"],
        summary_seq=int(row["summary_seq"]),
        metadata=unescape(row["metadata"]),
    )


def encode_decision(decision: Decision, owner: str) -> Row:
    row = {
        "_id": decision.id,
        "reason": decision.reason,
        "new_id": decision.new_id,
        "old_id": decision.old_id,
        "created_at": decision.created_at,
        "state": decision.state,
        "decided_at": decision.decided_at,
        "source_user_id": owner,
    }
    return {name: value for name, value in row.items() if value is not None}


def decode_decision(row: Mapping[str, Any]) -> Decision:
    return Decision(
        id=row["_id"],
        reason=row["reason"],
        new_id=row["new_id"],
        old_id=row["old_id"],
        created_at=moment(row["created_at"]),
        state=row["state"],
        decided_at=moment(row["decided_at"]) if "decided_at" in row else None,
    )
