"""What a turn needs before its answer, looked up at the same time: memory, history, and its place in the session."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from context0.agents.attempts import Missed, attempt, guarded
from context0.agents.base import Agent, Turn
from context0.agents.outcome import Answered
from context0.agents.transcript import PERSIST_DEADLINE_S, Transcript
from context0.context.built import BuiltContext, ContextKey, History, session_facts
from context0.context.cache import ContextCache
from stores.errors import NotFound
from stores.records import Message, Session

if TYPE_CHECKING:
    from context0.context.tiers import Part

T = TypeVar("T")

CONTEXT_DEADLINE_S: Final = 2.0
_PAIR: Final = 2
_SLACK_S: Final = 1.0
"""Beside a write's own deadline, so that the write ends first."""


class Retrieval(Agent, Protocol):
    """The agent that looks up memories."""

    async def recall(self, turn: Turn, built: BuiltContext) -> Turn: ...


class Preparation:
    """Looks everything up for a turn that is classified; what failed stands in the turn."""

    def __init__(self, retrieval: Retrieval, transcript: Transcript, contexts: ContextCache) -> None:
        self._retrieval = retrieval
        self._transcript = transcript
        self._contexts = contexts

    def at_hand(self, turn: Turn) -> BuiltContext | None:
        """Return what is known of the turn's conversation without a query, if the turn may use it."""
        if turn.privacy is None or not turn.privacy.uses_history:
            return None
        return _told(turn, None) if turn.earlier else self._contexts.held(_key(turn))

    async def run(self, answered: Answered) -> BuiltContext | None:
        """Fill `answered.turn`, and return the context of its prompt; None where none is used, or could be had.

        Raises NotFound for a session that the owner has deleted; in a turn that only reads, also for one that the owner
        does not have.
        """
        turn = answered.turn
        is_kept = turn.privacy is not None and turn.privacy.stores_messages
        is_new = turn.session_id is None
        if is_kept and is_new:
            turn = turn.evolve(session_id=turn.new_session_id or self._transcript.new_session_id())
            self._contexts.begin(_key(turn))
        async with asyncio.TaskGroup() as group:  # a turn that is given up ends when its parts have ended
            beginning = group.create_task(_timed("session", answered, lambda: self._begun(turn, is_kept=is_kept)))
            looking = group.create_task(
                _timed("retrieval", answered, lambda: guarded(self._retrieval, turn, self._retrieval.run(turn)))
            )
            reading = group.create_task(_timed("history", answered, lambda: self._context(turn, is_new=is_new)))
        begun, looked_up, context = beginning.result(), looking.result(), reading.result()
        for part in (begun, context):
            if isinstance(part, Missed) and isinstance(part.cause, NotFound):
                raise part.cause
        turn = looked_up
        if isinstance(begun, Missed):
            turn = turn.evolve(session_id=None if is_new else turn.session_id).failed("session", begun.reason)
        elif begun is not None:
            session, answered.question = begun
            turn = turn.evolve(session=session)
        if isinstance(context, Missed):
            turn, context = turn.failed("history", context.reason), None
        if turn.earlier and turn.privacy is not None and turn.privacy.uses_history:
            context = _told(turn, context)
        answered.turn, built = await self._completed(turn, context)
        return built

    async def _begun(self, turn: Turn, *, is_kept: bool) -> tuple[Session, Message] | Missed | None:
        """Take two message numbers, and keep the question. Without the store the turn goes on, and is not kept."""
        if not is_kept:
            return None
        return await attempt("session", self._transcript.begin(turn), deadline_s=PERSIST_DEADLINE_S + _SLACK_S)

    async def _context(self, turn: Turn, *, is_new: bool) -> BuiltContext | Missed | None:
        if turn.privacy is None or not turn.privacy.uses_history or turn.tier is None:
            return None
        parts: set[Part] = set(turn.tier.parts) - {"session"}  # it comes with the numbers
        if is_new:
            parts -= {"history"}
        elif not turn.privacy.stores_messages:
            parts |= {"session"}
        return await attempt("history", self._contexts.get(_key(turn), parts), deadline_s=CONTEXT_DEADLINE_S)

    async def _completed(self, turn: Turn, built: BuiltContext | None) -> tuple[Turn, BuiltContext | None]:
        """Return both with what the session's record tells, what another process wrote, and what a fix-up recalls."""
        if built is None:
            return turn, None
        if turn.session is not None:
            turn, built = await self._up_to(turn, turn.session, built)
        if turn.tier is not None and turn.tier.recalls:
            turn = await guarded(self._retrieval, turn, self._retrieval.recall(turn, built))
        if built.history is not None:
            turn = turn.evolve(history=built.history.messages)
        return turn, built

    async def _up_to(self, turn: Turn, session: Session, built: BuiltContext) -> tuple[Turn, BuiltContext]:
        first = session.next_seq - _PAIR
        history = built.history
        if history is not None and history.through < first - 1:
            read = await attempt(
                "history",
                self._contexts.get(built.key, {"history"}, through=first - 1),
                deadline_s=CONTEXT_DEADLINE_S,
            )
            if isinstance(read, Missed):  # then it is as old as it was
                turn = turn.failed("history", read.reason)
            else:
                history = read.history
        if history is not None:  # the question stands at the end of the prompt already
            history = replace(history, messages=tuple(one for one in history.messages if one.seq < first))
        return turn, replace(built, history=history, session=session_facts(session))


def _told(turn: Turn, built: BuiltContext | None) -> BuiltContext:
    """Return the context with the history that the caller told."""
    return replace(built or BuiltContext(key=_key(turn)), history=History(messages=turn.earlier))


def _key(turn: Turn) -> ContextKey:
    return ContextKey(scope=turn.scope, session_id=turn.session_id, project=turn.project)


async def _timed(stage: str, answered: Answered, work: Callable[[], Awaitable[T]]) -> T:
    """Do a part, and note how long it took. work: called here, so that a turn given up before leaves nothing over."""
    started = time.perf_counter()
    outcome = await work()
    answered.timed(stage, started)
    return outcome
