"""Calls of language models are measured: first text, whole call, tokens, outcome, retries, breaker (B5, B8)."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest
from pydantic import BaseModel

from context0.errors import LLMError, LLMInterrupted, LLMTimeout, LLMUnavailable
from context0.llm.measured import Measured
from context0.llm.options import LlmOptions
from context0.llm.protocol import A, Chunk, Prompt, PromptMessage, Usage
from context0.llm.registry import safe
from context0.observability.measurements import Measurements
from context0.observability.metrics import (
    BREAKER_OPEN,
    LLM_ATTEMPT,
    LLM_CALL,
    LLM_FIRST_TEXT,
    LLM_OUTCOMES,
    LLM_RETRIES,
    LLM_TOKENS,
)

PROMPT = Prompt(messages=(PromptMessage(role="user", content="hello"),))
USAGE = Usage(prompt_tokens=7, completion_tokens=3)
ANSWER = (Chunk(text="hel"), Chunk(text="lo"), Chunk(usage=USAGE, model="test:one"))


class Model:
    """Plays one script after the other: pieces of an answer, and errors. The last one is played again and again."""

    def __init__(self, *scripts: tuple[Chunk | Exception, ...]) -> None:
        self.scripts = list(scripts)

    @property
    def name(self) -> str:
        return "test:one"

    async def warm(self) -> None:
        """Nothing to warm."""

    async def aclose(self) -> None:
        """Nothing is open."""

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Chunk, None]:
        for step in self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]:
            if isinstance(step, Exception):
                raise step
            yield step

    async def complete(self, prompt: Prompt, *, schema: type[A]) -> tuple[A, Usage]:
        return schema(), USAGE


class Nothing(BaseModel):
    """An empty answer."""


@pytest.fixture
def measured() -> Measurements:
    return Measurements()


async def ask(llm: object, times: int = 1) -> None:
    for _ in range(times):
        async with aclosing(llm.stream(PROMPT)) as pieces:  # type: ignore[attr-defined]
            async for _piece in pieces:
                pass


def counted(measured: Measurements, name: str) -> list[tuple[int, int]]:
    """Return how many there were and how many failed, for each series."""
    return [(timing.whole().count, timing.whole().failures) for _, timing in measured.timings(name)]


async def test_a_whole_answer_tells_its_times_and_tokens(measured: Measurements) -> None:
    await ask(Measured(Model(ANSWER), measured, agent="conversation"))
    assert counted(measured, LLM_CALL) == counted(measured, LLM_FIRST_TEXT) == [(1, 0)]
    who = ("test:one", "conversation")
    assert measured.counters(LLM_TOKENS) == {(*who, "completion"): 3, (*who, "prompt"): 7}
    assert measured.counters(LLM_OUTCOMES) == {(*who, "complete"): 1}


async def test_a_completion_is_measured_too(measured: Measurements) -> None:
    await Measured(Model(ANSWER), measured, agent="memory_manager").complete(PROMPT, schema=Nothing)
    assert counted(measured, LLM_CALL) == [(1, 0)]
    assert measured.counters(LLM_OUTCOMES) == {("test:one", "memory_manager", "complete"): 1}


@pytest.mark.parametrize(
    ("script", "outcome", "first"),
    [
        ((LLMTimeout("late"),), "llm_timeout", 0),
        ((Chunk(text="a"), LLMInterrupted("cut")), "llm_interrupted", 1),
        ((RuntimeError("a fault"),), "error", 0),
    ],
)
async def test_a_failure_is_counted_by_its_code(
    measured: Measurements, script: tuple[Chunk | Exception, ...], outcome: str, first: int
) -> None:
    with pytest.raises((LLMError, RuntimeError)):
        await ask(Measured(Model(script), measured, agent="conversation"))
    assert counted(measured, LLM_CALL) == [(1, 1)]
    assert len(counted(measured, LLM_FIRST_TEXT)) == first
    assert measured.counters(LLM_OUTCOMES) == {("test:one", "conversation", outcome): 1}


async def test_an_answer_of_another_model_counts_as_a_failure(measured: Measurements) -> None:
    script = (Chunk(text="from memory", fallback="llm_timeout"), Chunk(usage=USAGE, fallback="llm_timeout"))
    await ask(Measured(Model(script), measured, agent="conversation"))
    assert counted(measured, LLM_CALL) == [(1, 1)]
    assert measured.counters(LLM_OUTCOMES) == {("test:one", "conversation", "fallback"): 1}


async def test_a_call_that_is_given_up_is_no_failure(measured: Measurements) -> None:
    llm = Measured(Model(ANSWER), measured, agent="conversation")
    async with aclosing(llm.stream(PROMPT)) as pieces:
        await anext(pieces)
    assert counted(measured, LLM_CALL) == [(1, 0)]
    assert measured.counters(LLM_OUTCOMES) == {("test:one", "conversation", "cancelled"): 1}


async def test_attempts_and_retries_are_counted(measured: Measurements) -> None:
    away = LLMUnavailable("away", retry_after_s=0.0)
    llm = safe(Model((away,), (away,), ANSWER), LlmOptions(attempts=3), recorder=measured)
    await ask(llm)
    assert counted(measured, LLM_ATTEMPT) == [(3, 2)]
    assert measured.counters(LLM_RETRIES) == {("test:one",): 2}


async def test_the_state_of_the_breaker_is_a_gauge(measured: Measurements) -> None:
    away = LLMUnavailable("away", passing=False)
    llm = safe(Model((away,)), LlmOptions(breaker_failures=2, breaker_open_s=60), recorder=measured)
    assert measured.gauges(BREAKER_OPEN) == {("test:one",): 0.0}
    for _ in range(2):
        with pytest.raises(LLMUnavailable):
            await ask(llm)
    assert measured.gauges(BREAKER_OPEN) == {("test:one",): 1.0}
    with pytest.raises(LLMUnavailable):
        await ask(llm)
    assert counted(measured, LLM_ATTEMPT) == [(2, 2)], "what the breaker refuses reaches nobody"
