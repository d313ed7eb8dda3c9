"""What a Redis adds to a search, and what it adds when it is killed, hung, flushed or out of memory."""

import asyncio
import random
import statistics
import tempfile
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from caches.workload import Remote, memories, questions
from context0 import MemoryEngine, Settings
from context0.cache.shared import SharedCache
from context0.embeddings.cached import Cached
from context0.embeddings.keys import VectorSource
from context0.embeddings.shared import SharedVectors
from context0.runtime import build_parts
from stores.redis.cache import RedisCache
from tests.redis_server import RedisServer, redis_server

ASKED = 600


def rows() -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        try:
            with redis_server(Path(folder)) as server:
                return asyncio.run(measured(folder, server))
        except pytest.skip.Exception as exc:
            return [{"redis": str(exc)}]


async def measured(folder: str, server: RedisServer) -> list[dict[str, Any]]:
    draw = random.Random(17)
    texts = questions(draw)[:ASKED]
    parts = build_parts(Settings(data_dir=folder, store_url=f"sqlite:///{folder}/s.db", search_cache_bytes=0))
    source = VectorSource(provider="study", model=Remote.model)
    shared = SharedCache(RedisCache(server.url))
    second = SharedVectors(Remote(), source, shared, ttl=timedelta(hours=24))
    alone = MemoryEngine(parts=replace(parts, embedder=Cached(Remote(), source, max_bytes=2_000)))
    both = MemoryEngine(
        parts=replace(
            build_parts(Settings(data_dir=folder, store_url=f"sqlite:///{folder}/s.db", search_cache_bytes=0)),
            embedder=Cached(second, source, max_bytes=2_000),  # room for two: nearly every question goes to Redis
            shared=shared,
        )
    )
    async with alone, both:
        await both.add_many(memories(draw, 1_000), user_id="anna", wait=True)
        told = [await beside("up", texts, alone, both)]
        server.command("FLUSHALL")
        told.append(await beside("flushed", texts, alone, both))
        server.command("CONFIG", "SET", "maxmemory", "1mb")
        told.append(await beside("1 MB, refuses writes", texts, alone, both))
        server.hang()
        told.append(await beside("hung (SIGSTOP)", texts, alone, both))
        server.go_on()
        server.kill()
        told.append(await beside("killed", texts, alone, both))
    return told


async def beside(state: str, texts: list[str], alone: MemoryEngine, both: MemoryEngine) -> dict[str, Any]:
    times: tuple[list[float], list[float]] = ([], [])
    errors = 0
    for text in texts:
        for engine, taken in zip((alone, both), times, strict=True):
            started = time.perf_counter()
            try:
                errors += bool((await engine.search(text, user_id="anna")).degraded)
            except Exception:  # noqa: BLE001 - counted, whatever it is
                errors += 1
            taken.append(1000 * (time.perf_counter() - started))
    without, with_it = (sorted(taken) for taken in times)
    return {
        "redis": state,
        "searches": len(texts),
        "errors": errors,
        "p50 without, ms": f"{statistics.median(without):.2f}",
        "added p50, ms": f"{statistics.median(with_it) - statistics.median(without):.2f}",
        "added p99, ms": f"{with_it[len(texts) * 99 // 100] - without[len(texts) * 99 // 100]:.1f}",
    }
