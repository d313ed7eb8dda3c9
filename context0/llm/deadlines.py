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

    def __init__(self, timeout: asyncio.Timeout) -> None:
        """timeout: expires when a wait is over its time."""
        self._loop = asyncio.get_running_loop()
        self._timeout = timeout
        self._until: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._until = None
        self._stop()

    def begins(self, until: float) -> None:
        """A wait begins, which may last until then; infinity is for ever."""
        self._until = until
        if self._timer is not None and self._timer.when() > until:
            self._stop()
        if self._timer is None and math.isfinite(until):
            self._timer = self._loop.call_at(until, self._look)

    def ends(self) -> None:
        """The wait is over; whoever takes the piece is not cut off for it, also if the timer has just looked.

        Raises TimeoutError for one that had expired.
        """
        self._until = None
        if self._timeout.expired():  # the model took no notice of it
            raise TimeoutError
        if self._timeout.when() is not None:
            self._timeout.reschedule(None)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        if self._until is None:
            return
        if self._loop.time() < self._until:
            self.begins(self._until)
        else:
            self._timeout.reschedule(self._until)


class Deadlined(Wrapper):
    """Passes on pieces that hold text, each in time; an empty one only shows that the model is at work.

    The clock stands still while the consumer holds a piece, but for the whole stream's. One task reads a stream.
    """

    def __init__(self, llm: LLM, deadlines: Deadlines) -> None:
        super().__init__(llm)
        self._deadlines = deadlines

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Chunk, None]:
        """Raises LLMTimeout before the first text, LLMInterrupted after it. The call is closed by then."""
        told, patience_s = False, self._deadlines.first_token_s
        clock = asyncio.get_running_loop().time
        ends_at = clock() + self._deadlines.stream_s
        try:
            async with asyncio.timeout(None) as timeout, aclosing(self._llm.stream(prompt)) as pieces:
                with _Watch(timeout) as watch:
                    while True:
                        watch.begins(min(clock() + patience_s, ends_at))
                        piece = await anext(pieces, None)
                        watch.ends()
                        if piece is None:
                            return
                        patience_s = self._deadlines.between_tokens_s
                        if piece.text or piece.usage is not None:
                            told = told or bool(piece.text)
                            yield piece
        except TimeoutError as exc:
            if not timeout.expired():
                raise
            raise self._late(patience_s if clock() < ends_at else self._deadlines.stream_s, told=told) from exc

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
