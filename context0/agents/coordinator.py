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

from context0.agents.attempts import Missed, attempt, guarded, is_cancelled, log_fault
from context0.agents.base import Turn
from context0.agents.conversation import Conversation
from context0.agents.conversation_analyst import ConversationAnalyst, RecentMessages
from context0.agents.follow_up import understood
from context0.agents.measuring import measured_model, watch_caches
from context0.agents.memory_manager import MemoryManager
from context0.agents.memory_retrieval import MemoryRetrieval
from context0.agents.outcome import Answered, Remembered
from context0.agents.preparation import Preparation
from context0.agents.privacy_guardian import PrivacyGuardian
from context0.agents.transcript import PERSIST_DEADLINE_S, Transcript
from context0.context.analysis import Analysis
from context0.context.built import BuiltContext
from context0.context.cache import ContextCache
from context0.errors import LLMError, LLMTimeout, LLMUnavailable
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
from stores.records import Message

log: Final = logging.getLogger(__name__)

Emit = Callable[[ChatEvent], Awaitable[None]]
T = TypeVar("T")

WITHHELD_ANSWER: Final = (
    "This message could not be checked for personal data, so it was neither sent nor kept. Please try again."
)
CUT_OFF: Final = "the answer was cut off; what came is kept, ask again for the rest"
_SLACK_S: Final = 1.0
"""Beside a part's own deadline, so that the part ends first."""


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
        self._preparation = Preparation(team.retrieval, transcript, contexts)

    def warm(self) -> None:
        """Load what the first turn would wait for: about 50 ms."""
        self._team.privacy.warm()

    async def answer(self, answered: Answered, emit: Emit) -> None:
        """Answer a turn, telling what happens by `emit`; durable when this returns, where the turn is kept.

        Cancelled, it closes the model's call and keeps what was said so far, marked as partial. Raises NotFound as
        `Preparation.run`; LLMError when no answer could be made, not even one that says so.
        """
        started = time.perf_counter()
        answered.turn = await self._checked(answered.turn)
        moment = answered.timed("privacy", started)
        answered.turn = understood(answered.turn, self._preparation.at_hand(answered.turn))
        moment = answered.timed("classify", moment)
        built = await self._preparation.run(answered)
        answered.timed("prepare", moment)
        await _announce(answered, emit)
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

    async def remember(self, answered: Answered) -> Remembered:
        """Store what the turn told, by rules. Never raises: what failed is in the outcome, and logged."""
        return await self._remembered(answered, self._team.manager.remember)

    async def doubts(self, answered: Answered, remembered: Remembered) -> Remembered:
        """Ask where what was remembered contradicts what was before; never raises."""
        manager = self._team.manager
        done = await attempt(manager.name, manager.doubts(answered.turn, remembered), deadline_s=manager.deadline_s)
        if isinstance(done, Missed):
            log.warning("chat.manager_failed", extra={"reason": done.reason})
            return replace(remembered, failures=(*remembered.failures, ("decisions", done.reason)))
        return done

    async def extract(self, answered: Answered) -> Remembered:
        """Note what takes a model to read; never raises."""
        return await self._remembered(answered, self._team.manager.extract)

    async def analyse(self, answered: Answered) -> Analysis | None:
        """Analyse the turn and write the session's summary; never raises. None where nothing of the turn is kept."""
        turn, analyst = answered.turn, self._team.analyst
        if answered.answer is None or turn.privacy is None or not turn.privacy.stores_messages:
            return None

        async def work() -> Analysis:
            analysis = await analyst.analyse(turn)
            await self._transcript.note(turn, analysis)
            return analysis

        analysed = await attempt(analyst.name, work(), deadline_s=analyst.deadline_s)
        if isinstance(analysed, Missed):
            log.warning("chat.analyst_failed", extra={"reason": analysed.reason})
            return None
        return analysed

    async def _remembered(
        self, answered: Answered, work: Callable[[Turn, Message | None], Awaitable[Remembered]]
    ) -> Remembered:
        turn, manager = answered.turn, self._team.manager
        if turn.privacy is None or not turn.privacy.writes_memory:
            return Remembered()
        done = await attempt(manager.name, work(turn, answered.question), deadline_s=manager.deadline_s)
        if isinstance(done, Missed):
            log.warning("chat.manager_failed", extra={"reason": done.reason})
            return Remembered(failures=((manager.name, done.reason),))
        return done

    async def _checked(self, turn: Turn) -> Turn:
        """Return the turn as the guardian leaves it. Where the user's mode is unknown nothing of it is kept."""
        checked = await guarded(self._team.privacy, turn, self._team.privacy.run(turn))
        if turn.is_mode_known or checked.privacy is None:
            return checked
        careful = replace(
            checked.privacy,
            mode="off_record",
            uses_memory=False,
            uses_history=False,
            stores_messages=False,
            writes_memory=False,
        )
        return checked.evolve(mode="off_record", privacy=careful)

    async def _answered(self, answered: Answered, built: BuiltContext | None, emit: Emit, started: float) -> None:
        """Stream the answer into the turn. Raises LLMError when there is none at all."""
        turn, conversation = answered.turn, self._team.conversation
        if turn.privacy is not None and turn.privacy.withheld:
            answered.turn, answered.state = turn.evolve(answer=WITHHELD_ANSWER), "fallback"
            await emit(TokenEvent(text=WITHHELD_ANSWER))
            return
        moment = time.perf_counter()
        failed: LLMError | None = None
        said: list[str] = []
        try:
            prompt = conversation.prompt(turn, built)
            moment = answered.timed("prompt", moment)
            async with (
                asyncio.timeout(conversation.deadline_s),
                contextlib.aclosing(_closable(conversation.stream(prompt))) as stream,
            ):
                async for chunk in stream:
                    await _take(chunk, answered, said, emit, started)
        except LLMError as error:
            failed = error
        except TimeoutError as late:
            failed = _caused(LLMTimeout(f"there was no answer within {conversation.deadline_s:g} s; ask again"), late)
        except asyncio.CancelledError as given_up:
            if is_cancelled():
                raise
            failed = _caused(LLMUnavailable("the model's call was cancelled; ask again"), given_up)
        except Exception as fault:  # noqa: BLE001 - the edge between agents: what came of the answer is kept
            log_fault(conversation.name, fault)
            failed = _caused(LLMUnavailable("the answer could not be made; ask again", passing=False), fault)
        finally:
            answered.turn = turn.evolve(answer="".join(said))
        if failed is not None:
            answered.state = "partial"
            if not said:
                raise failed
            answered.turn = answered.turn.failed(conversation.name, failed.code)
            await emit(ErrorEvent(code=failed.code, message=CUT_OFF))
        answered.timed("stream", moment)

    async def _kept(self, answered: Answered) -> None:
        """Keep the answer, if there is one, whatever happens to the caller meanwhile."""
        turn = answered.turn
        if answered.question is None or not turn.answer:
            return
        finishing = self._transcript.finish(turn, answered.told(), state=answered.state)
        kept = await attempt("persist", finishing, deadline_s=PERSIST_DEADLINE_S + _SLACK_S)
        if isinstance(kept, Missed):
            answered.turn = answered.turn.failed("persist", kept.reason)
        else:
            answered.answer = kept


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
    guardian, recorder = PrivacyGuardian(), engine.recorder
    watch_caches(recorder, contexts, guardian.reading)
    extracting, analysing = (
        None if model is None else measured_model(model, recorder, agent)
        for model, agent in ((extraction_llm, "memory_manager"), (analyst_llm, "conversation_analyst"))
    )
    team = Team(
        privacy=guardian,
        retrieval=MemoryRetrieval(engine),
        conversation=Conversation(
            measured_model(llm, recorder, "conversation"),
            inert_links=engine.settings is None or engine.settings.inert_links,
        ),
        manager=MemoryManager(engine, llm=extracting),
        analyst=ConversationAnalyst(source, llm=analysing),
    )
    return ContextCoordinator(team, Transcript(engine, contexts), contexts)


async def _announce(answered: Answered, emit: Emit) -> None:
    """Tell what is known before the answer."""
    turn = answered.turn
    title = "" if turn.session is None else turn.session.title
    await emit(SessionEvent(session_id=turn.session_id, turn_id=turn.id, title=title))
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


async def _take(chunk: Chunk, answered: Answered, said: list[str], emit: Emit, started: float) -> None:
    """Take over a piece of the answer, and pass on its text."""
    answered.take(chunk)
    if not chunk.text:
        return
    if not said:
        answered.timed("first_token", started)
    said.append(chunk.text)
    await emit(TokenEvent(text=chunk.text))


def _caused(error: LLMError, cause: BaseException) -> LLMError:
    error.__cause__ = cause
    return error


async def _closable(stream: AsyncIterator[Chunk]) -> AsyncGenerator[Chunk, None]:
    """Yield from a stream so that closing this closes it, whatever kind of iterator the model gives."""
    try:
        async for chunk in stream:
            yield chunk
    finally:
        close = getattr(stream, "aclose", None)
        if close is not None:
            await close()
