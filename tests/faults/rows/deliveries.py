"""D11: every message is delivered three times, to two workers, and some work outlasts its lease: the effect of one.

Messages go through a real broker (Redis). In every other round the store of vectors applies a write only when the lease
of who sent it is long over, and the other worker has done the same work. What is there afterwards is what a single
delivery leaves.
"""

import asyncio
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from context0.memory.engine import MemoryEngine
from context0.memory.parts import EngineParts
from stores.records import Scope
from stores.reference.vectors import ReferenceVectors
from tests.engine_bench import HashingEmbedder, open_bench
from tests.faults.rows.outcome import Outcome, RowOptions
from tests.mongo_process import mongo_process
from tests.redis_server import redis_server
from tests.tasks_bench import TaskBench, task_bench, until_indexed

SQLITE: Final = "sqlite"
MEMORIES: Final = 30
WORKERS: Final = 2
LEASE_S: Final = 1.0
_STANDSTILL_S: Final = 3.0
_ALIKE: Final = 0.999
_ZERO: Final = ("duplicates", "missing", "wrong vectors", "odd failures")
NOTES: Final = tuple(
    text
    for n in range(MEMORIES // 3)
    for text in (f"Anna{n} lives in Graz{n}", f"Anna{n} moved to Wels{n} in May", f"note {n} of the harp")
)


class Shared(ReferenceVectors):
    """One store of vectors for all engines, which are closed one by one. puts: of each id.

    stands_still: the next write is applied later than any lease lasts, whether somebody still waits for it or not.
    """

    def __init__(self) -> None:
        super().__init__()
        self.puts: Counter[str] = Counter()
        self.stands_still = False
        self.late: list[asyncio.Task[None]] = []

    async def put_many(self, points: Any, *, scope: Scope) -> None:
        stands_still, self.stands_still = self.stands_still, False
        applied = asyncio.create_task(self._applied(points, scope, _STANDSTILL_S if stands_still else 0.0))
        if stands_still:
            self.late.append(applied)
        await asyncio.shield(applied)

    async def _applied(self, points: Any, scope: Scope, after_s: float) -> None:
        await asyncio.sleep(after_s)
        self.puts.update(point.id for point in points)
        await super().put_many(points, scope=scope)


class Bench(TaskBench):
    """Engines with one store of vectors."""

    vectors: Shared

    def parts(self, embedder: Any = None, **limits: Any) -> EngineParts:
        return replace(super().parts(embedder, **limits), vectors=self.vectors)


def on_sqlite(options: RowOptions) -> Outcome:
    """count: rounds, each of 30 memories of a user."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_run(options, Path(folder), SQLITE))


def on_mongodb(options: RowOptions) -> Outcome:
    with tempfile.TemporaryDirectory() as folder, mongo_process(Path(folder)) as server:
        return asyncio.run(_run(options, Path(folder), server.url("deliveries")))


async def _run(options: RowOptions, folder: Path, target: str) -> Outcome:
    counts: Counter[str] = Counter(dict.fromkeys(_ZERO, 0))
    edges = await _edges_of_one()
    store = {} if target == SQLITE else {"store_url": target, "mongodb_timeout_ms": 60_000}
    with redis_server(folder) as redis:
        async with task_bench(folder, redis.url, task_lease_s=LEASE_S, **store) as opened:
            bench = Bench(settings=opened.settings, stack=opened.stack)
            bench.vectors = Shared()
            workers = [(await bench.worker())[0] for _ in range(WORKERS)]
            for number, worker in enumerate(workers):
                _deliver_thrice(worker, workers[(number + 1) % WORKERS], counts)
            writer = await bench.writer()
            for number in range(options.count):
                bench.vectors.stands_still = number % 2 == 1
                await _round(bench, writer, f"user {number}", edges, counts)
    return Outcome.of({"rounds": options.count, **counts}, *_ZERO)


async def _edges_of_one() -> int:
    """Return how many edges the memories of a round have, where all is done once."""
    async with open_bench("reference", Path()) as bench:
        engine = bench.engine()
        await engine.add_many([{"content": text} for text in NOTES], user_id="one")
        return await _edges(engine, "one")


async def _edges(engine: MemoryEngine, user: str) -> int:
    return await engine._parts.graph.count(Scope(owner=user))


def _deliver_thrice(worker: Any, other: Any, counts: Counter[str]) -> None:
    """Let a worker hand on each message to the other, at the same time, and take it once more afterwards."""
    deliver, elsewhere = worker.index, other.__class__.index

    async def thrice(owner: object, pieces: object) -> None:
        counts["messages"] += 1
        counts["deliveries"] += 3
        await asyncio.gather(deliver(owner, pieces), elsewhere(other, owner, pieces))
        await deliver(owner, pieces)

    worker.index = thrice


async def _round(bench: Bench, writer: MemoryEngine, user: str, edges: int, counts: Counter[str]) -> None:
    before = len(bench.texts)
    notes: list[Any] = [{"content": text} for text in NOTES]
    for start in range(0, MEMORIES, 10):
        await writer.add_many(notes[start : start + 10], user_id=user)
    await until_indexed(writer, MEMORIES, user)
    counts["late writes"] += len(bench.vectors.late)
    counts["late writes when the work was done"] += sum(not one.done() for one in bench.vectors.late)
    await asyncio.gather(*bench.vectors.late)
    bench.vectors.late.clear()
    await _look(bench, writer, user, edges, counts)
    texts = bench.texts[before:]
    again = len(texts) - len(set(texts))
    counts["embedded again"] += again


async def _look(bench: Bench, writer: MemoryEngine, user: str, edges: int, counts: Counter[str]) -> None:
    memories = {memory.id: memory async for memory, _ in writer.export(user_id=user)}
    points = bench.vectors._points.get(user, {})
    counts["memories"] += len(memories)
    counts["duplicates"] += len(memories) - len({memory.content for memory in memories.values()})
    counts["duplicates"] += len(points.keys() - memories.keys()) + max(0, await _edges(writer, user) - edges)
    counts["missing"] += len(memories.keys() - points.keys()) + max(0, edges - await _edges(writer, user))
    counts["edges"] += edges
    counts["vectors written again"] += sum(bench.vectors.puts[one] > 1 for one in memories)
    for memory_id, vector in points.items():
        right = (await HashingEmbedder().embed([memories[memory_id].content]))[0]
        counts["wrong vectors"] += float(vector @ right) < _ALIKE
    failed = await writer.failed_work(user_id=user)
    counts["odd failures"] += len(failed.items)
    for name in ("Anna0", "Anna3"):
        stated = [(fact.relation, fact.object) for fact in await writer.facts(user_id=user, about=name)]
        counts["facts looked at"] += len(stated)
        counts["duplicates"] += len(stated) - len(set(stated))
        counts["missing"] += not stated
