"""Vectors that other processes have already paid for: the second layer of the cache, below the one in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from context0.embeddings.keys import cache_key, key_prefix
from context0.embeddings.wrapper import Wrapper

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from context0.cache.shared import SharedCache
    from context0.embeddings.keys import VectorSource
    from context0.embeddings.protocol import Embedder, FloatMatrix

_NORM_TOLERANCE: Final = 1e-3
_MOST_AT_ONCE: Final = 500


class SharedVectors(Wrapper):
    """Asks the shared cache for all texts, by one round trip, and the embedder for those that it lacks, by one call.

    A shared cache that is down, hung or emptied costs its deadline at most; a value in it that is no unit vector of
    this model's length is none. Only digests of texts are told, no text.
    """

    def __init__(self, embedder: Embedder, source: VectorSource, shared: SharedCache, *, ttl: timedelta) -> None:
        super().__init__(embedder)
        self._prefix = key_prefix(source)
        self._shared = shared
        self._ttl_s = ttl.total_seconds()

    async def embed(self, texts: Sequence[str]) -> FloatMatrix:
        if not texts or len(texts) > _MOST_AT_ONCE:  # a mass of texts is written, not asked for: nobody shares it
            return await self._embedder.embed(texts)
        keys = [cache_key(self._prefix, text) for text in texts]
        rows = [self._vector(value) for value in await self._shared.get_many(keys)]
        lengths = {len(row) for row in rows if row is not None}
        if len(lengths) > 1:
            rows = [None] * len(texts)
        lacking = [place for place, row in enumerate(rows) if row is None]
        if not lacking:
            return np.stack([row for row in rows if row is not None])
        made = await self._embedder.embed([texts[place] for place in lacking])
        if lengths and lengths != {made.shape[1]}:  # the model has changed under the same name
            return await self._embedder.embed(texts)
        await self._shared.put_many(
            [(keys[place], row.astype("<f4").tobytes()) for place, row in zip(lacking, made, strict=True)],
            ttl_s=self._ttl_s,
        )
        if len(lacking) == len(texts):
            return made
        for place, row in zip(lacking, made, strict=True):
            rows[place] = row
        return np.stack([row for row in rows if row is not None])

    def _vector(self, value: bytes | None) -> np.ndarray[tuple[int], np.dtype[np.float32]] | None:
        if value is None or not value or len(value) % 4:
            return None
        row = np.frombuffer(value, "<f4")
        if self.dimension is not None and len(row) != self.dimension:
            return None
        return row if abs(float(np.linalg.norm(row)) - 1.0) <= _NORM_TOLERANCE else None
