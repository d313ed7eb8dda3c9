"""Asks a second model when the first cannot answer."""

from __future__ import annotations

import logging
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from context0.errors import LLMError
from context0.llm.wrapper import Wrapper

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from context0.llm.protocol import LLM, A, Chunk, Prompt, Usage

log: Final = logging.getLogger(__name__)


class WithFallback(Wrapper):
    """The first model's answer or, when it raised before its first piece, the second's, whose chunks say why.

    Both failed: the second's error, caused by the first's. What broke off after the first piece is raised as it is.
    """

    def __init__(self, llm: LLM, second: LLM) -> None:
        super().__init__(llm)
        self._second = second

    async def warm(self) -> None:
        await self._llm.warm()
        await self._second.warm()

    async def aclose(self) -> None:
        try:
            await self._llm.aclose()
        finally:
            await self._second.aclose()

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Chunk, None]:
        told = False
        try:
            async with aclosing(self._llm.stream(prompt)) as pieces:
                async for piece in pieces:
                    told = True
                    yield piece
            return
        except LLMError as error:
            if told:
                raise
            reason = error
        self._log(reason)
        async with aclosing(self._second.stream(prompt)) as pieces:
            async for piece in _caused(pieces, reason):
                yield replace(piece, fallback=reason.code)

    async def complete(self, prompt: Prompt, *, schema: type[A]) -> tuple[A, Usage]:
        try:
            return await self._llm.complete(prompt, schema=schema)
        except LLMError as error:
            reason = error
        self._log(reason)
        try:
            return await self._second.complete(prompt, schema=schema)
        except LLMError as error:
            raise error from reason

    def _log(self, reason: LLMError) -> None:
        log.warning("llm.fallback", extra={"model": self.name, "to": self._second.name, "reason": reason.code})


async def _caused(pieces: AsyncGenerator[Chunk, None], reason: LLMError) -> AsyncGenerator[Chunk, None]:
    try:
        async for piece in pieces:
            yield piece
    except LLMError as error:
        raise error from reason
