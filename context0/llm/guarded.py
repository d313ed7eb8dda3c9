"""Does not call a provider that keeps failing, and says so at once."""

from __future__ import annotations

from contextlib import aclosing, contextmanager
from typing import TYPE_CHECKING

from context0.errors import LLMError, LLMInterrupted, LLMTimeout, LLMUnavailable
from context0.llm.wrapper import Wrapper

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from context0.llm.breaker import CircuitBreaker
    from context0.llm.protocol import LLM, A, Chunk, Prompt, Usage


class _Call:
    """One call's report to the breaker. Its first piece is a success already; what breaks off later is a failure."""

    def __init__(self, breaker: CircuitBreaker, ticket: int) -> None:
        self._breaker = breaker
        self._ticket = ticket
        self._told = False

    def answered(self) -> None:
        if not self._told:
            self._told = True
            self._breaker.succeeded(self._ticket)

    def failed(self) -> None:
        self._told = True
        self._breaker.failed(self._ticket)

    def ended(self) -> None:
        if not self._told:
            self._breaker.dropped(self._ticket)


class Guarded(Wrapper):
    """Asks the breaker before each call. A refusal (LLMRejected) or an invalid answer shows that the provider lives."""

    def __init__(self, llm: LLM, breaker: CircuitBreaker) -> None:
        super().__init__(llm)
        self._breaker = breaker

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Chunk, None]:
        """Raises LLMUnavailable at once, and not to be tried again, while the breaker is open."""
        with self._reported() as call:
            async with aclosing(self._llm.stream(prompt)) as pieces:
                async for piece in pieces:
                    call.answered()
                    yield piece

    async def complete(self, prompt: Prompt, *, schema: type[A]) -> tuple[A, Usage]:
        with self._reported() as call:
            answer = await self._llm.complete(prompt, schema=schema)
            call.answered()
            return answer

    @contextmanager
    def _reported(self) -> Iterator[_Call]:
        ticket = self._breaker.admit()
        if ticket is None:
            wait_s = self._breaker.retry_in_s
            raise LLMUnavailable(
                f"{self.name} failed repeatedly and is not called for another {wait_s:.1f} s",
                passing=False,
                retry_after_s=wait_s,
            )
        call = _Call(self._breaker, ticket)
        try:
            yield call
        except (LLMUnavailable, LLMTimeout, LLMInterrupted):
            call.failed()
            raise
        except LLMError:
            call.answered()
            raise
        finally:
            call.ended()
