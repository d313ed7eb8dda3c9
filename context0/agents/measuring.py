"""Measures turns and their agents, and lets the caches that they use be looked at."""

import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from context0.agents.outcome import Answered, Remembered
from context0.context.cache import ContextCache
from context0.llm.measured import Measured
from context0.llm.protocol import LLM
from context0.observability.metrics import AGENT, CHAT_STAGE, CHAT_TURN, DEGRADED, TURNS
from context0.observability.recorder import CacheReading, Recorder

T = TypeVar("T")

_STAGE_OF: Final = {"privacy_guardian": "privacy", "memory_retrieval": "retrieval", "conversation": "stream"}
"""The agents of the critical path, and where their times stand; the others are timed as they run."""


class TurnMeter:
    """Records what a turn tells of itself. 20 µs a turn."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def answered(self, answered: Answered) -> None:
        """Note a turn that has its answer: its stages, its agents, what was done without."""
        recorder, turn, timings = self._recorder, answered.turn, answered.timings_ms
        for stage, ms in timings.items():
            if "." not in stage:  # those of the search are recorded by the search
                recorder.observe(CHAT_STAGE, ms, stage=stage)
        for agent, stage in _STAGE_OF.items():
            if stage in timings:
                recorder.observe(AGENT, timings[stage], failed=agent in turn.failures, agent=agent)
        recorder.observe(CHAT_TURN, timings.get("total", 0.0), tier="none" if turn.tier is None else turn.tier.name)
        for part, reason in turn.failures.items():
            if not part.startswith("retrieval."):
                recorder.count(DEGRADED, part=part, reason=reason)
        recorder.count(TURNS, outcome="degraded" if turn.failures else answered.state)

    def unanswered(self, outcome: str) -> None:
        """Note a turn that has no whole answer: "cancelled", or the code of an error."""
        self._recorder.count(TURNS, outcome=outcome)

    async def remembering(self, agent: str, work: Awaitable[Remembered]) -> Remembered:
        """Do the manager's part, and note how long it took."""
        return await self._timed(agent, work, lambda remembered: bool(remembered.failures))

    async def analysing(self, answered: Answered, work: Awaitable[T | None]) -> T | None:
        """Do the analyst's part, and note how long it took. Of a turn that is not kept there is nothing to analyse."""
        is_kept = answered.answer is not None
        return await self._timed("conversation_analyst", work, lambda analysis: is_kept and analysis is None)

    async def _timed(self, agent: str, work: Awaitable[T], failed: Callable[[T], bool]) -> T:
        started = time.perf_counter()
        outcome = await work
        ms = (time.perf_counter() - started) * 1000
        self._recorder.observe(AGENT, ms, failed=failed(outcome), agent=agent)
        return outcome


def measured_model(llm: LLM, recorder: Recorder, agent: str) -> LLM:
    """Return the model as `agent` calls it."""
    return Measured(llm, recorder, agent=agent)


def watch_caches(recorder: Recorder, contexts: ContextCache, findings: Callable[[], CacheReading]) -> None:
    """Let the caches of a chat be read when somebody looks."""

    def read() -> CacheReading:
        told = contexts.statistics()
        return CacheReading(hits=told.hits, misses=told.misses, entries=told.entries, bytes=told.nbytes)

    recorder.watch_cache("contexts", read)
    recorder.watch_cache("privacy_findings", findings)
