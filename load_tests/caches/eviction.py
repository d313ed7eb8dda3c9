"""Our eviction beside least recently used and least frequently used: hit rates at several sizes, three workloads."""

import random
import time
from collections.abc import Mapping, Sequence
from typing import Any

from cachetools import LFUCache, LRUCache

from caches.workload import DISTINCT, QUERIES, zipf
from context0.cache.bounded import ENTRY_BYTES, BoundedCache

_ENTRY = 2_048


def rows() -> list[dict[str, Any]]:
    return [
        {"workload": name, "room for": f"{share:.0%} of the keys", **rates(keys, max(1, int(DISTINCT * share)))}
        for name, keys in workloads().items()
        for share in (0.01, 0.05, 0.1, 0.25, 0.5)
    ]


def workloads() -> Mapping[str, Sequence[int]]:
    """Zipf; Zipf whose famous keys change four times; Zipf with a scan of other keys, asked once, after each 50."""
    draw = random.Random(11)
    shifting = [rank + DISTINCT * phase for phase in range(4) for rank in zipf(draw, queries=QUERIES // 4)]
    scanned: list[int] = []
    for number, rank in enumerate(zipf(draw)):
        scanned.append(rank)
        if number % 50 == 0:
            scanned.extend(range(10**6 + 25 * number, 10**6 + 25 * number + 50))
    return {"Zipf": zipf(draw), "changing fame": shifting, "with scans": scanned}


def rates(keys: Sequence[int], entries: int) -> dict[str, str]:
    ours: BoundedCache[int, int] = BoundedCache(
        max_bytes=entries * _ENTRY, ttl_s=3600, size_of=lambda *_: _ENTRY - ENTRY_BYTES
    )
    started = time.perf_counter()
    for key in keys:
        if ours.get(key, None) is None:
            ours.put(key, 1)
    took_us = 1e6 * (time.perf_counter() - started) / len(keys)
    told = {"ours": ours.statistics().hits / len(keys)}
    for name, other in (("LRU", LRUCache(entries)), ("LFU", LFUCache(entries))):
        hits = 0
        for key in keys:
            hits += key in other
            other[key] = other.get(key, 1)
        told[name] = hits / len(keys)
    return {**{name: f"{100 * rate:.1f} %" for name, rate in told.items()}, "ours, µs a query": f"{took_us:.1f}"}
