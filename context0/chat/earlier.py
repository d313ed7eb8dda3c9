"""A conversation as a caller tells it, for turns that continue no session: checked, and as messages."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, get_args

from context0.context.built import MAX_HISTORY
from context0.errors import InvalidInput
from context0.memory.inputs import check_storable
from stores.records import Message, MessageId, Role, SessionId

_UNKEPT: Final = SessionId("")


def told_messages(earlier: object, asked_at: datetime) -> tuple[Message, ...]:
    """Return the last messages of those told, numbered below every message that is kept. Raises InvalidInput."""
    if isinstance(earlier, str) or not isinstance(earlier, Sequence):
        raise InvalidInput("earlier", "give a list of (role, text)")
    last = earlier[-MAX_HISTORY:]
    return tuple(_message(one, number, asked_at) for number, one in enumerate(last, start=-len(last)))


def _message(told: object, number: int, asked_at: datetime) -> Message:
    match told:
        case (str(role), str(text)) if role in get_args(Role):
            return Message(
                id=MessageId(f"earlier{number}"),
                session_id=_UNKEPT,
                seq=number,
                role=role,  # type: ignore[arg-type]  # one of them
                content=check_storable("earlier", text),
                created_at=asked_at,
            )
    raise InvalidInput("earlier", f"each is a role ({', '.join(get_args(Role))}) and a text")
