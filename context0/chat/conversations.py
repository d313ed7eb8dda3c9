"""Sessions, their messages, decisions and modes of a user: read page by page, renamed, settled, deleted."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Final, get_args
from weakref import WeakValueDictionary

from cachetools import TTLCache

from context0.agents.attempts import Missed, attempt
from context0.clock import to_ms
from context0.context.built import MODE_KEY
from context0.context.cache import ContextCache
from context0.context.deltas import SessionRenamed
from context0.errors import InvalidInput
from context0.memory.engine import MemoryEngine
from context0.memory.inputs import check_limit, check_name, check_scope
from context0.privacy.modes import check_mode, effective_mode
from context0.privacy.report import PRIVACY_MODES, PrivacyMode
from context0.wire import ChatDecision, Ruling
from stores.chat_protocol import ChatStore
from stores.cursors import CursorContext
from stores.errors import NotFound
from stores.records import (
    Decision,
    DecisionId,
    DecisionState,
    Keyset,
    MemoryId,
    Message,
    Page,
    Scope,
    Session,
    SessionId,
)

_KNOWN_MODES: Final = 10_000
_MODES_S: Final = 60.0
"""So late a mode that another process has set for a user holds here."""
_PAGE: Final = 1_000
_OPENING_S: Final = 30.0
"""For the first turn of a process, which may open the stores."""
_MODES_DEADLINE_S: Final = 2.0
_MOST_MESSAGES: Final = 999
"""On a page: stores read a thousand at once, and the one behind the page tells that there is another."""
_STATES: Final[dict[Ruling, DecisionState]] = {"keep_new": "kept_new", "keep_both": "kept_both", "undo": "undone"}


class Conversations:
    """What a user can see and change of conversations. Another user's session behaves like an unknown one."""

    def __init__(self, engine: MemoryEngine, contexts: ContextCache) -> None:
        self._engine = engine
        self._contexts = contexts
        self._modes_deadline_s = _MODES_DEADLINE_S
        self._mode_changes = 0
        self._noted: TTLCache[tuple[Scope, SessionId], int] = TTLCache(_KNOWN_MODES, 10 * _MODES_S)
        self._settling: WeakValueDictionary[Scope, asyncio.Lock] = WeakValueDictionary()
        self._modes: TTLCache[tuple[Scope, SessionId | None], PrivacyMode | None] = TTLCache(_KNOWN_MODES, _MODES_S)

    async def sessions(self, *, user_id: str, limit: int = 20, cursor: str | None = None) -> Page[Session]:
        """Return a page of sessions, the latest first, and the cursor of the next. One round trip."""
        scope, limit = check_scope(user_id), check_limit(limit)
        chats = await self._engine.chats()
        after = self._after(cursor, "sessions", scope)
        rows = await chats.list_sessions(scope=scope, limit=limit + 1, after=after)
        keysets = [Keyset(to_ms(one.updated_at), one.id) for one in rows]
        return Page(items=tuple(rows[:limit]), next_cursor=self._next(keysets, limit, "sessions", scope))

    async def session(self, session_id: str, *, user_id: str) -> Session:
        """Return one session, with its summary. Raises NotFound. One round trip."""
        scope, wanted = check_scope(user_id), _session_id(session_id)
        return await (await self._engine.chats()).get_session(wanted, scope=scope)

    async def messages(
        self, session_id: str, *, user_id: str, limit: int = 50, cursor: str | None = None
    ) -> Page[Message]:
        """Return a page of messages, ascending, the newest page first; the cursor leads to older ones.

        Raises NotFound for an unknown session. Two round trips.
        """
        scope, limit, wanted = check_scope(user_id), check_limit(limit), _session_id(session_id)
        chats = await self._engine.chats()
        await chats.get_session(wanted, scope=scope)
        context = f"messages:{wanted}"
        after = self._after(cursor, context, scope)
        limit = min(limit, _MOST_MESSAGES)
        before = None if after is None else after.created_ms
        rows = await chats.recent(wanted, scope=scope, limit=limit + 1, before=before)
        keysets = [Keyset(one.seq, one.id) for one in reversed(rows)]
        return Page(items=tuple(rows[-limit:]), next_cursor=self._next(keysets, limit, context, scope))

    async def rename(self, session_id: str, *, user_id: str, title: str) -> Session:
        """Give a session another title. Raises NotFound, InvalidInput. One round trip."""
        scope, wanted = check_scope(user_id), _session_id(session_id)
        told = check_name("title", title)
        session = await (await self._engine.chats()).update_session(wanted, scope=scope, title=told)
        self._contexts.apply(scope, SessionRenamed(session_id=wanted, title=told))
        self._engine.touched(user_id=user_id)
        return session

    async def delete_session(self, session_id: str, *, user_id: str) -> None:
        """Erase a session with its messages and its summary; memories stay. Raises NotFound."""
        scope, wanted = check_scope(user_id), _session_id(session_id)
        found = await (await self._engine.chats()).delete_session(wanted, scope=scope)
        self._contexts.drop_session(scope, wanted)
        self._modes.pop((scope, wanted), None)
        self._engine.touched(user_id=user_id)
        if not found:
            raise NotFound(wanted[:80])

    @contextlib.asynccontextmanager
    async def _deleting(self, scope: Scope, memory_id: MemoryId) -> AsyncIterator[None]:
        """Drop the summary of the session from which a memory came that is deleted inside: it may hold the same words.

        What was summed up stays so: the summary goes on with the messages that follow. Two reads more, and a write
        where there is a summary.
        """
        found = await self._engine.get_many([memory_id], user_id=scope.owner)
        yield
        told = found[0].provenance.session_id if found else None
        if told is None:
            return
        session_id, chats = SessionId(told), await self._engine.chats()
        with contextlib.suppress(NotFound):
            session = await chats.get_session(session_id, scope=scope)
            if session.summary:
                await chats.update_session(session_id, scope=scope, summary=("", session.summary_seq))
        self._contexts.drop_session(scope, session_id)

    async def set_mode(self, mode: str | None, *, user_id: str, session_id: str | None = None) -> None:
        """Set the privacy mode of a session, or of all that the user says; None takes it back. Raises NotFound."""
        scope = check_scope(user_id)
        chosen = None if mode is None else check_mode(mode)
        chats = await self._engine.chats()
        wanted = None if session_id is None else _session_id(session_id)
        self._modes.pop((scope, wanted), None)  # whatever comes of the write
        self._mode_changes += 1
        if wanted is None:
            profile = {**await chats.get_profile(scope), MODE_KEY: chosen}
            await chats.put_profile(profile, scope=scope)
        else:
            await chats.update_session(wanted, scope=scope, metadata={MODE_KEY: chosen})
        self._modes[scope, wanted] = chosen
        self._engine.touched(user_id=user_id)
        self._mode_changes += 1

    async def mode(self, *, user_id: str, session_id: str | None = None) -> PrivacyMode:
        """Return the mode that holds for the next turn, of a session or without one. Raises NotFound, StoreError."""
        scope, wanted = check_scope(user_id), None if session_id is None else _session_id(session_id)
        if wanted is not None:
            await (await self._engine.chats()).get_session(wanted, scope=scope)
        return effective_mode(None, *await self._known_modes(scope, wanted))

    async def decisions(
        self, *, user_id: str, limit: int = 20, cursor: str | None = None, pending: bool = True
    ) -> Page[ChatDecision]:
        """Return contradictions, newest first: those that wait for the user, or all. Two round trips."""
        scope, limit = check_scope(user_id), check_limit(limit)
        context = f"decisions:{pending}"
        chats = await self._engine.chats()
        after = self._after(cursor, context, scope)
        state: DecisionState | None = "pending" if pending else None
        rows = await chats.list_decisions(scope=scope, limit=limit + 1, after=after, state=state)
        keysets = [Keyset(to_ms(one.created_at), one.id) for one in rows]
        items = await self._with_texts(rows[:limit], scope)
        return Page(items=items, next_cursor=self._next(keysets, limit, context, scope))

    async def decide(self, decision_id: str, ruling: Ruling, *, user_id: str) -> ChatDecision:
        """Settle a contradiction: keep the new, keep both, or take the new one back, which the old one then survives.

        Raises InvalidInput, NotFound, and Conflict for one that was settled before. Done before it is noted: when it
        fails in between it is pending still, and can be settled again. Up to seven round trips.
        """
        scope = check_scope(user_id)
        if ruling not in get_args(Ruling):
            raise InvalidInput("ruling", f"give one of {', '.join(get_args(Ruling))}")
        wanted = DecisionId(check_name("decision_id", decision_id))
        chats = await self._engine.chats()
        lock = self._settling.setdefault(scope, asyncio.Lock())
        async with lock:
            pending = await _pending(chats, wanted, scope)
            if pending is not None:
                await self._settle(pending, ruling, scope)
            decision = await chats.decide(wanted, _STATES[ruling], scope=scope, now=self._engine.clock.now())
        (told,) = await self._with_texts([decision], scope)
        return told

    async def _settle(self, decision: Decision, ruling: Ruling, scope: Scope) -> None:
        """Do to the memories what the ruling says; doing it again changes nothing."""
        with contextlib.suppress(NotFound):  # deleted meanwhile: there is nothing to settle any more
            if ruling == "keep_both":
                await self._engine.keep_both(decision.new_id, user_id=scope.owner)
            elif ruling == "undo":
                await self._engine.delete(decision.new_id, user_id=scope.owner)

    async def _effective(self, mode: str | None, scope: Scope, session_id: SessionId | None) -> PrivacyMode | Missed:
        """Return the mode that holds for a turn. No round trip when it is given or known; else two at the same time.

        Raises InvalidInput for a mode that is given and is none.
        """
        if mode is not None:
            return effective_mode(mode, None, None)
        opened = await attempt("chats", self._engine.chats(), deadline_s=_OPENING_S)
        if isinstance(opened, Missed):
            return opened
        known = await attempt("modes", self._known_modes(scope, session_id), deadline_s=self._modes_deadline_s)
        return known if isinstance(known, Missed) else effective_mode(None, *known)

    async def _known_modes(
        self, scope: Scope, session_id: SessionId | None
    ) -> tuple[PrivacyMode | None, PrivacyMode | None]:
        """Return the modes of the session and of the user."""
        places: list[SessionId | None] = [session_id, None] if session_id is not None else [None]
        unknown = [place for place in places if (scope, place) not in self._modes]
        known = {place: self._modes.get((scope, place)) for place in places}
        if unknown:
            chats = await self._engine.chats()
            reads = (_mode_of(chats, scope, place) for place in unknown)
            for place, found in zip(unknown, await asyncio.gather(*reads, return_exceptions=True), strict=True):
                if isinstance(found, BaseException):
                    raise found
                known[place] = self._modes.setdefault((scope, place), found)  # unless it was set meanwhile
        return (known[session_id] if session_id is not None else None), known[None]

    def _note_mode(self, scope: Scope, session: Session, changes: int) -> None:
        """Take over the mode that a session had when a turn took its numbers, unless one was set here since then.

        So what another process has set holds from the next turn on. changes: `_mode_changes` before that.
        """
        key, told = (scope, session.id), session.metadata.get(MODE_KEY)
        is_newest = session.next_seq > self._noted.get(key, 0)  # turns that overlap end in any order
        if is_newest and changes == self._mode_changes and (told is None or told in PRIVACY_MODES):
            self._noted[key] = session.next_seq
            self._modes[key] = told

    def _forget_modes(self, scope: Scope) -> None:
        for key in [key for key in self._modes if key[0] == scope]:
            self._modes.pop(key, None)
        for noted in [noted for noted in self._noted if noted[0] == scope]:
            self._noted.pop(noted, None)

    async def _with_texts(self, decisions: Sequence[Decision], scope: Scope) -> tuple[ChatDecision, ...]:
        ids = {memory_id for one in decisions for memory_id in (one.new_id, one.old_id)}
        memories = await self._engine.get_many(ids, user_id=scope.owner) if ids else []
        texts = {memory.id: memory.content for memory in memories}
        return tuple(
            ChatDecision(
                id=one.id,
                reason=one.reason,
                new_id=one.new_id,
                old_id=one.old_id,
                new=texts.get(one.new_id),
                old=texts.get(one.old_id),
                state=one.state,
                created_at=one.created_at,
            )
            for one in decisions
        )

    def _after(self, cursor: str | None, query: str, scope: Scope) -> Keyset | None:
        if cursor is None:
            return None
        context = CursorContext(kind="list", owner=scope.owner, query=query)
        return Keyset(*self._engine.cursors.decode(cursor, context, now=self._engine.clock.now()))

    def _next(self, keysets: Sequence[Keyset], limit: int, query: str, scope: Scope) -> str | None:
        if len(keysets) <= limit:
            return None
        context = CursorContext(kind="list", owner=scope.owner, query=query)
        return self._engine.cursors.encode(list(keysets[limit - 1]), context, now=self._engine.clock.now())


async def _pending(chats: ChatStore, wanted: DecisionId, scope: Scope) -> Decision | None:
    """Return a decision if it is pending. One round trip for every 1,000 that are."""
    after: Keyset | None = None
    while page := await chats.list_decisions(scope=scope, limit=_PAGE, after=after, state="pending"):
        found = next((one for one in page if one.id == wanted), None)
        if found is not None or len(page) < _PAGE:
            return found
        after = Keyset(to_ms(page[-1].created_at), page[-1].id)
    return None


async def _mode_of(chats: ChatStore, scope: Scope, session_id: SessionId | None) -> PrivacyMode | None:
    if session_id is None:
        told = (await chats.get_profile(scope)).get(MODE_KEY)
    else:
        try:
            told = (await chats.get_session(session_id, scope=scope)).metadata.get(MODE_KEY)
        except NotFound:  # new, or deleted: whoever takes its numbers finds out
            return None
    return None if told is None else check_mode(str(told))


def _session_id(value: object) -> SessionId:
    return SessionId(check_name("session_id", value))
