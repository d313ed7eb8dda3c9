"""A cache in memory: at most so many bytes, each entry for so long, what is asked for often stays longest."""

import time
from collections.abc import Callable, Hashable
from heapq import heapify, heappop, heappush
from typing import Final, Generic, NamedTuple, TypeVar

from context0.cache.eviction import Segments
from context0.cache.sizes import deep_bytes
from context0.cache.statistics import CacheStatistics

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
D = TypeVar("D")

ENTRY_BYTES: Final = 400
"""Of an entry beside its key and its value: three places in dictionaries, its record, its place by age."""
_STALE_AGES: Final = 64


class _Entry(NamedTuple):
    value: object
    size: int
    until: float
    born: float
    serial: int


class BoundedCache(Generic[K, V]):
    """Holds `max_bytes` of values, keys and overhead; evicts by `Segments`. A hit costs 2 us. For one event loop.

    A value that is larger than 1/20 of the cache competes at once, one that is larger than the cache is not kept. None
    is a value like any other, so that "there is nothing" can be remembered. Who gets a value shares it with the cache:
    values are not to be changed.
    """

    def __init__(
        self,
        *,
        max_bytes: int,
        ttl_s: float,
        size_of: Callable[[K, V], int] = deep_bytes,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        """size_of: the bytes of key and value, asked once an entry.  timer: monotonic, in seconds."""
        self._max_bytes = max_bytes
        self._ttl_s = ttl_s
        self._size_of = size_of
        self._timer = timer
        self._entries: dict[K, _Entry] = {}
        self._segments: Segments[K] = Segments(max_bytes)
        self._ages: list[tuple[float, int, K]] = []
        self._serial = self._hits = self._misses = self._evictions = self._expirations = 0

    def get(self, key: K, default: D) -> V | D:
        """Return the value, or `default` where there is none. Counts as a hit or a miss."""
        entry = self._entries.get(key)
        if entry is None or entry.until <= self._timer():
            if entry is not None:
                self._expire(key)
            self._misses += 1
            self._segments.missed(key)
            return default
        self._hits += 1
        self._segments.touched(key)
        return entry.value  # type: ignore[return-value]  # an entry is not generic, for speed

    def peek(self, key: K) -> V | None:
        """Return the value without counting anything, None where there is none: for who then decides to `get` it."""
        entry = self._entries.get(key)
        return None if entry is None or entry.until <= self._timer() else entry.value  # type: ignore[return-value]  # see get

    def put(self, key: K, value: V, *, ttl_s: float | None = None) -> None:
        """Keep the value in the place of any former one. ttl_s: shorter than the cache's, as for what may soon be."""
        now = self._timer()
        self.discard(key)
        self._drop_over(now)
        size = self._size_of(key, value) + ENTRY_BYTES
        until = now + (self._ttl_s if ttl_s is None else min(ttl_s, self._ttl_s))
        if size > self._max_bytes or until <= now:
            return
        self._serial += 1
        self._entries[key] = _Entry(value, size, until, now, self._serial)
        heappush(self._ages, (until, self._serial, key))
        for evicted in self._segments.add(key, size):
            del self._entries[evicted]
            self._evictions += 1

    def discard(self, key: K) -> None:
        """Forget the key; an unknown one is fine."""
        if self._entries.pop(key, None) is not None:
            self._segments.remove(key)

    def discard_where(self, goes: Callable[[V], bool]) -> int:
        """Forget every value that `goes`, and return how many there were: looks at all, so it is for erasures only."""
        going = [key for key, entry in self._entries.items() if goes(entry.value)]  # type: ignore[arg-type]
        for key in going:
            self.discard(key)
        return len(going)

    def clear(self) -> None:
        self._entries.clear()
        self._segments.clear()
        self._ages.clear()

    def statistics(self) -> CacheStatistics:
        """Return what was counted, and what is held now; the oldest entry is looked for among all."""
        now = self._timer()
        self._drop_over(now)
        return CacheStatistics(
            hits=self._hits,
            misses=self._misses,
            evictions=self._evictions,
            expirations=self._expirations,
            entries=len(self._entries),
            bytes=self._segments.bytes,
            oldest_s=now - min((entry.born for entry in self._entries.values()), default=now),
        )

    def _drop_over(self, now: float) -> None:
        """Forget what is over its time, so that it takes no room; and the ages of entries that have gone."""
        ages = self._ages
        while ages and ages[0][0] <= now:
            _, serial, key = heappop(ages)
            entry = self._entries.get(key)
            if entry is not None and entry.serial == serial:
                self._expire(key)
        if len(ages) > 2 * len(self._entries) + _STALE_AGES:
            self._ages = [(entry.until, entry.serial, key) for key, entry in self._entries.items()]
            heapify(self._ages)

    def _expire(self, key: K) -> None:
        self.discard(key)
        self._expirations += 1
