"""Single durable adds: one caller after another, and 64 at the same time, whose commits go together."""

import asyncio
import time
from pathlib import Path
from typing import Any

from context0.memory.engine import MemoryEngine
from ingest.bulk import settings_at


async def rates(items: list[Any], path: Path, *, callers: int) -> tuple[float, float]:
    """Return adds a second of one caller, and of all of them together, each on half of the items."""
    alone, together = items[: len(items) // 4], items[len(items) // 4 :]
    async with MemoryEngine(settings_at(path)) as engine:
        await engine.list(user_id="anna")
        started = time.perf_counter()
        for item in alone:
            await engine.add(**item, user_id="anna")
        one = len(alone) / (time.perf_counter() - started)
        waiting = iter(together)

        async def caller(number: int) -> None:
            for item in waiting:
                await engine.add(**item, user_id=f"user {number}")

        started = time.perf_counter()
        await asyncio.gather(*map(caller, range(callers)))
        return one, len(together) / (time.perf_counter() - started)
