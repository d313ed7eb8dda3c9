"""A search that is held beside the same one run, and a first page: in turns, on one file."""

import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from typing import Any

from caches.workload import memories, questions
from context0 import MemoryEngine, Settings

ASKED = 400


def rows() -> list[dict[str, Any]]:
    return [row for size in (1_000, 10_000) for row in asyncio.run(compared(size))]


async def compared(size: int) -> list[dict[str, Any]]:
    draw = random.Random(3)
    texts = questions(draw)[:ASKED]
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/s.db"
        on = MemoryEngine(Settings(data_dir=folder, store_url=url, owner_index_staleness_s=60))
        off = MemoryEngine(
            Settings(
                data_dir=folder, store_url=url, owner_index_staleness_s=60, search_cache_bytes=0, list_cache_bytes=0
            )
        )
        async with on, off:
            for start in range(0, size, 2_000):
                await on.add_many(memories(draw, min(2_000, size - start)), user_id="anna")
            for text in texts:
                await on.search(text, user_id="anna")
                await off.search(text, user_id="anna")
            await on.list(user_id="anna")
            searches = await in_turns(
                [lambda engine, text=text: engine.search(text, user_id="anna") for text in texts * 2], on, off
            )
            lists = await in_turns([lambda engine: engine.list(user_id="anna")] * ASKED, on, off)
    return [
        {
            "memories": size,
            "call": name,
            "run, p50 ms": f"{run:.3f}",
            "held, p50 ms": f"{held:.3f}",
            "ratio": f"{run / held:.1f} ×",
        }
        for name, (held, run) in (("search, 10 results", searches), ("first page of 20", lists))
    ]


async def in_turns(
    calls: list[Callable[[MemoryEngine], Awaitable[Any]]], on: MemoryEngine, off: MemoryEngine
) -> tuple[float, float]:
    """Return the medians in ms of the engine with caches and of the one without, fifty calls of each in turn."""
    times: tuple[list[float], list[float]] = ([], [])
    for start in range(0, len(calls), 50):
        for engine, taken in zip((on, off), times, strict=True):
            for call in calls[start : start + 50]:
                started = time.perf_counter()
                await call(engine)
                taken.append(1000 * (time.perf_counter() - started))
    return statistics.median(times[0]), statistics.median(times[1])
