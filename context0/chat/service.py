"""The chat: a message in, an answer from memory out, as a stream of events or as a whole. See `ChatService`."""

import asyncio
import contextlib
import logging
import time
import uuid
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Iterator, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Final, Self, TypedDict, TypeVar, Unpack

from context0.agents.attempts import Missed, log_fault
from context0.agents.base import Turn
from context0.agents.coordinator import ContextCoordinator, Emit, build_coordinator
from context0.agents.measuring import TurnMeter
from context0.agents.outcome import Answered, Remembered
from context0.agents.permit import Permit
from context0.chat.conversations import Conversations
from context0.chat.earlier import told_messages
from context0.chat.live import LiveTurn
from context0.chat.repeated import kept_fields, kept_messages, named_turn
from context0.chat.replies import log_turn, reply_fields, tell_remembered
from context0.context.cache import CacheLimits, ContextCache
from context0.context.deltas import MemoryRemoved, MemoryWritten
from context0.context.engine_source import EngineSource
from context0.errors import Context0Error, EngineClosed, LLMError
from context0.llm.protocol import LLM
from context0.memory.changes import (
    Change,
    ChangedElsewhere,
    MemoriesRemoved,
    MemoriesRestored,
    MemoriesWritten,
    OwnerErased,
)
from context0.memory.engine import MemoryEngine
from context0.memory.inputs import check_message, check_name, check_name_or_none, check_names, check_scope, check_time
from context0.settings import Settings
from context0.wire import ChatEvent, ChatReply, DoneEvent, ErrorEvent
from stores.errors import StoreError
from stores.records import Role, Scope, SessionId

log = logging.getLogger(__name__)
T = TypeVar("T")

_CLOSING_S: Final = 5.0
_REMEMBERED_WITHIN_S: Final = 2.0
"""How long `done` waits for what rules remember; a store that is later than that is named in it."""
_MOST_DELTAS: Final = 500
"""Where more memories change at once, contexts are read anew."""
_LOOKED_BACK: Final = 200
"""Messages among which a turn that is sent again is looked for."""
_MOST_EXTRACTIONS: Final = 8
"""Model calls in the background at the same time: answers come first."""


class TurnOptions(TypedDict, total=False):
    """What a turn takes beside its message and its user.

    earlier: (role, text) of the user and the assistant, ascending: what was said before, as the caller tells it, for a
    turn without a session_id; it is shown to the model, and not kept.
    session_id: any name; one that the user has not used begins a session, and users do not share names.
    mode: normal, read_only, off_record or redact; None is the session's, or else the user's, or else normal.
    turn_key: a name for the turn, for `send`: the same again goes on with the same turn, or tells how it ended.
    project: whose facts are used and extended. reference_time: what "yesterday" counts from; default now.
    """

    session_id: str | None
    mode: str | None
    project: str | None
    reference_time: datetime | None
    earlier: Sequence[tuple[Role, str]]
    turn_key: str | None


class ChatService(Conversations):
    """Talks with the memory of an engine: one call of the model a turn, everything else rules, caches and look-ups.

    A turn's messages, and what rules remember of it, are durable when it is done; what takes a model to read follows in
    the background. Use it as an async context manager, or let the engine close it. One service belongs to one loop.
    Errors are `context0.errors.Context0Error` and `stores.errors.StoreError`.
    """

    def __init__(self, engine: MemoryEngine, *, llm: LLM | None = None, extraction_llm: LLM | None = None) -> None:
        """Make a chat on an engine. Without models of its own it has those of the engine's settings.

        extraction_llm: reads messages that rules cannot; None is `llm` of the settings, or no model if `llm` is given.
        """
        self._owns_llm = llm is None
        analyst_llm: LLM | None = None
        if llm is None:
            from context0.runtime import build_models

            models = build_models(engine.settings, engine.recorder)
            llm, extraction_llm, analyst_llm = models.answers, models.extraction, models.analysis
        self._llm = llm
        source = EngineSource(engine)
        contexts = ContextCache(source, clock=engine.clock, limits=_cache_limits(engine.settings))
        super().__init__(engine, contexts)
        self._coordinator: ContextCoordinator = build_coordinator(
            engine, contexts, source, llm=llm, extraction_llm=extraction_llm, analyst_llm=analyst_llm
        )
        self._meter = TurnMeter(engine.recorder)
        self._turns: set[LiveTurn] = set()
        self._background: set[asyncio.Task[Any]] = set()
        self._extractions = asyncio.Semaphore(_MOST_EXTRACTIONS)
        self._closed = False
        self._closing_s = _CLOSING_S
        self._erasing: Counter[Scope] = Counter()
        engine.attach(self.aclose, self._changed, self._quiet, self._owners_at_hand, self._deleting)

    async def __aenter__(self) -> Self:
        """Open the stores, and load what the first turn would wait for."""
        await self._engine.chats()
        self._coordinator.warm()
        await self._llm.warm()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Let the background work end, for up to 5 s, and close the models that were made here. Twice is harmless.

        What is still going on then is cut off, which takes up to 5 s more where a store does not answer.
        """
        if self._closed:
            return
        self._closed = True
        if self._background:
            await asyncio.wait(self._background, timeout=self._closing_s)
        for task in list(self._background):
            task.cancel()
        if self._background:  # what was said so far is kept
            await asyncio.wait(self._background, timeout=self._closing_s)
        for live in list(self._turns):
            await live.permit.idle(within_s=0.0)
        await asyncio.gather(*self._background, return_exceptions=True)
        await self._contexts.aclose()
        if self._owns_llm:
            await self._llm.aclose()

    async def send(self, message: str, *, user_id: str, **options: Unpack[TurnOptions]) -> ChatReply:
        """Answer a message, and return the whole reply: durable, and with what rules remembered of it.

        Raises InvalidInput, NotFound (a session that was deleted, or one to read only that the user does not have),
        LLMError when there is no answer at all, not even the fallback that says so. What failed beside that is named in
        `degraded`.
        """
        live = self._live(user_id)
        with self._alive(live):
            turn, told = await self._again(await self._begun(message, live, options), options.get("turn_key"))
            if told is not None:
                return told
            answered = Answered(turn)
            with self._not_forgotten(answered, live):
                await self._answer(answered, live, _nowhere)
            doubted = self._keep(self._doubted(answered, live), live)
            self._keep(self._afterwards(answered, live, _nowhere, doubted), live)
            remembered = await _outcome(doubted)
        return ChatReply(**reply_fields(answered, remembered))

    async def stream(
        self, message: str, *, user_id: str, **options: Unpack[TurnOptions]
    ) -> AsyncGenerator[ChatEvent, None]:
        """Yield the events of a turn: session, privacy, memories, token…, done, then memory_written if there is any.

        `done` names what rules remembered, which is durable then; a store that took longer than 2 s after the answer is
        named in its `degraded`. What a model reads after that is a memory_written of its own.

        Closing the iterator before `done` ends the turn: the model's call is closed, and what it said is kept, marked
        as partial. After `done` the turn goes on by itself. A failure is an `error` event, the last one if there is no
        answer; bad input raises InvalidInput.
        """
        live = self._live(user_id)
        with self._alive(live):
            answered = Answered(await self._begun(message, live, options))
            running = self._keep(self._streamed(answered, live), live)
        is_done = False
        try:
            while (event := await live.next()) is not None:
                is_done = is_done or event.type == "done"
                yield event
        finally:
            live.has_reader = False
            if not is_done:
                running.cancel()
                await asyncio.wait((running,))

    async def _again(self, turn: Turn, key: str | None) -> tuple[Turn, ChatReply | None]:
        """Return the turn as an attempt before has left it, and its reply if it has one. A round trip with a key."""
        if key is None:
            return turn, None
        turn = turn.evolve(**named_turn(turn.scope, check_name("turn_key", key)))
        session_id = turn.session_id or turn.new_session_id
        assert session_id is not None  # noqa: S101 - a named turn has one
        chats = await self._engine.chats()
        messages = await chats.recent(session_id, scope=turn.scope, limit=_LOOKED_BACK)
        question, answer = kept_messages(turn.id, messages)
        if question is not None and answer is not None and answer.state != "partial":
            return turn, ChatReply(**kept_fields(turn.id, answer))
        return turn if question is None else turn.evolve(session_id=session_id, question=question), None

    async def _begun(self, message: str, live: LiveTurn, options: TurnOptions) -> Turn:
        """Check everything and return the turn, with the mode that holds for it. Raises InvalidInput, EngineClosed."""
        check_names(options, TurnOptions.__annotations__.keys())
        if self._closed:
            raise EngineClosed("the chat was closed; make a new one on an open engine")
        text = check_message(message)
        told_session = check_name_or_none("session_id", options.get("session_id"))
        project = check_name_or_none("project", options.get("project"))
        asked_at = check_time("reference_time", options.get("reference_time")) or self._engine.clock.now()
        session_id = None if told_session is None else SessionId(told_session)
        mode = await self._effective(options.get("mode"), live.scope, session_id)
        is_known = not isinstance(mode, Missed)
        if isinstance(mode, Missed) and isinstance(mode.cause, EngineClosed):
            raise mode.cause
        return Turn(
            id=uuid.uuid4().hex,
            scope=live.scope,
            session_id=session_id,
            text=text,
            asked_at=asked_at,
            mode="redact" if isinstance(mode, Missed) else mode,
            project=project,
            earlier=() if session_id is not None else told_messages(options.get("earlier", ()), asked_at),
            failures={"profile": mode.reason} if isinstance(mode, Missed) else {},
            is_mode_known=is_known,
            begun_s=live.begun_s,
            permit=live.permit,
        )

    async def _streamed(self, answered: Answered, live: LiveTurn) -> None:
        try:
            with self._not_forgotten(answered, live):
                await self._answer(answered, live, live.emit)
                remembered = await _outcome(self._remember(answered, live), within_s=_REMEMBERED_WITHIN_S)
                await live.emit(DoneEvent(**reply_fields(answered, remembered)))
            await self._afterwards(answered, live, live.emit)
        except (Context0Error, StoreError) as failed:
            await live.emit(ErrorEvent(code=failed.code, message=str(failed)))
        except Exception as fault:  # noqa: BLE001 - the edge of the turn's task: the reader is told, and nothing else of it
            log_fault("turn", fault)
            await live.emit(ErrorEvent(code="internal", message="the turn failed; try again"))
        except asyncio.CancelledError:
            live.push(ErrorEvent(code=EngineClosed.code, message="the chat is closing; what came is kept"))
            raise
        finally:
            live.push(None)

    async def _answer(self, answered: Answered, live: LiveTurn, emit: Emit) -> None:
        """Answer a turn. What it told is remembered while the answer comes: nothing of it is needed for that."""

        async def heard(event: ChatEvent) -> None:
            if event.type == "token":
                self._remember(answered, live)
            await emit(event)

        changes = self._mode_changes
        try:
            await self._coordinator.answer(answered, heard)
        except (asyncio.CancelledError, LLMError) as failed:
            self._meter.unanswered(failed.code if isinstance(failed, LLMError) else "cancelled")
            raise
        if answered.turn.session is not None:
            self._note_mode(live.scope, answered.turn.session, changes)
        self._meter.answered(answered)

    @contextlib.contextmanager
    def _not_forgotten(self, answered: Answered, live: LiveTurn) -> Iterator[None]:
        """Remember a turn all the same that gets no answer, or is given up: it was told."""
        try:
            yield
        except (asyncio.CancelledError, LLMError):
            if answered.question is not None and not self._closed:
                self._keep(self._afterwards(answered, live, _nowhere), live)
            raise

    def _remember(self, answered: Answered, live: LiveTurn) -> "asyncio.Task[Remembered]":
        """Begin to remember by rules what the turn told, once."""
        if live.remembering is None:
            remembering = self._meter.remembering("memory_manager", self._coordinator.remember(answered))
            live.remembering = self._keep(remembering, live)
        return live.remembering

    async def _doubted(self, answered: Answered, live: LiveTurn) -> Remembered:
        """Return what rules remembered of the turn, when the user is asked about what contradicts it."""
        remembered = await _outcome(self._remember(answered, live))
        return await self._coordinator.doubts(answered, remembered) if remembered.states_facts else remembered

    async def _afterwards(
        self, answered: Answered, live: LiveTurn, emit: Emit, doubted: "asyncio.Task[Remembered] | None" = None
    ) -> None:
        """Analyse the turn, tell what was remembered of it, and note what takes a model to read."""
        log_turn(answered)
        analysing = self._keep(self._meter.analysing(answered, self._coordinator.analyse(answered)), live)
        remembered = await _outcome(doubted or self._keep(self._doubted(answered, live), live))
        await tell_remembered(remembered, emit)
        if remembered.extraction == "full":
            async with self._extractions:
                extracting = self._coordinator.extract(answered)
                noted = await self._meter.remembering("memory_manager.extract", extracting)
            await tell_remembered(noted, emit)
        await asyncio.wait((analysing,))

    def _live(self, user_id: str) -> LiveTurn:
        scope = check_scope(user_id)
        return LiveTurn(scope, Permit(revoked=scope in self._erasing), time.time())

    @contextlib.contextmanager
    def _alive(self, live: LiveTurn) -> Iterator[None]:
        """Count the turn as under way, so that an erasure of its owner finds it."""
        self._hold(live)
        try:
            yield
        finally:
            self._release(live)

    def _hold(self, live: LiveTurn) -> None:
        live.holders += 1
        self._turns.add(live)

    def _release(self, live: LiveTurn) -> None:
        live.holders -= 1
        if not live.holders:
            self._turns.discard(live)

    def _keep(self, work: Coroutine[Any, Any, T], live: LiveTurn) -> "asyncio.Task[T]":
        """Run a part of a turn to its end, also when whoever started it has gone."""
        task = asyncio.create_task(work, name="context0-chat")
        self._hold(live)
        self._background.add(task)

        def ended(task: "asyncio.Task[T]") -> None:
            self._background.discard(task)
            self._release(live)

        task.add_done_callback(ended)
        return task

    def _changed(self, scope: Scope, change: Change) -> None:
        """Take over what the engine tells of an owner's memories into what is built of them."""
        match change:
            case MemoriesWritten(memories=many) | MemoriesRemoved(ids=many) if len(many) > _MOST_DELTAS:
                self._contexts.drop(scope)
            case MemoriesWritten(memories=memories):
                for memory in memories:
                    self._contexts.apply(scope, MemoryWritten(memory=memory))
            case MemoriesRemoved(ids=ids):
                for memory_id in ids:
                    self._contexts.apply(scope, MemoryRemoved(memory_id=memory_id))
            case MemoriesRestored():
                self._contexts.drop(scope)
            case OwnerErased() | ChangedElsewhere():
                self._contexts.drop(scope)
                self._forget_modes(scope)

    def _owners_at_hand(self) -> set[Scope]:
        return self._contexts.owners() | {scope for scope, _ in self._modes}

    @contextlib.asynccontextmanager
    async def _quiet(self, scope: Scope) -> AsyncIterator[None]:
        """Let no turn of an owner write that begins before the end of this; entered when no write is under way."""
        self._erasing[scope] += 1
        try:
            for live in [live for live in self._turns if live.scope == scope]:
                live.permit.revoke()
                await live.permit.idle()
            yield
        finally:
            self._erasing[scope] -= 1
            if not self._erasing[scope]:
                del self._erasing[scope]
            self._contexts.drop(scope)


async def _nowhere(_: ChatEvent) -> None:
    """For a turn that nobody watches."""


async def _outcome(remembering: "asyncio.Task[Remembered]", within_s: float | None = None) -> Remembered:
    """Return what was remembered; what was cut off, or is not yet through, is a failure in it."""
    if not remembering.done():
        await asyncio.wait((remembering,), timeout=within_s)
    if remembering.done() and not remembering.cancelled():
        return remembering.result()
    return Remembered(failures=(("memory_manager", "cancelled" if remembering.done() else "deadline"),))


def _cache_limits(settings: Settings | None) -> CacheLimits:
    if settings is None:
        return CacheLimits()
    return CacheLimits(ttl_s=settings.context_cache_ttl_s, max_bytes=settings.context_cache_bytes)
