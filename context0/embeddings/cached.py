"""Remembers vectors, bounded in bytes and in time; equal texts that are asked for together are embedded once."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import numpy as np
from cachetools import TTLCache

from context0.embeddings.keys import cache_key, key_prefix
from context0.embeddings.wrapper import Wrapper
from context0.errors import EmbeddingInvalid, EmbeddingUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from context0.embeddings.keys import VectorSource
    from context0.embeddings.protocol import Embedder, FloatMatrix

_CLOSED: Final = "the embedder was closed while this request was under way"
# Measured with tracemalloc: key, array and bytes objects, the links of the cache.
_OVERHEAD_BYTES: Final = 700


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheStatistics:
    """Counted in texts since the start. hits: answered from the cache; misses: all others, also those that joined an
    embedding already under way. evictions: pushed out by newer ones, not by age. bytes: held now, overhead included.
    """

    hits: int
    misses: int
    evictions: int
    entries: int
    bytes: int


class _Rows(TTLCache[bytes, "FloatMatrix"]):
    """Digest -> read-only row of shape (1, dimension); the least recently used leave first."""

    evictions = 0

    def popitem(self) -> tuple[bytes, FloatMatrix]:
        self.evictions += 1
        return super().popitem()


class _Flight:
    """An embedding under way, shared by everyone who misses one of its texts."""

    def __init__(self, keys: Sequence[bytes], task: asyncio.Task[FloatMatrix]) -> None:
        self.row_of = {key: row for row, key in enumerate(keys)}
        self.task = task


class Cached(Wrapper):
    """Answers from memory what it has seen; all that is new in a call goes on in one call, each text once.

    A call under way belongs to no caller: when the one who began it is cancelled, those who joined still get their
    rows, and the rows are remembered. Errors are not remembered. A vector that the answer shares with the cache
    cannot be written to. Only for use on one event loop.
    """

    def __init__(
        self,
        embedder: Embedder,
        source: VectorSource,
        *,
        max_bytes: int = 64 * 1024 * 1024,
        ttl: timedelta = timedelta(hours=24),
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        """max_bytes: of vectors and overhead together; 64 MiB hold 38,000 vectors of 256.  timer: in seconds."""
        super().__init__(embedder)
        self._prefix = key_prefix(source)
        self._rows = _Rows(max_bytes, ttl.total_seconds(), timer, getsizeof=_entry_bytes)
        self._flights: dict[bytes, _Flight] = {}
        self._hits = 0
        self._misses = 0
        self._closed = False

    async def embed(self, texts: Sequence[str]) -> FloatMatrix:
        """Return the vectors, read-only. A single text that is known costs 2 us; raises what the embedder raises."""
        keys = [cache_key(self._prefix, text) for text in texts]
        found: dict[bytes, FloatMatrix] = {}
        wanted: dict[bytes, str] = {}
        for key, text in zip(keys, texts, strict=True):
            try:
                found[key] = self._rows[key]
                self._hits += 1
            except KeyError:
                wanted[key] = text
                self._misses += 1
        if wanted:
            await self._fetch(found, wanted)
        if len(keys) == 1:
            return found[keys[0]]
        if not keys:
            return await self._embedder.embed(texts)
        rows = np.concatenate([found[key] for key in keys])
        rows.flags.writeable = False
        return rows

    def statistics(self) -> CacheStatistics:
        return CacheStatistics(
            hits=self._hits,
            misses=self._misses,
            evictions=self._rows.evictions,
            entries=len(self._rows),
            bytes=int(self._rows.currsize),
        )

    def forget(self) -> None:
        """Forget all vectors, whoever's texts they are of: they are kept by digests, so nobody's can be told apart."""
        self._rows.clear()
        super().forget()

    async def aclose(self) -> None:
        self._closed = True
        tasks = {flight.task for flight in self._flights.values()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._flights.clear()
        await self._embedder.aclose()

    async def _fetch(self, found: dict[bytes, FloatMatrix], wanted: dict[bytes, str]) -> None:
        """Move every key of `wanted` to `found`: join what is under way, begin the rest."""
        while wanted:
            new = {key: text for key, text in wanted.items() if key not in self._flights}
            mine = self._begin(new) if new else None
            for flight in dict.fromkeys([self._flights[key] for key in wanted]):
                try:
                    rows = await _landing(flight)
                except EmbeddingInvalid:
                    if flight is mine or len(flight.row_of) == 1:
                        raise
                    continue  # perhaps a text of someone else: ours are begun anew, without it
                for key in wanted.keys() & flight.row_of.keys():
                    row = flight.row_of[key]
                    found[key] = rows[row : row + 1]
                    del wanted[key]

    def _begin(self, wanted: dict[bytes, str]) -> _Flight:
        if self._closed:
            raise EmbeddingUnavailable(_CLOSED)
        keys = list(wanted)
        task = asyncio.get_running_loop().create_task(self._fly(keys, list(wanted.values())))
        task.add_done_callback(_retrieve)
        flight = _Flight(keys, task)
        self._flights.update(dict.fromkeys(keys, flight))
        return flight

    async def _fly(self, keys: list[bytes], texts: list[str]) -> FloatMatrix:
        try:
            rows = await self._embedder.embed(texts)
            self._remember(keys, rows)
        finally:
            for key in keys:
                del self._flights[key]
        rows.flags.writeable = False
        return rows

    def _remember(self, keys: list[bytes], rows: FloatMatrix) -> None:
        for key, row in zip(keys, rows, strict=True):
            # A copy of its own, over bytes: it does not keep its batch alive, and nobody can make it writable again.
            kept = np.frombuffer(row.tobytes(), dtype=np.float32).reshape(1, -1)
            if _entry_bytes(kept) <= self._rows.maxsize:
                self._rows[key] = kept


async def _landing(flight: _Flight) -> FloatMatrix:
    await asyncio.wait((flight.task,))  # unlike awaiting the task itself, does not cancel it with the caller
    if flight.task.cancelled():
        raise EmbeddingUnavailable(_CLOSED)
    return flight.task.result()


def _retrieve(task: asyncio.Task[FloatMatrix]) -> None:
    """Mark the error as seen: every caller may be gone, and asyncio would report it as lost."""
    if not task.cancelled():
        task.exception()


def _entry_bytes(row: FloatMatrix) -> int:
    return row.nbytes + _OVERHEAD_BYTES
