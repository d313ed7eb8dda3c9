"""What a chat store must do: every obligation that tests/contracts/test_chats*.py check.

Like all stores (see `stores.protocols`): a call sees only its `scope`; another owner's id behaves like an unknown one;
a failure raises `Unavailable` and is never an empty result; `open` may be called again, `aclose` twice.

Session ids are an owner's own: two owners may each have a session "s1", and nothing tells either of the other's.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

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


class ChatStore(Protocol):
    """Conversations: sessions, their messages, the owner's chat profile, and decisions that wait for the owner."""

    @property
    def name(self) -> str: ...

    @property
    def local(self) -> bool:
        """True where a write is a commit on this machine; elsewhere a journal goes before it."""

    async def open(self) -> None: ...

    async def aclose(self) -> None: ...

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
        """Take the next `count` (1..100) message numbers, and return the session as it is after that.

        The numbers taken are [next_seq - count, next_seq), and `updated_at` is now. A session that does not exist is
        created as `session` says besides, its numbers from 1. Holds under concurrency: no number is given twice.
        first: a message of the session that gets the first of the numbers, whatever its own is, and is durable when
        this returns; where it cannot be written the numbers may be lost.
        One round trip, two for the same new session at the same moment; with a message as many more as `put_messages`
        takes, unless the store writes both at once.
        Raises NotFound for a session that the owner has deleted: its id stays taken until the owner is erased; Erased
        where that was after `begun_s`, see `stores.lateness`: then there is nothing of it.
        """

    async def put_messages(
        self, messages: Sequence[tuple[Scope, Message]], *, begun_s: Sequence[float | None] = ()
    ) -> None:
        """Write messages (1..1,000) of one or several owners, each in the place of its (owner, session, seq).

        Safe to repeat; the last write of a place counts. A message whose session its owner does not
        have, or not any more, is left out: late writes do not bring back what was deleted. So is one that was begun
        before its owner was erased, also if a session of the same name was made since; begun_s: one for each message,
        or none, see `stores.lateness`. A store behind a journal
        may find that out when it flushes. Durable when it returns. At most two round trips, one more for messages that
        are left out.
        Raises Full when there is no space: then nothing was taken.
        """

    async def recent(
        self, session_id: SessionId, *, scope: Scope, limit: int, before: int | None = None
    ) -> list[Message]:
        """Return the last `limit` (1..1,000) messages with a number below `before`, in ascending order.

        An unknown session has none. A page far back costs what the last one costs. One round trip.
        """

    async def get_session(self, session_id: SessionId, *, scope: Scope) -> Session:
        """Raises NotFound. One round trip."""

    async def list_sessions(self, *, scope: Scope, limit: int, after: Keyset | None = None) -> list[Session]:
        """Return up to `limit` (1..1,001) sessions, the latest first by (updated_at, id), after the keyset.

        The keyset's `created_ms` is here the session's `updated_at`. One round trip.
        """

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
        """Change what is given, and return the session. `updated_at` stays: it tells of messages. Raises NotFound.

        summary: the text and its `summary_seq`; one that covers less than the stored one is ignored. One round trip,
        two when it is ignored. metadata: its keys are set, the others stay as somebody else may have set them.
        begun_s: of before the owner was erased, it meant another session: NotFound.
        """

    async def delete_session(self, session_id: SessionId, *, scope: Scope) -> bool:
        """Erase a session with its messages; return whether it was there. What is written to it later is left out.

        What stays until the owner is erased is a tombstone (id, owner, no text): a session of the same id cannot begin
        anew, as late writes of the old one would go into it. At most two round trips.
        """

    async def get_profile(self, scope: Scope) -> Metadata:
        """Return the owner's chat settings, empty if there are none. One round trip."""

    async def put_profile(self, profile: Metadata, *, scope: Scope) -> None:
        """Replace the owner's chat settings. One write."""

    async def put_decisions(self, decisions: Sequence[Decision], *, scope: Scope) -> None:
        """Write new decisions; an id that is there already stays as it is. One write."""

    async def list_decisions(
        self, *, scope: Scope, limit: int, after: Keyset | None = None, state: DecisionState | None = None
    ) -> list[Decision]:
        """Return up to `limit` (1..1,001) decisions, newest first by (created_at, id), after the keyset.

        One round trip.
        """

    async def decide(self, decision_id: DecisionId, state: DecisionState, *, scope: Scope, now: datetime) -> Decision:
        """Settle a pending decision, and return it. Raises NotFound, and Conflict for one that was settled before.

        One round trip, two when it raises.
        """

    async def erase(self, scope: Scope) -> dict[str, int]:
        """Remove everything of the owner, and return what was removed: "sessions", "messages", "profiles", "decisions".

        No byte of it is left in the files that the store writes itself. Safe to repeat; counts are then 0.
        """

    async def count(self, scope: Scope) -> dict[str, int]:
        """Return how many records of each kind the owner has, tombstones of sessions included; kinds as `erase`."""

    async def status(self) -> dict[str, int | str]:
        """Return facts for `doctor`: how many sessions and messages there are, and what waits in a journal."""
