"""What every wrapper passes through to the language model that it wraps."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from context0.llm.protocol import LLM


class Wrapper:
    """The base of the wrappers, for shared code only; the wrapped model is closed with its wrapper."""

    def __init__(self, llm: LLM) -> None:
        self._llm = llm

    @property
    def name(self) -> str:
        return self._llm.name

    async def warm(self) -> None:
        await self._llm.warm()

    async def aclose(self) -> None:
        await self._llm.aclose()
