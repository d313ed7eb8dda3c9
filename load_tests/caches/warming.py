"""Would it pay to run an owner's favourite searches again after each write? Hits and searches, with and without."""

import random
from typing import Any

from caches.workload import QUERIES, zipf

OWNERS = 20


def rows() -> list[dict[str, Any]]:
    return [simulated(every, top) for every in (10, 50, 200) for top in (0, 1, 5, 20)]


def simulated(every: int, top: int) -> dict[str, Any]:
    """A write of the owner after so many of the owner's searches makes all answers old; `top` are then made anew."""
    draw = random.Random(13)
    held: list[set[int]] = [set() for _ in range(OWNERS)]
    counts: list[dict[int, int]] = [{} for _ in range(OWNERS)]
    since = [0] * OWNERS
    hits = misses = warmed = 0
    for rank in zipf(draw):
        owner = draw.randrange(OWNERS)
        counts[owner][rank] = counts[owner].get(rank, 0) + 1
        if rank in held[owner]:
            hits += 1
        else:
            misses += 1
            held[owner].add(rank)
        since[owner] += 1
        if since[owner] == every:
            since[owner] = 0
            favourites = sorted(counts[owner], key=lambda one: -counts[owner][one])[:top]
            held[owner] = set(favourites)
            warmed += len(favourites)
    return {
        "a write every": f"{every} searches of the owner",
        "warmed": top,
        "held": f"{100 * hits / QUERIES:.1f} %",
        "searches run": misses + warmed,
        "of them for warming": warmed,
    }
