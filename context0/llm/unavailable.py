"""Answers from memory when no model can, and says so."""

from __future__ import annotations

import logging
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from context0.errors import LLMError, LLMInvalid, LLMRejected, LLMTimeout
from context0.llm.protocol import Chunk
from context0.llm.wrapper import Wrapper

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from context0.llm.protocol import LLM, A, Prompt, Usage

log: Final = logging.getLogger(__name__)

CANNOT_BE_REACHED: Final = "The language model cannot be reached right now. "
_SAID: Final = (
    (LLMTimeout, "The language model did not answer in time. "),
    (LLMRejected, "The language model refused this request; its settings need a look. "),
    (LLMInvalid, "The language model gave no usable answer. "),
)


class WithAnswerFromMemory(Wrapper):
    """The model's answer or, when it raised before its first piece, what went wrong and what memory holds.

    Only for prompts with a question, which a person waits for: other callers get the error, as does `complete`.
    """

    def __init__(self, llm: LLM, memory: LLM) -> None:
        """memory: an `ExtractiveLLM`."""
        super().__init__(llm)
        self._memory = memory

    async def warm(self) -> None:
        await self._memory.warm()
        await self._llm.warm()

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Chunk, None]:
        told = False
        try:
            async with aclosing(self._llm.stream(prompt)) as pieces:
                async for piece in pieces:
                    told = True
                    yield piece
            return
        except LLMError as error:
            if told or not prompt.question:
                raise
            reason = error
        log.warning("llm.answered_from_memory", extra={"model": self.name, "reason": reason.code})
        yield Chunk(text=_sentence(reason), fallback=reason.code)
        async with aclosing(self._memory.stream(prompt)) as pieces:
            async for piece in pieces:
                yield replace(piece, fallback=reason.code)

    async def complete(self, prompt: Prompt, *, schema: type[A]) -> tuple[A, Usage]:
        return await self._llm.complete(prompt, schema=schema)


def _sentence(reason: LLMError) -> str:
    return next((said for kind, said in _SAID if isinstance(reason, kind)), CANNOT_BE_REACHED)
