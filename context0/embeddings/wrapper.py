"""What every wrapper passes through to the embedder that it wraps."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from context0.embeddings.protocol import Embedder


class Wrapper:
    """The base of the wrappers, for shared code only; the wrapped embedder is closed with its wrapper."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    @property
    def model(self) -> str:
        return self._embedder.model

    @property
    def dimension(self) -> int | None:
        return self._embedder.dimension

    @property
    def local(self) -> bool:
        return self._embedder.local

    def forget(self) -> None:
        """Forget the vectors that are held in memory."""
        if isinstance(self._embedder, Wrapper):
            self._embedder.forget()

    async def aclose(self) -> None:
        await self._embedder.aclose()
