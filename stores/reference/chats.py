"""The chat store over dicts: what the protocol means, in the fewest words."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

from stores.errors import Conflict, NotFound
from stores.records import (
    Decision,
    DecisionId,
    DecisionState,
    Keyset,
    Message,
    Metadata,
    Scope,
    Session,
    SessionId,
)
from stores.reference.erasures import Erasures

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_ItemT = TypeVar("_ItemT")


@dataclass(slots=True, kw_only=True)
class _Room:
    """One session with its messages by number; `session` is None once it was deleted."""

    session: Session | None
    messages: dict[int, Message] = field(default_factory=dict)


class ReferenceChats:
    """A ChatStore that keeps everything in dicts. A deleted session stays as a room without session or messages."""

    name = "reference-chats"
    local = True

    def __init__(self) -> None:
        self._rooms: dict[tuple[str, SessionId], _Room] = {}
        self._profiles: dict[str, Metadata] = {}
        self._decisions: dict[DecisionId, tuple[str, Decision]] = {}
        self._erasures = Erasures()

    async def open(self) -> None:
        """Nothing to connect to."""

    async def aclose(self) -> None:
        """Nothing to close."""

    async def reserve(
        self,
        session: Session,
        *,
        scope: Scope,
        count: int,
        now: datetime,
        first: Message | None = None,
        begun_s: float | None = None,
    ) -> Session:
        self._erasures.refuse_late(scope.owner, begun_s)
        new = _Room(session=replace(session, next_seq=1, updated_at=now))
        room = self._rooms.setdefault((scope.owner, session.id), new)
        if room.session is None:
            raise NotFound(session.id, kind="session")
        room.session = replace(room.session, next_seq=room.session.next_seq + count, updated_at=now)
        if first is not None:
            seq = room.session.next_seq - count
            room.messages[seq] = replace(first, seq=seq)
        return room.session

    async def put_messages(
        self, messages: Sequence[tuple[Scope, Message]], *, begun_s: Sequence[float | None] = ()
    ) -> None:
        for (scope, message), begun in zip(messages, begun_s or [None] * len(messages), strict=True):
            room = self._live(message.session_id, scope)
            if room is not None and not self._erasures.is_late(scope.owner, begun):
                room.messages[message.seq] = message

    async def recent(
        self, session_id: SessionId, *, scope: Scope, limit: int, before: int | None = None
    ) -> list[Message]:
        room = self._live(session_id, scope)
        if room is None:
            return []
        numbers = sorted(seq for seq in room.messages if before is None or seq < before)
        return [room.messages[seq] for seq in numbers[-limit:]]

    async def get_session(self, session_id: SessionId, *, scope: Scope) -> Session:
        room = self._live(session_id, scope)
        if room is None or room.session is None:
            raise NotFound(session_id, kind="session")
        return room.session

    async def list_sessions(self, *, scope: Scope, limit: int, after: Keyset | None = None) -> list[Session]:
        sessions = (room.session for room in self._rooms_of(scope))
        keyed = ((Keyset(_to_ms(session.updated_at), session.id), session) for session in sessions if session)
        return _page(keyed, limit, after)

    async def update_session(
        self,
        session_id: SessionId,
        *,
        scope: Scope,
        title: str | None = None,
        summary: tuple[str, int] | None = None,
        metadata: Metadata | None = None,
        begun_s: float | None = None,
    ) -> Session:
        session = await self.get_session(session_id, scope=scope)
        if self._erasures.is_late(scope.owner, begun_s):
            raise NotFound(session_id, kind="session")
        if title is not None:
            session = replace(session, title=title)
        if summary is not None and summary[1] >= session.summary_seq:
            session = replace(session, summary=summary[0], summary_seq=summary[1])
        if metadata is not None:
            session = replace(session, metadata={**session.metadata, **metadata})
        self._rooms[scope.owner, session_id].session = session
        return session

    async def delete_session(self, session_id: SessionId, *, scope: Scope) -> bool:
        room = self._live(session_id, scope)
        if room is None:
            return False
        self._rooms[scope.owner, session_id] = _Room(session=None)
        return True

    async def get_profile(self, scope: Scope) -> Metadata:
        return self._profiles.get(scope.owner, {})

    async def put_profile(self, profile: Metadata, *, scope: Scope) -> None:
        self._profiles[scope.owner] = profile

    async def put_decisions(self, decisions: Sequence[Decision], *, scope: Scope) -> None:
        for decision in decisions:
            self._decisions.setdefault(decision.id, (scope.owner, decision))

    async def list_decisions(
        self, *, scope: Scope, limit: int, after: Keyset | None = None, state: DecisionState | None = None
    ) -> list[Decision]:
        hers = (decision for owner, decision in self._decisions.values() if owner == scope.owner)
        wanted = (decision for decision in hers if state is None or decision.state == state)
        return _page(((Keyset(_to_ms(item.created_at), item.id), item) for item in wanted), limit, after)

    async def decide(self, decision_id: DecisionId, state: DecisionState, *, scope: Scope, now: datetime) -> Decision:
        owner, decision = self._decisions.get(decision_id, (None, None))
        if decision is None or owner != scope.owner:
            raise NotFound(decision_id, kind="decision")
        if decision.state != "pending":
            raise Conflict(f"{decision_id} was settled before, as {decision.state}")
        settled = replace(decision, state=state, decided_at=now)
        self._decisions[decision_id] = (scope.owner, settled)
        return settled

    async def erase(self, scope: Scope) -> dict[str, int]:
        removed = await self.count(scope)
        self._rooms = {key: room for key, room in self._rooms.items() if key[0] != scope.owner}
        self._decisions = {key: pair for key, pair in self._decisions.items() if pair[0] != scope.owner}
        self._profiles.pop(scope.owner, None)
        self._erasures.note(scope.owner)
        return removed

    async def count(self, scope: Scope) -> dict[str, int]:
        rooms = self._rooms_of(scope)
        return {
            "sessions": len(rooms),
            "messages": sum(len(room.messages) for room in rooms),
            "profiles": int(scope.owner in self._profiles),
            "decisions": sum(owner == scope.owner for owner, _ in self._decisions.values()),
        }

    async def status(self) -> dict[str, int | str]:
        return {
            "sessions": sum(room.session is not None for room in self._rooms.values()),
            "messages": sum(len(room.messages) for room in self._rooms.values()),
        }

    def _live(self, session_id: SessionId, scope: Scope) -> _Room | None:
        room = self._rooms.get((scope.owner, session_id))
        return room if room is not None and room.session is not None else None

    def _rooms_of(self, scope: Scope) -> list[_Room]:
        return [room for (owner, _), room in self._rooms.items() if owner == scope.owner]


def _to_ms(moment: datetime) -> int:
    return (moment - _EPOCH) // _MILLISECOND


def _page(keyed: Iterable[tuple[Keyset, _ItemT]], limit: int, after: Keyset | None) -> list[_ItemT]:
    """Return what comes after the keyset, the greatest first."""
    rows = sorted(keyed, key=lambda pair: pair[0], reverse=True)
    return [item for keyset, item in rows if after is None or keyset < after][:limit]
