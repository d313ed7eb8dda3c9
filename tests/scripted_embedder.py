"""An embedder for tests of wrappers: it counts its calls, waits when told to and fails when told to."""

from __future__ import annotations

import asyncio
from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

DIMENSION = 4


def vector_of(text: str) -> np.ndarray:
    """The unit vector of `text`: any two texts differ."""
    digest = np.frombuffer(sha256(text.encode()).digest()[: DIMENSION * 2], dtype=np.uint16)
    centred = digest.astype(np.float32) - 32767.5
    return (centred / np.linalg.norm(centred)).astype(np.float32)


def rows_of(texts: Sequence[str]) -> np.ndarray:
    return np.stack([vector_of(text) for text in texts])


class ScriptedEmbedder:
    """`calls` holds the texts of every call. `answer` makes the rows. A cleared `gate` holds all calls back."""

    def __init__(self, answer: Callable[[Sequence[str]], np.ndarray] = rows_of, *, local: bool = False) -> None:
        self.model = "scripted/4"
        self.dimension: int | None = None
        self.local = local
        self.answer = answer
        self.calls: list[list[str]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.closed = 0
        self._called = asyncio.Condition()

    async def embed(self, texts: Sequence[str]) -> np.ndarray:
        self.calls.append(list(texts))
        async with self._called:
            self._called.notify_all()
        await self.gate.wait()
        return self.answer(texts) if texts else np.empty((0, DIMENSION), dtype=np.float32)

    async def called(self, times: int) -> None:
        """Wait until it was called so many times, five seconds at most."""
        async with asyncio.timeout(5), self._called:
            await self._called.wait_for(lambda: len(self.calls) >= times)

    async def aclose(self) -> None:
        self.closed += 1
