"""Ends a call that says nothing for too long, or takes too long as a whole."""

from __future__ import annotations

import asyncio
import math
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from context0.errors import LLMInterrupted, LLMTimeout
from context0.llm.wrapper import Wrapper

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from context0.llm.protocol import LLM, A, Chunk, Prompt, Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """In seconds; infinity is none. stream_s: of a whole stream.  complete_s: of a whole `complete`."""

    first_token_s: float = math.inf
    between_tokens_s: float = math.inf
    stream_s: float = math.inf
    complete_s: float = math.inf


class _Watch:
    """The one timer of a stream. There is a wait for each piece: what it may take is only noted until it is over."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._wait: asyncio.Timeout | None = None
        self._until = math.inf
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.ends()
        if self._timer is not None:
            self._timer.cancel()

    def begins(self, wait: asyncio.Timeout, until: float) -> None:
        """See to it that `wait`, which is entered, expires then; infinity is never."""
        self._wait, self._until = wait, until
        if self._timer is not None and self._timer.when() > until:
            self._timer.cancel()
            self._timer = None
        if self._timer is None and math.isfinite(until):
            self._timer = self._loop.call_at(until, self._look)

    def ends(self) -> None:
        self._wait = None

    def _look(self) -> None:
        self._timer = None
        if self._wait is None:
            return
        if self._loop.time() < self._until:
            self.begins(self._wait, self._until)
        else:
            self._wait.reschedule(self._until)


class Deadlined(Wrapper):
    """Passes on pieces that hold text, each in time; an empty one only shows that the model is at work.

    The clock stands still while the consumer holds a piece, but for the whole stream's.
    """

    def __init__(self, llm: LLM, deadlines: Deadlines) -> None:
        super().__init__(llm)
        self._deadlines = deadlines

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Chunk, None]:
        """Raises LLMTimeout before the first text, LLMInterrupted after it. The call is closed by then."""
        told, patience_s = False, self._deadlines.first_token_s
        clock = asyncio.get_running_loop().time
        ends_at = clock() + self._deadlines.stream_s
        async with aclosing(self._llm.stream(prompt)) as pieces, _Watch() as watch:
            while True:
                try:
                    async with asyncio.timeout(None) as wait:
                        watch.begins(wait, min(clock() + patience_s, ends_at))
                        piece = await anext(pieces, None)
                        watch.ends()
                except TimeoutError as exc:
                    if not wait.expired():
                        raise
                    raise self._late(patience_s if clock() < ends_at else self._deadlines.stream_s, told=told) from exc
                if piece is None:
                    return
                patience_s = self._deadlines.between_tokens_s
                if piece.text or piece.usage is not None:
                    told = told or bool(piece.text)
                    yield piece

    async def complete(self, prompt: Prompt, *, schema: type[A]) -> tuple[A, Usage]:
        deadline_s = self._deadlines.complete_s
        try:
            async with asyncio.timeout_at(_moment(asyncio.get_running_loop().time() + deadline_s)) as timer:
                return await self._llm.complete(prompt, schema=schema)
        except TimeoutError as exc:
            if not timer.expired():
                raise
            raise self._late(deadline_s, told=False) from exc

    def _late(self, seconds: float, *, told: bool) -> LLMTimeout | LLMInterrupted:
        if told:
            return LLMInterrupted(f"{self.name} broke off: its answer did not go on within {seconds:g} s")
        return LLMTimeout(f"{self.name} did not answer within {seconds:g} s; try again, or allow more by llm_…_s")


def _moment(when: float) -> float | None:
    return when if math.isfinite(when) else None
