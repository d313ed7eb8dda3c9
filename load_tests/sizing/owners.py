"""Owners by Zipf's law: how many memories each has, and how many of them are in memory while requests come."""

import random
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

import numpy as np

GB: Final = 1 << 30


def sizes(owners: int, memories: int) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """Return how many memories each owner has: the r-th has a share of 1 / r, and everybody has one."""
    shares = 1.0 / np.arange(1, owners + 1)
    return np.maximum(1, (memories * shares / shares.sum()).astype(np.int64))


@dataclass(frozen=True, slots=True, kw_only=True)
class Residency:
    """What came of one simulated day. hit_rate: of requests, in [0, 1]. loaded: memories read for one request."""

    processes: int
    gb_each: float
    sticky: bool
    hit_rate: float
    loaded: float


def resident(
    owned: Sequence[int], *, index_bytes: tuple[float, float], most_indexed: int, requests: int, seed: int,
    processes: int, gb_each: float, sticky: bool,
) -> Residency:  # fmt: skip
    """Send requests to processes that keep the indexes of the owners whom they served last, as `OwnerCache` does.

    Who has more memories asks more: requests are drawn by size. The first half warms up. index_bytes: of an owner, and
    of each memory. Owners above `most_indexed` have no index in memory and count neither way. sticky: an owner's
    requests go to one process; else each goes to any.
    """
    draw = random.Random(seed)
    asked = draw.choices(range(len(owned)), cum_weights=list(accumulate(owned)), k=requests)
    fixed, each = index_bytes
    held: list[OrderedDict[int, float]] = [OrderedDict() for _ in range(processes)]
    used = [0.0] * processes
    hits = counted = loaded = 0
    for number, owner in enumerate(asked):
        if owned[owner] > most_indexed:
            continue
        place = owner % processes if sticky else draw.randrange(processes)
        cache, is_counted = held[place], number >= requests // 2
        counted += is_counted
        if owner in cache:
            cache.move_to_end(owner)
            hits += is_counted
            continue
        loaded += int(owned[owner]) * is_counted
        cache[owner] = fixed + each * owned[owner]
        used[place] += cache[owner]
        while used[place] > gb_each * GB and len(cache) > 1:
            used[place] -= cache.popitem(last=False)[1]
    return Residency(
        processes=processes,
        gb_each=gb_each,
        sticky=sticky,
        hit_rate=hits / max(1, counted),
        loaded=loaded / max(1, counted),
    )
