"""Asks again where that may help: the one place that retries calls of language models."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeVar

import stamina

from context0.errors import LLMInvalid, LLMUnavailable
from context0.llm.protocol import Prompt, PromptMessage
from context0.llm.wrapper import Wrapper

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

    from context0.llm.protocol import LLM, A, Chunk, Usage
    from context0.retry_budget import RetryBudget

T = TypeVar("T")

_REPAIR: Final = "This was not valid: {problem}. Say the same again, with nothing but JSON that is valid by the schema."
_LONGEST_ANSWER_TO_REPAIR: Final = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryRule:
    """attempts: at most, with the first.  Waits are exponential with jitter; a provider that asks for a longer one
    than `longest_wait_s` is not waited for: somebody else answers sooner."""

    attempts: int = 3
    first_wait_s: float = 0.1
    jitter_s: float = 0.2
    longest_wait_s: float = 5.0


class Retried(Wrapper):
    """Retries what is unavailable for the moment, within a budget, and never once a piece of the answer was passed on.

    A timeout is not tried again: who waits has waited long enough, and another model can answer.
    """

    def __init__(
        self, llm: LLM, rule: RetryRule, budget: RetryBudget, *, on_retry: Callable[[], None] | None = None
    ) -> None:
        """on_retry: is told of every attempt but the first."""
        super().__init__(llm)
        self._on_retry = on_retry
        self._rule = rule
        self._budget = budget

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Chunk, None]:
        async def begun() -> tuple[AsyncGenerator[Chunk, None], Chunk | None]:
            pieces = self._llm.stream(prompt)
            return pieces, await anext(pieces, None)

        pieces, first = await self._insisted(begun)
        async with aclosing(pieces):
            if first is not None:
                yield first
            async for piece in pieces:
                yield piece

    async def complete(self, prompt: Prompt, *, schema: type[A]) -> tuple[A, Usage]:
        """As the protocol says; an invalid answer goes back once to be repaired, if the budget allows."""
        try:
            return await self._insisted(lambda: self._llm.complete(prompt, schema=schema))
        except LLMInvalid as error:
            if not error.answer or not self._withdraw():
                raise
            return await self._llm.complete(_to_repair(prompt, error), schema=schema)

    async def _insisted(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Return what `ask` gives, by another attempt where the first fails; only then a retrier is made: 70 us."""
        self._budget.deposit()
        try:
            return await ask()
        except LLMUnavailable as error:
            failed = error
        async for attempt in self._attempts():
            with attempt:
                if attempt.num == 1:
                    raise failed
                answer = await ask()
        return answer

    def _withdraw(self) -> bool:
        allowed = self._budget.withdraw()
        if allowed and self._on_retry is not None:
            self._on_retry()
        return allowed

    def _attempts(self) -> AsyncIterator[stamina.Attempt]:
        rule, made = self._rule, 0

        def hook(error: Exception) -> bool | float:
            nonlocal made
            made += 1
            if not isinstance(error, LLMUnavailable) or not error.passing or made >= rule.attempts:
                return False
            wait_s = error.retry_after_s
            if (wait_s is not None and wait_s > rule.longest_wait_s) or not self._withdraw():
                return False
            return True if wait_s is None else wait_s

        return stamina.retry_context(
            on=hook,
            attempts=rule.attempts,
            timeout=None,
            wait_initial=rule.first_wait_s,
            wait_max=rule.longest_wait_s,
            wait_jitter=rule.jitter_s,
        )


def _to_repair(prompt: Prompt, error: LLMInvalid) -> Prompt:
    answer = PromptMessage(role="assistant", content=error.answer[:_LONGEST_ANSWER_TO_REPAIR])
    request = PromptMessage(role="user", content=_REPAIR.format(problem=error))
    return replace(prompt, messages=(*prompt.messages, answer, request))
