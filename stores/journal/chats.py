"""A chat store behind a journal: messages are acknowledged when this machine has them, and written in batches."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from stores.chat_protocol import ChatStore
from stores.journal.flushing import Flusher
from stores.journal.message_log import MessageLog
from stores.journal.options import JournalOptions
from stores.journal.suspects import Suspects
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

_DEFAULTS: Final = JournalOptions()


class JournaledChats:
    """See `stores.protocols.ChatStore`. Only `put_messages` goes through the journal; what waits there is read too.

    Other processes see a message when it is flushed, this one at once. A session that another process deleted may show
    what this one has not flushed yet, until it does. While the store is down messages are taken, up to `max_pending`.
    """

    local = True

    def __init__(
        self,
        store: ChatStore,
        entries: MessageLog,
        options: JournalOptions = _DEFAULTS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._entries = entries
        self._flusher = Flusher(entries, store, options)
        self._suspects = Suspects(options.suspect_s, monotonic)

    @property
    def name(self) -> str:
        return self._store.name

    async def open(self) -> None:
        await self._store.open()
        await self._flusher.start()

    async def aclose(self) -> None:
        """Flush within a deadline, then close; what the store did not take is replayed by whoever opens next."""
        try:
            await self._flusher.stop()
        finally:
            await self._store.aclose()

    async def flush(self) -> None:
        """Bring all that waits to the store. Raises Unavailable, Full when it does not take it: nothing is lost."""
        await self._flusher.flush()

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
        reserved = await self._store.reserve(session, scope=scope, count=count, now=now, begun_s=begun_s)
        if first is not None:
            await self.put_messages([(scope, replace(first, seq=reserved.next_seq - count))], begun_s=[begun_s])
        return reserved

    async def put_messages(
        self, messages: Sequence[tuple[Scope, Message]], *, begun_s: Sequence[float | None] = ()
    ) -> None:
        """Durable on this machine when it returns; no round trip.

        What was erased a while ago goes to the store at once, which knows whether it is gone. What waits is kept with
        the moment in which it was begun, or taken: it may be erased by another process until it is flushed. Raises
        Full when too much waits.
        """
        told = list(zip(messages, begun_s or [time.time()] * len(messages), strict=True))
        doubtful = [one for one in told if self._suspects.has(one[0][0], one[0][1].session_id)]
        if doubtful:
            await self._store.put_messages([pair for pair, _ in doubtful], begun_s=[begun for _, begun in doubtful])
            told = [one for one in told if not self._suspects.has(one[0][0], one[0][1].session_id)]
        if told:
            await self._flusher.take([pair for pair, _ in told], [begun for _, begun in told])

    async def recent(
        self, session_id: SessionId, *, scope: Scope, limit: int, before: int | None = None
    ) -> list[Message]:
        room = (scope.owner, session_id)
        if not self._flusher.holds(room):
            return await self._store.recent(session_id, scope=scope, limit=limit, before=before)
        # the journal first: what is flushed between the two is then in both, not in neither
        waiting = await self._entries.of_session(room, limit=limit, before=before)
        stored = await self._store.recent(session_id, scope=scope, limit=limit, before=before)
        by_number = {message.seq: message for message in (*stored, *waiting)}
        return [by_number[seq] for seq in sorted(by_number)[-limit:]]

    async def get_session(self, session_id: SessionId, *, scope: Scope) -> Session:
        return await self._store.get_session(session_id, scope=scope)

    async def list_sessions(self, *, scope: Scope, limit: int, after: Keyset | None = None) -> list[Session]:
        return await self._store.list_sessions(scope=scope, limit=limit, after=after)

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
        return await self._store.update_session(
            session_id, scope=scope, title=title, summary=summary, metadata=metadata, begun_s=begun_s
        )

    async def delete_session(self, session_id: SessionId, *, scope: Scope) -> bool:
        async with self._flusher.lock:  # no batch is on its way
            self._suspects.add(scope, session_id)
            await self._flusher.erase(scope, (scope.owner, session_id))
            return await self._store.delete_session(session_id, scope=scope)

    async def get_profile(self, scope: Scope) -> Metadata:
        return await self._store.get_profile(scope)

    async def put_profile(self, profile: Metadata, *, scope: Scope) -> None:
        await self._store.put_profile(profile, scope=scope)

    async def put_decisions(self, decisions: Sequence[Decision], *, scope: Scope) -> None:
        await self._store.put_decisions(decisions, scope=scope)

    async def list_decisions(
        self, *, scope: Scope, limit: int, after: Keyset | None = None, state: DecisionState | None = None
    ) -> list[Decision]:
        return await self._store.list_decisions(scope=scope, limit=limit, after=after, state=state)

    async def decide(self, decision_id: DecisionId, state: DecisionState, *, scope: Scope, now: datetime) -> Decision:
        return await self._store.decide(decision_id, state, scope=scope, now=now)

    async def erase(self, scope: Scope) -> dict[str, int]:
        async with self._flusher.lock:
            self._suspects.add(scope)
            waiting = await self._flusher.erase(scope)
            removed = await self._store.erase(scope)
        return {**removed, "messages": removed["messages"] + waiting}

    async def count(self, scope: Scope) -> dict[str, int]:
        """Flushes first: what waits may take the place of what is stored."""
        await self._flusher.flush()
        return await self._store.count(scope)

    async def status(self) -> dict[str, int | str]:
        return {
            **await self._store.status(),
            "journal": self._entries.place,
            "journal_pending": self._flusher.pending,
            "journal_refused": self._flusher.refused,
        }
