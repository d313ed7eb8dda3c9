"""Two services and two workers over a broker that delivers every task twice: the effects are those of once."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from context0 import MemoryEngine, Settings
from context0.memory.announcing import Piece
from context0.runtime import build_parts, build_task_broker
from context0.tasks.announcing import TaskAnnouncer
from context0.tasks.worker import Worker
from stores.records import MemoryId, Point, Scope
from stores.reference.vectors import ReferenceVectors
from tests.engine_bench import HashingEmbedder

_OWNERS = 4
_SETTLE_S = 120.0


class Twice:
    """Tells everything two times: both are delivered."""

    def __init__(self, announcer: TaskAnnouncer, again: TaskAnnouncer) -> None:
        self._both = (announcer, again)

    @property
    def told(self) -> int:
        return sum(one.told for one in self._both)

    def announce(self, scope: Scope, pieces: Sequence[Piece]) -> None:
        for one in self._both:
            one.announce(scope, pieces)

    async def aclose(self) -> None:
        for one in self._both:
            await one.aclose()


class CountingVectors(ReferenceVectors):
    """A vector store of its own, as a hosted one is, for all the processes. puts: how often each point was written."""

    def __init__(self) -> None:
        super().__init__()
        self.puts: Counter[MemoryId] = Counter()

    async def put_many(self, points: Sequence[Point], *, scope: Scope) -> None:
        self.puts.update(point.id for point in points)
        await super().put_many(points, scope=scope)


def text(number: int) -> str:
    return f"Friend{number} lives in Munich and likes tea number {number}"


async def doubled(store_url: str, task_url: str, folder: Path, *, memories: int) -> dict[str, Any]:
    settings = Settings(
        store_url=store_url, task_url=task_url, data_dir=folder / "tasks", metrics=False, _env_file=None,
        index_interval_s=0.5, task_lease_s=5.0,
    )  # fmt: skip
    vectors, embedder = CountingVectors(), HashingEmbedder(local=False)
    owners = [f"task-owner-{number}" for number in range(_OWNERS)]
    async with AsyncExitStack() as stack:
        services: list[MemoryEngine] = []
        announcers: list[Twice] = []
        stores = []
        for _ in range(2):
            parts, again = (build_parts(settings) for _ in range(2))
            assert isinstance(parts.announcer, TaskAnnouncer)
            assert isinstance(again.announcer, TaskAnnouncer)
            announcers.append(Twice(parts.announcer, again.announcer))
            made = replace(parts, embedder=embedder, vectors=vectors, announcer=announcers[-1])
            stores.append(made.documents)
            services.append(await stack.enter_async_context(MemoryEngine(settings, parts=made)))
        for _ in range(2):
            made = replace(build_parts(settings), embedder=embedder, vectors=vectors, announcer=None, is_worker=True)
            engine = await stack.enter_async_context(MemoryEngine(settings, parts=made))
            await engine.flush()
            stop = asyncio.Event()
            worker = Worker(engine, partial(build_task_broker, settings), concurrency=4, grace_s=5)
            running = asyncio.create_task(worker.run(stop))
            stack.push_async_callback(partial(asyncio.wait, (running,)))
            stack.callback(stop.set)
        await asyncio.sleep(1.0)  # the services find out that there are workers
        started = time.perf_counter()
        await asyncio.gather(*(services[n % 2].add(text(n), user_id=owners[n % _OWNERS]) for n in range(memories)))
        async with asyncio.timeout(_SETTLE_S):
            while any([await services[0].pending_work(user_id=owner) for owner in owners]):
                await asyncio.sleep(0.1)
        taken_s = time.perf_counter() - started
        counts = [await stores[0].count(Scope(owner=owner)) for owner in owners]
        failed = [work for owner in owners for work in (await services[0].failed_work(user_id=owner)).items]
        points = [await vectors.count(Scope(owner=owner)) for owner in owners]
    expected = await _edges_of_once(folder, memories)
    return {
        "memories": memories,
        "stored": sum(one["memories"] for one in counts),
        "vectors": sum(points),
        "duplicate_vectors": sum(points) - memories,
        "edges": sum(one["relations"] for one in counts),
        "duplicate_edges": sum(one["relations"] for one in counts) - expected,
        "given_up": len(failed),
        "told": sum(one.told for one in announcers),
        "vector_writes": vectors.puts.total(),
        "written_more_than_once": sum(times > 1 for times in vectors.puts.values()),
        "seconds": round(taken_s, 1),
    }


async def _edges_of_once(folder: Path, memories: int) -> int:
    """Return how many edges the same texts make where every task is done once, in one process."""
    settings = Settings(store_url=f"sqlite:///{folder / 'once.db'}", data_dir=folder, metrics=False, _env_file=None)
    edges, parts = 0, build_parts(settings)
    async with MemoryEngine(settings, parts=parts) as engine:
        for place in range(_OWNERS):
            owner = f"once-{place}"
            items: Any = [{"content": text(n)} for n in range(memories) if n % _OWNERS == place]
            await engine.add_many(items, user_id=owner, wait=True)
            edges += (await parts.documents.count(Scope(owner=owner)))["relations"]
    return edges
