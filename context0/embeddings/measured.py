"""Measures the calls of an embedding model: how long, how many texts, and whether they failed."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from context0.embeddings.wrapper import Wrapper
from context0.observability.metrics import EMBEDDED_TEXTS, EMBEDDING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from context0.embeddings.protocol import Embedder, FloatMatrix
    from context0.observability.recorder import Recorder


class Measured(Wrapper):
    """Stands next to the provider, inside cache and coalescing: measures what is truly embedded. Costs 1 µs."""

    def __init__(self, embedder: Embedder, recorder: Recorder) -> None:
        super().__init__(embedder)
        self._recorder = recorder

    async def embed(self, texts: Sequence[str]) -> FloatMatrix:
        if not texts:
            return await self._embedder.embed(texts)
        started = time.perf_counter()
        failed = True
        try:
            rows = await self._embedder.embed(texts)
            failed = False
        except asyncio.CancelledError:
            failed = False
            raise
        finally:
            model = self._embedder.model
            self._recorder.observe(EMBEDDING, (time.perf_counter() - started) * 1000, failed=failed, model=model)
        self._recorder.count(EMBEDDED_TEXTS, len(texts), model=model)
        return rows
