"""Sessions, messages and decisions to rows and back: pure."""

from typing import Any, Final

import orjson

from stores.records import Decision, Message, Metadata, Session, SessionId
from stores.sqlite.codec import from_ms, from_ms_or_none, to_ms, to_ms_or_none
from stores.sqlite.schema import ROWS_PER_SESSION

SESSION: Final = "id, created_ms, updated_ms, next_seq, title, summary, summary_seq, metadata"
MESSAGE: Final = "row, id, role, content, created_ms, state, metadata"
DECISION: Final = "id, reason, new_id, old_id, created_ms, state, decided_ms"


def message_range(session_no: int) -> tuple[int, int]:
    """Return the first and the last row that messages of the session can have."""
    return session_no * ROWS_PER_SESSION, (session_no + 1) * ROWS_PER_SESSION - 1


def encode_message(message: Message, session_no: int) -> tuple[Any, ...]:
    """Return the values for MESSAGE."""
    return (
        session_no * ROWS_PER_SESSION + message.seq,
        message.id,
        message.role,
        message.content,
        to_ms(message.created_at),
        message.state,
        encode_json(message.metadata),
    )


def decode_message(row: tuple[Any, ...], session_id: SessionId) -> Message:
    return Message(
        id=row[1],
        session_id=session_id,
        seq=row[0] % ROWS_PER_SESSION,
        role=row[2],
        content=row[3],
        created_at=from_ms(row[4]),
        state=row[5],
        metadata=orjson.loads(row[6]),
    )


def decode_session(row: tuple[Any, ...]) -> Session:
    return Session(
        id=row[0],
        created_at=from_ms(row[1]),
        updated_at=from_ms(row[2]),
        next_seq=row[3],
        title=row[4],
        summary=row[5],
        summary_seq=row[6],
        metadata=orjson.loads(row[7]),
    )


def encode_decision(decision: Decision) -> tuple[Any, ...]:
    """Return the values for DECISION."""
    return (
        decision.id,
        decision.reason,
        decision.new_id,
        decision.old_id,
        to_ms(decision.created_at),
        decision.state,
        to_ms_or_none(decision.decided_at),
    )


def decode_decision(row: tuple[Any, ...]) -> Decision:
    return Decision(
        id=row[0],
        reason=row[1],
        new_id=row[2],
        old_id=row[3],
        created_at=from_ms(row[4]),
        state=row[5],
        decided_at=from_ms_or_none(row[6]),
    )


def encode_json(metadata: Metadata) -> str:
    return orjson.dumps(metadata).decode()
