"""Leads the agents through a turn: privacy; then memory, history and numbers at once; then the answer; then the rest.

Privacy comes before everything that sends or reads: it costs microseconds, and a text that is to be masked or forgotten
must not be searched for first. Each agent has its deadline and its fallback; what failed is named in the reply.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from context0.agents.base import Agent, Turn
from context0.agents.conversation import Conversation
from context0.agents.conversation_analyst import ConversationAnalyst, RecentMessages
from context0.agents.memory_manager import MemoryManager
from context0.agents.memory_retrieval import MemoryRetrieval
from context0.agents.outcome import Answered, Remembered
from context0.agents.privacy_guardian import PrivacyGuardian
from context0.agents.transcript import Transcript
from context0.context.analysis import Analysis
from context0.context.built import BuiltContext, ContextKey, session_facts
from context0.context.cache import ContextCache
from context0.context.operations import classify
from context0.context.tiers import tier_of
from context0.errors import Context0Error, LLMError
from context0.llm.protocol import LLM, Chunk
from context0.memory.engine import MemoryEngine
from context0.wire import (
    ChatEvent,
    ErrorEvent,
    MemoriesEvent,
    PrivacyEvent,
    SessionEvent,
    TokenEvent,
    UsedMemory,
)
from stores.errors import NotFound, StoreError
from stores.records import Message

log = logging.getLogger(__name__)

Emit = Callable[[ChatEvent], Awaitable[None]]
T = TypeVar("T")

CONTEXT_DEADLINE_S: Final = 2.0
PERSIST_DEADLINE_S: Final = 10.0
WITHHELD_ANSWER: Final = (
    "This message could not be checked for personal data, so it was neither sent nor kept. Please try again."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """The agents of a chat."""

    privacy: PrivacyGuardian
    retrieval: MemoryRetrieval
    conversation: Conversation
    manager: MemoryManager
    analyst: ConversationAnalyst


class ContextCoordinator:
    """Runs turns; many at the same time, also of one session: each takes a pair of message numbers when it begins."""

    def __init__(self, team: Team, transcript: Transcript, contexts: ContextCache) -> None:
        self._team = team
        self._transcript = transcript
        self._contexts = contexts

    async def answer(self, turn: Turn, emit: Emit) -> Answered:
        """Answer a turn, telling what happens by `emit`; durable when this returns, where the turn is kept.

        Cancelled, it closes the model's call and keeps what was said so far, marked as partial. Raises NotFound for a
        session that is not the owner's; LLMError when no answer could be made, not even one that says so.
        """
        started = time.perf_counter()
        answered = Answered(await self._guarded(self._team.privacy, turn))
        moment = answered.timed("privacy", started)
        answered.turn = _classified(answered.turn)
        moment = answered.timed("classify", moment)
        built = await self._prepared(answered)
        answered.timed("prepare", moment)
        await self._announce(answered, emit)
        try:
            await self._answered(answered, built, emit, started)
        except (asyncio.CancelledError, GeneratorExit):
            answered.state = "partial"
            await self._kept(answered)
            raise
        moment = time.perf_counter()
        await self._kept(answered)
        answered.timed("persist", moment)
        answered.timed("total", started)
        return answered

    async def remember(self, answered: Answered) -> Remembered:
        """Store what the turn told, by rules. Never raises: what failed is in the outcome, and logged."""
        return await self._remembered(answered, self._team.manager.remember)

    async def extract(self, answered: Answered) -> Remembered:
        """Note what takes a model to read; never raises."""
        return await self._remembered(answered, self._team.manager.extract)

    async def analyse(self, answered: Answered) -> Analysis | None:
        """Analyse the turn and write the session's summary; never raises. None where nothing of the turn is kept."""
        turn = answered.turn
        if answered.answer is None or turn.privacy is None or not turn.privacy.stores_messages:
            return None
        try:
            async with asyncio.timeout(self._team.analyst.deadline_s):
                analysis = await self._team.analyst.analyse(turn)
                await self._transcript.note(turn, analysis)
        except TimeoutError:
            log.warning("chat.analyst_failed", extra={"reason": "deadline"})
        except (Context0Error, StoreError) as failed:
            log.warning("chat.analyst_failed", extra={"reason": failed.code})
        except Exception:  # the edge of a background task
            log.exception("chat.analyst_failed", extra={"reason": "error"})
        else:
            return analysis
        return None

    async def _remembered(
        self, answered: Answered, work: Callable[[Turn, Message | None], Awaitable[Remembered]]
    ) -> Remembered:
        turn, manager = answered.turn, self._team.manager
        if turn.privacy is None or not turn.privacy.writes_memory:
            return Remembered()
        try:
            async with asyncio.timeout(manager.deadline_s):
                return await work(turn, answered.question)
        except TimeoutError:
            reason = "deadline"
        except (Context0Error, StoreError) as failed:
            reason = failed.code
        except Exception:  # the edge of a background task
            log.exception("chat.manager_failed", extra={"reason": "error"})
            reason = "error"
        log.warning("chat.manager_failed", extra={"reason": reason})
        return Remembered(failures=((manager.name, reason),))

    async def _prepared(self, answered: Answered) -> BuiltContext | None:
        """Look up memory, history and the session's numbers at the same time; the failures stand in the turn."""
        turn = answered.turn
        assert turn.tier is not None  # noqa: S101 - classified just before
        assert turn.privacy is not None  # noqa: S101 - the guardian or its fallback has run
        is_new = turn.session_id is None
        if turn.privacy.stores_messages and is_new:
            turn = answered.turn = turn.evolve(session_id=self._transcript.new_session_id())
        numbered, looked_up, (built, failure) = await asyncio.gather(
            self._numbered(answered, turn),
            self._timed("retrieval", answered, self._retrieved(turn)),
            self._timed("history", answered, self._context(turn, is_new=is_new)),
        )
        if isinstance(numbered, NotFound):
            raise numbered
        turn = looked_up.evolve(session=numbered.session, failures={**numbered.failures, **looked_up.failures})
        if failure:
            turn = turn.failed("history", failure)
        built = await self._complete(built, turn)
        if built is not None and turn.tier is not None and turn.tier.recalls:
            turn = await self._guarded_by(self._team.retrieval, turn, self._team.retrieval.recall(turn, built))
        if built is not None and built.history is not None:
            turn = turn.evolve(history=built.history.messages)
        answered.turn = turn
        return built

    async def _numbered(self, answered: Answered, turn: Turn) -> Turn | NotFound:
        """Take two message numbers and keep the question. Without the store the turn goes on, and is not kept."""
        if turn.privacy is None or not turn.privacy.stores_messages:
            return turn
        started = time.perf_counter()
        try:
            async with asyncio.timeout(PERSIST_DEADLINE_S):
                session, question = await self._transcript.begin(turn)
        except NotFound as unknown:  # raised when the others have ended too
            return unknown
        except TimeoutError:
            return turn.failed("session", "deadline")
        except StoreError as failed:
            return turn.failed("session", failed.code)
        answered.question = question
        answered.timed("session", started)
        return turn.evolve(session=session)

    async def _retrieved(self, turn: Turn) -> Turn:
        return await self._guarded(self._team.retrieval, turn)

    async def _context(self, turn: Turn, *, is_new: bool) -> tuple[BuiltContext | None, str]:
        """Return the built context of the turn, or None and why it could not be had."""
        if turn.privacy is None or not turn.privacy.uses_history or turn.tier is None:
            return None, ""
        key = ContextKey(scope=turn.scope, session_id=turn.session_id, project=turn.project)
        parts = turn.tier.parts - {"session"}  # the session comes with its numbers
        if is_new:
            parts -= {"history"}
        try:
            async with asyncio.timeout(CONTEXT_DEADLINE_S):
                return await self._contexts.get(key, parts), ""
        except TimeoutError:
            return None, "deadline"
        except (StoreError, Context0Error) as failed:
            return None, failed.code

    async def _complete(self, built: BuiltContext | None, turn: Turn) -> BuiltContext | None:
        """Return the context with the session's summary, and with what another process wrote, up to this turn."""
        if built is None or turn.session is None:
            return built
        first = turn.session.next_seq - 2
        history = built.history
        if history is not None and history.through < first - 1:
            with contextlib.suppress(StoreError, TimeoutError):  # then it is as old as it was
                async with asyncio.timeout(CONTEXT_DEADLINE_S):
                    built = await self._contexts.get(built.key, {"history"}, through=first - 1)
                history = built.history
        if history is not None:  # the question stands at the end of the prompt already
            history = replace(history, messages=tuple(one for one in history.messages if one.seq < first))
        return replace(built, history=history, session=session_facts(turn.session))

    async def _announce(self, answered: Answered, emit: Emit) -> None:
        turn = answered.turn
        kept = turn.session is not None
        title = turn.session.title if turn.session is not None else ""
        await emit(
            SessionEvent(
                session_id=turn.session_id if kept or not _is_kept(turn) else None, turn_id=turn.id, title=title
            )
        )
        await emit(PrivacyEvent(report={} if turn.privacy is None else turn.privacy.to_json()))
        found = turn.found
        if found is not None:
            answered.timings_ms |= {f"retrieval.{stage}": ms for stage, ms in found.timings_ms.items()}
            for arm in found.degraded:
                answered.turn = answered.turn.failed(f"retrieval.{arm}", "degraded")
        items = () if found is None else found.items
        await emit(
            MemoriesEvent(
                items=tuple(UsedMemory(id=one.memory.id, score=one.score, arms=dict(one.arms)) for one in items),
                degraded=() if found is None else found.degraded,
            )
        )

    async def _answered(self, answered: Answered, built: BuiltContext | None, emit: Emit, started: float) -> None:
        """Stream the answer into the turn. Raises LLMError when there is none at all."""
        turn = answered.turn
        if turn.privacy is not None and turn.privacy.withheld:
            answered.turn, answered.state = turn.evolve(answer=WITHHELD_ANSWER), "fallback"
            await emit(TokenEvent(text=WITHHELD_ANSWER))
            return
        moment = time.perf_counter()
        prompt = self._team.conversation.prompt(turn, built)
        moment = answered.timed("prompt", moment)
        pieces: list[str] = []
        try:
            async with (
                asyncio.timeout(self._team.conversation.deadline_s),
                contextlib.aclosing(_closable(self._team.conversation.stream(prompt))) as stream,
            ):
                async for chunk in stream:
                    if chunk.text:
                        if not pieces:
                            answered.timed("first_token", started)
                        pieces.append(chunk.text)
                        answered.turn = answered.turn.evolve(answer="".join(pieces))
                        await emit(TokenEvent(text=chunk.text))
                    answered.take(chunk)
        except (LLMError, TimeoutError) as failed:
            code = "deadline" if isinstance(failed, TimeoutError) else failed.code
            if not pieces:
                raise
            answered.state = "partial"
            answered.turn = answered.turn.failed(self._team.conversation.name, code)
            await emit(
                ErrorEvent(code=code, message="the answer was cut off; what came is kept, ask again for the rest")
            )
        answered.timed("stream", moment)

    async def _kept(self, answered: Answered) -> None:
        """Keep the answer, if there is one, whatever happens to the caller meanwhile."""
        turn = answered.turn
        if answered.question is None or not turn.answer:
            return
        writing = asyncio.ensure_future(self._write_answer(answered))
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:
            await asyncio.wait((writing,))
            raise

    async def _write_answer(self, answered: Answered) -> None:
        try:
            async with asyncio.timeout(PERSIST_DEADLINE_S):
                answered.answer = await self._transcript.finish(answered.turn, answered.told(), state=answered.state)
        except TimeoutError:
            answered.turn = answered.turn.failed("persist", "deadline")
        except StoreError as failed:
            answered.turn = answered.turn.failed("persist", failed.code)

    async def _guarded(self, agent: Agent, turn: Turn) -> Turn:
        return await self._guarded_by(agent, turn, agent.run(turn))

    async def _guarded_by(self, agent: Agent, turn: Turn, work: Awaitable[Turn]) -> Turn:
        """Do an agent's part within its deadline; else take its fallback."""
        try:
            async with asyncio.timeout(agent.deadline_s):
                return await work
        except TimeoutError:
            reason = "deadline"
        except (Context0Error, StoreError) as failed:
            reason = failed.code
        except Exception:  # the edge between agents: one that is broken leaves the turn to its fallback
            log.exception("chat.agent_failed", extra={"agent": agent.name})
            reason = "error"
        log.warning("chat.agent_fell_back", extra={"agent": agent.name, "reason": reason})
        return agent.fallback(turn, reason)

    async def _timed(self, stage: str, answered: Answered, work: Awaitable[T]) -> T:
        started = time.perf_counter()
        outcome = await work
        answered.timed(stage, started)
        return outcome


def build_coordinator(
    engine: MemoryEngine,
    contexts: ContextCache,
    source: RecentMessages,
    *,
    llm: LLM,
    extraction_llm: LLM | None = None,
    analyst_llm: LLM | None = None,
) -> ContextCoordinator:
    """Return a coordinator with its agents. source: where the analyst reads messages that are no longer at hand."""
    team = Team(
        privacy=PrivacyGuardian(),
        retrieval=MemoryRetrieval(engine),
        conversation=Conversation(llm),
        manager=MemoryManager(engine, llm=extraction_llm),
        analyst=ConversationAnalyst(source, llm=analyst_llm),
    )
    return ContextCoordinator(team, Transcript(engine, contexts), contexts)


def _classified(turn: Turn) -> Turn:
    asked = classify(turn.text)
    return turn.evolve(operation=asked.operation, tier=tier_of(asked))


def _is_kept(turn: Turn) -> bool:
    return turn.privacy is not None and turn.privacy.stores_messages


async def _closable(stream: AsyncIterator[Chunk]) -> AsyncGenerator[Chunk, None]:
    """Yield from a stream so that closing this closes it, whatever kind of iterator the model gives."""
    try:
        async for chunk in stream:
            yield chunk
    finally:
        close = getattr(stream, "aclose", None)
        if close is not None:
            await close()
