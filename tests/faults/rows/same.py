"""D14: many callers say the same at once, and change one memory at once: it is stored once, and no change is lost."""

import asyncio
import tempfile
from collections import Counter
from pathlib import Path
from typing import Final

from context0.memory.engine import MemoryEngine
from stores.errors import Conflict
from tests.faults.rows.adds import SQLITE, engine_at
from tests.faults.rows.outcome import Outcome, RowOptions
from tests.mongo_process import mongo_process

CALLERS: Final = 50
ENGINES: Final = 2
"""Each with its own connections, as two processes have them."""


def on_sqlite(options: RowOptions) -> Outcome:
    """count: rounds, each of 50 additions and 50 changes at once."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_rounds(Path(folder), SQLITE, options.count))


def on_mongodb(options: RowOptions) -> Outcome:
    with tempfile.TemporaryDirectory() as folder, mongo_process(Path(folder)) as server:
        return asyncio.run(_rounds(Path(folder), server.url("same"), options.count))


async def _rounds(folder: Path, target: str, count: int) -> Outcome:
    counts: Counter[str] = Counter({"stored twice": 0, "changes lost": 0, "without effect": 0})
    first, second = (engine_at(folder, target, timeout_s=60.0) for _ in range(ENGINES))
    async with first, second:
        for number in range(count):
            await _round((first, second), f"user {number}", counts)
    return Outcome.of({"rounds": count, **counts}, "stored twice", "changes lost", "without effect")


async def _round(engines: tuple[MemoryEngine, MemoryEngine], user: str, counts: Counter[str]) -> None:
    added = await asyncio.gather(
        *(engines[n % ENGINES].add("the cello stands beside the harp", user_id=user) for n in range(CALLERS))
    )
    stored = [memory async for memory, _ in engines[0].export(user_id=user)]
    counts["additions"] += len(added)
    counts["stored twice"] += len(stored) - 1 + len({memory.id for memory in added} - {stored[0].id})

    async def change(n: int) -> str | None:
        try:
            changed = await engines[n % ENGINES].update(stored[0].id, user_id=user, content=f"change {n}")
        except Conflict:
            return None
        return changed.content

    told = [content for content in await asyncio.gather(*map(change, range(CALLERS))) if content is not None]
    history = await engines[0].history(stored[0].id, user_id=user)
    counts["changes acknowledged"] += len(told)
    counts["changes refused"] += CALLERS - len(told)
    counts["changes lost"] += len(set(told) - {entry.content for entry in history})
    counts["changes lost"] += abs(len(history) - 1 - len(told))
    counts["without effect"] += not told
