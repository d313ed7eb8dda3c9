"""D3: kill -9 at the points of a flush, and of the work on indexes, at which something is written and not yet marked.

Each process kills itself at its point; the next one opens what it left, and takes it up. Lost 0, there twice 0.
The points lie in what stands around the stores, so that the product itself holds no way to kill it.
"""

import asyncio
import os
import signal
import tempfile
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from random import Random
from typing import Any, Final

from context0.clock import SystemClock
from context0.memory.engine import MemoryEngine
from context0.memory.parts import EngineParts, Limits
from stores.records import MemoryId, Point, Scope
from stores.sqlite.chats import SqliteChats
from stores.sqlite.database import SqliteDatabase
from stores.sqlite.documents import SqliteDocuments
from stores.sqlite.graph import SqliteGraph
from tests.engine_bench import HashingEmbedder
from tests.faults import chat_kills, chat_writer
from tests.faults.chat_writer import die
from tests.faults.rows.outcome import Outcome, RowOptions
from tests.mongo_process import mongo_process

BEFORE, MID_BATCH, BEFORE_MARK, BEFORE_PURGE = "before_store", "mid_batch", "after_store_before_mark", "before_purge"
INDEX_POINTS: Final = (BEFORE, MID_BATCH, BEFORE_MARK, BEFORE_PURGE)
USER: Final = "anna"
_BATCH: Final = 8
_MOST_CALLS: Final = 4


def journal(options: RowOptions) -> Outcome:
    """The journal before MongoDB; a third of the kills at each point."""
    counts: Counter[str] = Counter({"lost": 0, "phantoms": 0})
    with tempfile.TemporaryDirectory() as folder, mongo_process(Path(folder)) as server:
        for number, point in enumerate(chat_writer.POINTS):
            kills = len(range(number, options.count, len(chat_writer.POINTS)))
            place = Path(folder) / point
            place.mkdir()
            target = server.url(point)
            met = asyncio.run(chat_kills.campaign(place, target, point, kills, options.seed)) if kills else None
            if met is not None:
                counts.update({"kills": kills, f"kills {point}": kills, "acknowledged": met.acknowledged})
                counts.update({"lost": met.lost, "phantoms": met.phantoms, "replayed at the end": met.waited})
    return Outcome.of(dict(counts), "lost", "phantoms")


class FileVectors:
    """A vector store that outlives the process: a file for each point, put in place whole."""

    name = "files"
    derived = False

    def __init__(self, folder: Path, point: str = "", calls: int = 0) -> None:
        """point, calls: the process dies at the `calls`-th call there."""
        folder.mkdir(exist_ok=True)
        self._folder = folder
        self._point = point
        self._left = calls

    async def open(self) -> None:
        return

    async def aclose(self) -> None:
        return

    async def put_many(self, points: Sequence[Point], *, scope: Scope) -> None:
        dies_at = self._passes() if points else ""
        if dies_at == BEFORE:
            die()
        half = len(points) // 2
        for number, point in enumerate(points):
            if dies_at == MID_BATCH and number == half:
                die()
            (self._folder / "new").write_bytes(point.vector.tobytes())
            (self._folder / "new").rename(self._folder / f"{point.id}.vector")
        if dies_at == BEFORE_MARK:
            die()

    async def delete_many(self, ids: Collection[MemoryId], *, scope: Scope) -> None:
        for memory_id in ids:
            (self._folder / f"{memory_id}.vector").unlink(missing_ok=True)
        if self._point == BEFORE_PURGE and self._passes():
            die()

    def held(self) -> set[str]:
        return {path.stem for path in self._folder.glob("*.vector")}

    def _passes(self) -> str:
        self._left -= 1
        return self._point if self._left <= 0 else ""


def index(options: RowOptions) -> Outcome:
    """The work on an index outside the documents, as for Pinecone; each point in turn."""
    random = Random(options.seed)
    with tempfile.TemporaryDirectory() as place:
        folder, kills = Path(place), Counter[str]()
        for run in range(options.count):
            point = INDEX_POINTS[run % len(INDEX_POINTS)]
            _kill_one(folder, point, random.randint(1, _MOST_CALLS), run)
            kills[f"kills {point}"] += 1
        counts = asyncio.run(_examine(folder))
    return Outcome.of({"kills": options.count, **kills, **counts}, "lost", "phantoms", "orphans", "not indexed")


def _kill_one(folder: Path, point: str, calls: int, run: int) -> None:
    child = os.fork()
    if not child:
        try:
            asyncio.run(_write(folder, point, calls, run))
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status) or os.WTERMSIG(status) != signal.SIGKILL:
        raise AssertionError(f"the writer ended by itself, with {status}")


def _engine(folder: Path, vectors: FileVectors) -> MemoryEngine:
    database = SqliteDatabase(folder / "context0.db", synchronous="NORMAL")
    documents = SqliteDocuments(database)
    parts: dict[str, Any] = {"documents": documents, "vectors": vectors, "graph": SqliteGraph(database)}
    return MemoryEngine(
        parts=EngineParts(
            **parts,
            chats=SqliteChats(database),
            embedder=HashingEmbedder(local=False),
            clock=SystemClock(),
            limits=Limits(index_interval_s=0.05, index_max_attempts=1_000),
        )
    )


async def _write(folder: Path, point: str, calls: int, run: int) -> None:
    """Add and delete until the process dies. The ledger holds a line for each act; "deletes" is its intention."""
    ledger = os.open(folder / "told", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    async with _engine(folder, FileVectors(folder / "vectors", point, calls)) as engine:
        for batch in range(1_000):
            notes: Any = [{"content": f"run {run} batch {batch} note {number}"} for number in range(_BATCH)]
            added = await engine.add_many(notes, user_id=USER)
            os.write(ledger, "".join(f"added {one.id}\n" for one in added).encode())
            os.write(ledger, f"deletes {added[0].id}\n".encode())
            await engine.delete(added[0].id, user_id=USER)
            os.write(ledger, f"deleted {added[0].id}\n".encode())
            await asyncio.sleep(0.01)


async def _examine(folder: Path) -> dict[str, float]:
    """Open it as the next process does, let it take up what is due, and compare it with the ledger."""
    told: dict[str, set[str]] = {"added": set(), "deletes": set(), "deleted": set()}
    for line in (folder / "told").read_text().splitlines():
        act, memory_id = line.split()
        told[act].add(memory_id)
    vectors = FileVectors(folder / "vectors")
    async with _engine(folder, vectors) as engine:
        await engine.flush()
        stored = [memory async for memory, _ in engine.export(user_id=USER)]
        there = {memory.id for memory in stored}
        left = int((await engine._parts.documents.status()).get("index_pending", 0))
        return {
            "acknowledged": len(told["added"]) + len(told["deleted"]),
            "lost": len(told["added"] - told["deletes"] - there) + len(told["deleted"] & there),
            "phantoms": len(stored) - len({memory.content for memory in stored}),
            "orphans": len(vectors.held() - there),
            "not indexed": left + len(there - vectors.held()),
        }
