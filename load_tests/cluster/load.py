"""Users who add, search, list and get through a client that goes round, and a ledger of what was acknowledged."""

import asyncio
import os
import statistics
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from context0 import AsyncContext0Client, MemoryEngine, Settings
from context0.sdk.errors import ClientError
from load_tests.cluster.processes import Fleet


class Ledger:
    """What was acknowledged, on disk before anything else is asked for."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a+", encoding="utf-8")

    async def note(self, user: str, memory_id: str, content: str) -> None:
        await asyncio.to_thread(self._write, f"{user}\t{memory_id}\t{content}\n")

    def read(self) -> dict[str, dict[str, str]]:
        """Return contents by id, by user."""
        self._file.seek(0)
        told: dict[str, dict[str, str]] = {}
        for line in self._file:
            user, memory_id, content = line.rstrip("\n").split("\t")
            told.setdefault(user, {})[memory_id] = content
        return told

    def close(self) -> None:
        self._file.close()

    def _write(self, line: str) -> None:
        self._file.write(line)
        self._file.flush()
        os.fsync(self._file.fileno())


@dataclass
class Outcome:
    """requests: by what was asked. failed: what the client could not mend. stale: reads without the write before.

    times_ms: of searches, by the state of things when they began.
    """

    requests: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    stale: int = 0
    times_ms: dict[str, list[float]] = field(default_factory=dict)
    state: str = "all up"

    def median_ms(self, state: str) -> float:
        return statistics.median(self.times_ms.get(state) or [float("nan")])


class Users:
    """Each writes, then looks for what was written, again and again, until it is stopped."""

    def __init__(self, fleet: Fleet, ledger: Ledger, *, users: int, pause_s: float = 0.0) -> None:
        self.outcome = Outcome()
        self._fleet = fleet
        self._ledger = ledger
        self._names = [f"user{number}" for number in range(users)]
        self._pause_s = pause_s
        self._stopping = asyncio.Event()

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[Outcome]:
        async with asyncio.TaskGroup() as group:
            for name in self._names:
                group.create_task(self._work(name))
            try:
                yield self.outcome
            finally:
                self._stopping.set()

    async def _work(self, user: str) -> None:
        async with AsyncContext0Client(self._fleet.urls, self._fleet.token(user), sticky=False) as client:
            number = 0
            while not self._stopping.is_set():
                number += 1
                try:
                    await self._once(client, user, number)
                except ClientError as exc:
                    self.outcome.failed.append(f"{type(exc).__name__}: {exc}"[:200])
                await asyncio.sleep(self._pause_s)

    async def _once(self, client: AsyncContext0Client, user: str, number: int) -> None:
        told = self.outcome
        word = f"{user}q{number}z"
        memory = await client.memories.add(f"{user} keeps {word}")
        told.requests["add"] += 1
        await self._ledger.note(user, memory.id, memory.content)
        started, state = time.perf_counter(), told.state
        found = await client.memories.search(word, limit=5)
        told.times_ms.setdefault(state, []).append(1000 * (time.perf_counter() - started))
        told.requests["search"] += 1
        told.stale += memory.id not in [one.memory.id for one in found.items]
        listed = await client.memories.list(limit=3)
        told.requests["list"] += 1
        told.stale += memory.id not in [one.id for one in listed.items]
        told.stale += (await client.memories.get(memory.id)).content != memory.content
        told.requests["get"] += 1


async def audited(fleet: Fleet, ledger: Ledger, folder: Path) -> Mapping[str, Any]:
    """Compare the ledger with the store: what is lost, and what is there twice."""
    lost = doubled = stored = 0
    settings = Settings(store_url=fleet.store_url, data_dir=folder / "audit", metrics=False, _env_file=None)
    acknowledged = ledger.read()
    async with MemoryEngine(settings) as engine:
        for user, told in acknowledged.items():
            there = {memory.id: memory.content async for memory, _ in engine.export(user_id=user)}
            lost += sum(there.get(memory_id) != content for memory_id, content in told.items())
            doubled += len(there) - len(set(there.values()))
            stored += len(there)
    return {"acknowledged": sum(map(len, acknowledged.values())), "stored": stored, "lost": lost, "duplicates": doubled}
