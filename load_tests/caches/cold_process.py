"""The first search of a process for an owner: by reading all the memories, or with what another process has found."""

import asyncio
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from caches.workload import memories, questions
from context0 import MemoryEngine, Settings
from context0.runtime import build_parts
from tests.redis_server import redis_server

PROCESSES = 9


def rows() -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        try:
            with redis_server(Path(folder)) as server:
                return [asyncio.run(compared(size, server.url)) for size in (1_000, 10_000, 50_000)]
        except pytest.skip.Exception as exc:
            return [{"memories": str(exc)}]


async def compared(size: int, url: str) -> dict[str, Any]:
    draw = random.Random(23)
    text = questions(draw)[0]
    with tempfile.TemporaryDirectory() as folder:
        alone = Settings(data_dir=folder, store_url=f"sqlite:///{folder}/s.db")
        shared = alone.model_copy(update={"cache_url": url})
        async with MemoryEngine(parts=build_parts(shared)) as first:
            for start in range(0, size, 2_000):
                await first.add_many(memories(draw, min(2_000, size - start)), user_id="anna")
            await asyncio.sleep(0.1)  # the word of the owner is told
            await first.search(text, user_id="anna")
            times: dict[str, list[float]] = {"alone": [], "shared": []}
            for _ in range(PROCESSES):
                for name, settings in (("alone", alone), ("shared", shared)):
                    times[name].append(await first_search(settings, text))
    without, with_it = (statistics.median(taken) for taken in times.values())
    return {
        "memories of the owner": size,
        "first search, reads all, ms": f"{without:.1f}",
        "first search, from Redis, ms": f"{with_it:.1f}",
        "ratio": f"{without / with_it:.0f} ×",
    }


async def first_search(settings: Settings, text: str) -> float:
    """Return the ms of the first search for the owner, in a process that is open."""
    parts = build_parts(settings)
    async with MemoryEngine(parts=parts) as engine:
        await engine.search(text, user_id="somebody else")
        started = time.perf_counter()
        await engine.search(text, user_id="anna")
        return 1000 * (time.perf_counter() - started)
