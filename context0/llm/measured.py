"""Measures the calls of a language model: time to the first text and to the end, tokens, and how it ended."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing, contextmanager
from typing import TYPE_CHECKING

from context0.errors import LLMError
from context0.llm.wrapper import Wrapper
from context0.observability.metrics import LLM_ATTEMPT, LLM_CALL, LLM_FIRST_TEXT, LLM_OUTCOMES, LLM_TOKENS

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from context0.llm.protocol import LLM, A, Chunk, Prompt, Usage
    from context0.observability.recorder import Recorder


class _Call:
    """What one call has told so far. outcome: "complete", "cancelled", "fallback", or what failed."""

    __slots__ = ("first_ms", "outcome", "started", "usage")

    def __init__(self) -> None:
        self.started = time.perf_counter()
        self.first_ms: float | None = None
        self.outcome = "cancelled"
        self.usage: Usage | None = None

    @property
    def ms(self) -> float:
        return (time.perf_counter() - self.started) * 1000

    def take(self, piece: Chunk) -> None:
        if piece.text and self.first_ms is None:
            self.first_ms = self.ms
        self.usage = piece.usage or self.usage


class Measured(Wrapper):
    """Stands before everything else of a model, and measures what its caller waits for.

    agent: for whom it answers. A call that another model had to answer counts as failed, one that was given up by its
    caller does not; its outcome tells which.
    """

    def __init__(self, llm: LLM, recorder: Recorder, *, agent: str) -> None:
        super().__init__(llm)
        self._recorder = recorder
        self._agent = agent

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Chunk, None]:
        with self._measured() as call:
            fallback = False
            async with aclosing(self._llm.stream(prompt)) as pieces:
                async for piece in pieces:
                    call.take(piece)
                    fallback = fallback or piece.fallback is not None
                    yield piece
            call.outcome = "fallback" if fallback else "complete"

    async def complete(self, prompt: Prompt, *, schema: type[A]) -> tuple[A, Usage]:
        with self._measured() as call:
            answer = await self._llm.complete(prompt, schema=schema)
            call.outcome, call.usage = "complete", answer[1]
            return answer

    @contextmanager
    def _measured(self) -> Iterator[_Call]:
        call = _Call()
        try:
            yield call
        except LLMError as error:
            call.outcome = error.code
            raise
        except Exception:
            call.outcome = "error"
            raise
        finally:
            self._tell(call)

    def _tell(self, call: _Call) -> None:
        recorder, model, agent = self._recorder, self.name, self._agent
        failed = call.outcome not in ("complete", "cancelled")
        recorder.observe(LLM_CALL, call.ms, failed=failed, model=model, agent=agent)
        if call.first_ms is not None:
            recorder.observe(LLM_FIRST_TEXT, call.first_ms, model=model, agent=agent)
        recorder.count(LLM_OUTCOMES, model=model, agent=agent, outcome=call.outcome)
        if call.usage is not None:
            recorder.count(LLM_TOKENS, call.usage.prompt_tokens, model=model, agent=agent, kind="prompt")
            recorder.count(LLM_TOKENS, call.usage.completion_tokens, model=model, agent=agent, kind="completion")


class MeasuredAttempts(Wrapper):
    """Stands inside the retries of one model, and measures each attempt that reaches it."""

    def __init__(self, llm: LLM, recorder: Recorder) -> None:
        super().__init__(llm)
        self._recorder = recorder

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Chunk, None]:
        with self._measured():
            async with aclosing(self._llm.stream(prompt)) as pieces:
                async for piece in pieces:
                    yield piece

    async def complete(self, prompt: Prompt, *, schema: type[A]) -> tuple[A, Usage]:
        with self._measured():
            return await self._llm.complete(prompt, schema=schema)

    @contextmanager
    def _measured(self) -> Iterator[None]:
        started = time.perf_counter()
        failed = True
        try:
            yield
            failed = False
        except (asyncio.CancelledError, GeneratorExit):
            failed = False
            raise
        finally:
            self._recorder.observe(
                LLM_ATTEMPT, (time.perf_counter() - started) * 1000, failed=failed, model=self._llm.name
            )
