"""Remembers for a while what was erased: the store, not the journal, decides about what is written there late."""

from collections.abc import Callable
from typing import Final

from stores.records import Scope, SessionId

MAX_SUSPECTS: Final = 10_000


class Suspects:
    """Owners and sessions that were erased within the last `keep_s` seconds; the oldest leave first when it is full."""

    def __init__(self, keep_s: float, monotonic: Callable[[], float]) -> None:
        self._keep_s = keep_s
        self._monotonic = monotonic
        self._until: dict[tuple[str, SessionId | None], float] = {}

    def add(self, scope: Scope, session_id: SessionId | None = None) -> None:
        """Suspect a session, or all of the owner's."""
        now = self._monotonic()
        self._until.pop((scope.owner, session_id), None)  # to the end: in the order of their time
        while self._until and (len(self._until) >= MAX_SUSPECTS or next(iter(self._until.values())) <= now):
            del self._until[next(iter(self._until))]
        self._until[scope.owner, session_id] = now + self._keep_s

    def has(self, scope: Scope, session_id: SessionId) -> bool:
        now = self._monotonic()
        return any(self._until.get((scope.owner, key), now) > now for key in (None, session_id))
