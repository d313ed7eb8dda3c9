"""Which session a conversation of an OpenAI client belongs to: such clients send all of it each time, and no name."""

import hashlib
import time
from collections.abc import Callable, Sequence
from typing import Final

import orjson
from cachetools import TTLCache

_MOST: Final = 50_000
_KEPT_S: Final = 3_600.0
Spoken = tuple[str, str]
"""(role, text)."""


class Threads:
    """Conversations of this process of the last hour, by all that was said in them; the texts are not kept.

    One that is not known here gets a new session, and its messages come from the request.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._sessions: TTLCache[bytes, tuple[str, str]] = TTLCache(_MOST, _KEPT_S, timer=clock)

    def take(self, owner: str, said: Sequence[Spoken]) -> str | None:
        """Return the session in which exactly this was said; the next one with the same beginning is another one."""
        _, session_id = self._sessions.pop(_key(owner, said), (owner, None)) if said else (owner, None)
        return session_id

    def put(self, owner: str, said: Sequence[Spoken], session_id: str) -> None:
        self._sessions[_key(owner, said)] = (owner, session_id)

    def forget(self, owner: str, session_id: str | None = None) -> None:
        """Forget a session that was deleted, or all of an owner."""
        for key, (held, session) in list(self._sessions.items()):
            if held == owner and session_id in (None, session):
                self._sessions.pop(key, None)


def _key(owner: str, said: Sequence[Spoken]) -> bytes:
    return hashlib.sha256(orjson.dumps([owner, said])).digest()
