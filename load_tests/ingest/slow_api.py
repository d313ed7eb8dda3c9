"""Adds while the embeddings come from an API that takes 300 ms, or that fails every fifth time."""

import asyncio
import random
import time
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import numpy as np

from context0.errors import EmbeddingUnavailable
from context0.memory.engine import MemoryEngine
from context0.runtime import build_parts
from ingest.bulk import settings_at

DIMENSION = 256


class SlowApi:
    """Fake vectors after `wait_s`; `fails` is the share of the calls that end in an error instead."""

    local = False
    model = "slow/256"
    dimension: int | None = DIMENSION

    def __init__(self, *, wait_s: float, fails: float = 0.0) -> None:
        self._wait_s = wait_s
        self._fails = fails
        self._random = random.Random(7)
        self.calls = 0
        self.failures = 0

    async def embed(self, texts: Any) -> Any:
        self.calls += 1
        await asyncio.sleep(self._wait_s)
        if self._random.random() < self._fails:
            self.failures += 1
            raise EmbeddingUnavailable("overloaded")
        rows = np.zeros((len(texts), DIMENSION), np.float32)
        for row, text in zip(rows, texts, strict=True):
            row[hash(text) % DIMENSION] = 1
        return rows

    async def aclose(self) -> None:
        """Nothing is open."""


@dataclass(frozen=True)
class Times:
    """Milliseconds. by_word, by_meaning: from the call until a search of that kind can find it."""

    acknowledged_p50: float
    by_word_p99: float
    by_meaning_p50: float
    by_meaning_p99: float


@dataclass(frozen=True)
class Storm:
    adds: int
    calls: int
    failures: int
    pending: int
    failed: int
    settled_s: float


def engine_with(api: SlowApi, path: Path, **limits: Any) -> MemoryEngine:
    settings = settings_at(path)
    parts = build_parts(settings)
    return MemoryEngine(settings, parts=replace(parts, embedder=api, limits=replace(parts.limits, **limits)))


async def times(items: list[Any], path: Path, *, every_s: float) -> Times:
    """Add one item every `every_s`, whoever is still waited for, and look when each one is found."""
    acknowledged: list[float] = []
    by_word: list[float] = []
    by_meaning: list[float] = []
    async with engine_with(SlowApi(wait_s=0.3), path) as engine:
        await engine.list(user_id="anna")

        async def one(item: Any) -> None:
            started = time.perf_counter()
            memory = await engine.add(**item, user_id="anna")
            acknowledged.append(time.perf_counter() - started)
            found = await engine.search(item["content"], user_id="anna", limit=5, strategies=["keyword"])
            if memory.id in {hit.memory.id for hit in found.items}:
                by_word.append(time.perf_counter() - started)
            while (await engine.get(memory.id, user_id="anna")).index.state != "done":
                await asyncio.sleep(0.01)
            by_meaning.append(time.perf_counter() - started)

        async with asyncio.TaskGroup() as group:
            for item in items:
                group.create_task(one(item))
                await asyncio.sleep(every_s)
    if len(by_word) != len(items):
        raise AssertionError(f"{len(items) - len(by_word)} were not found by their words at once")
    return Times(
        acknowledged_p50=median(acknowledged) * 1e3,
        by_word_p99=_p99(by_word),
        by_meaning_p50=median(by_meaning) * 1e3,
        by_meaning_p99=_p99(by_meaning),
    )


async def storm(items: list[Any], path: Path) -> Storm:
    """Add everything at once while every fifth call of the API fails, and wait until nothing is pending."""
    api = SlowApi(wait_s=0.02, fails=0.2)
    async with engine_with(api, path, index_interval_s=0.2) as engine:
        await engine.list(user_id="anna")
        started = time.perf_counter()
        gate = asyncio.Semaphore(64)

        async def one(item: Any) -> None:
            async with gate:
                await engine.add(**item, user_id="anna")

        await asyncio.gather(*map(one, items))
        async with asyncio.timeout(120):
            while (states := await _states(engine)).get("pending"):
                await asyncio.sleep(0.1)
        return Storm(
            adds=len(items),
            calls=api.calls,
            failures=api.failures,
            pending=states.get("pending", 0),
            failed=states.get("failed", 0),
            settled_s=time.perf_counter() - started,
        )


async def _states(engine: MemoryEngine) -> dict[str, int]:
    states: dict[str, int] = {}
    async for memory, _ in engine.export(user_id="anna"):
        states[memory.index.state] = states.get(memory.index.state, 0) + 1
    return states


def _p99(seconds: list[float]) -> float:
    return quantiles(seconds, n=100, method="inclusive")[-1] * 1e3
