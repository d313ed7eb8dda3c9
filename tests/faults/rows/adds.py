"""D1: kill -9 in the middle of additions, changes and deletions; on MongoDB the server is killed too, and comes back.

The ledger rule: each acknowledgement is with the system before the next call. Lost: acknowledged, and not there. A
phantom: there twice, or never sent. Each process begins by sending again what the one before was not told of.
"""

import asyncio
import os
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Final, NamedTuple

from context0.clock import SystemClock
from context0.memory.engine import MemoryEngine
from context0.memory.parts import EngineParts, Limits
from stores.errors import NotFound, StoreError
from stores.local.vectors import LocalVectors
from stores.mongo.chats import MongoChats
from stores.mongo.client import MongoDatabase, MongoOptions
from stores.mongo.documents import MongoDocuments
from stores.mongo.graph import MongoGraph
from stores.sqlite.chats import SqliteChats
from stores.sqlite.database import SqliteDatabase
from stores.sqlite.documents import SqliteDocuments
from stores.sqlite.graph import SqliteGraph
from tests.engine_bench import HashingEmbedder
from tests.faults.rows.outcome import Outcome, RowOptions
from tests.mongo_process import mongo_process

SQLITE: Final = "sqlite"
WRITERS: Final = 32
"""So many write at the same time, each memories of an owner of its own."""
PATIENCE_S: Final = (0.05, 0.5)
_START_S: Final = 60.0
_INDEXED_S: Final = 60.0
_SERVER_KILLED_EVERY: Final = 3


def on_sqlite(options: RowOptions) -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        return campaign(Path(folder), SQLITE, options)


def on_mongodb(options: RowOptions) -> Outcome:
    """Every third time the server is killed as well, a moment before the writer is."""
    with tempfile.TemporaryDirectory() as folder, mongo_process(Path(folder)) as server:

        def kill_server() -> None:
            server.kill()
            server.start()

        return campaign(Path(folder), server.url("kills"), options, kill_server)


def campaign(folder: Path, target: str, options: RowOptions, kill_server: Any = None) -> Outcome:
    random, killed = Random(options.seed), 0
    for run in range(options.count):
        with_server = kill_server is not None and run % _SERVER_KILLED_EVERY == 0
        kill_one(folder, target, random.uniform(*PATIENCE_S), kill_server if with_server else None)
        killed += with_server
    counts, broken = asyncio.run(examine(folder, target, options.count))
    more = {"kills of the server": killed} if kill_server is not None else {}
    return Outcome.of({"kills": options.count, **more, **counts}, "lost", "phantoms", "not indexed", broken=broken)


def kill_one(folder: Path, target: str, patience_s: float, kill_server: Any) -> None:
    """Fork a writer, and kill it when it has been told of something and `patience_s` later."""
    told = folder / "told"
    before = told.stat().st_size if told.exists() else 0
    child = os.fork()
    if not child:
        try:
            asyncio.run(write(folder, target))
        finally:
            os._exit(1)
    deadline = time.monotonic() + _START_S
    while (told.stat().st_size if told.exists() else 0) == before and time.monotonic() < deadline:
        time.sleep(0.002)
    time.sleep(patience_s)
    if kill_server is not None:
        kill_server()
        time.sleep(patience_s)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status):
        raise AssertionError(f"the writer ended by itself, with {status}")


def engine_at(folder: Path, target: str, *, timeout_s: float = 2.0) -> MemoryEngine:
    if target == SQLITE:
        database = SqliteDatabase(folder / "context0.db")
        documents: Any = SqliteDocuments(database)
        others = {"graph": SqliteGraph(database), "chats": SqliteChats(database)}
    else:
        mongo = MongoDatabase(target, options=MongoOptions(min_pool=0, timeout_s=timeout_s))
        documents = MongoDocuments(mongo)
        others = {"graph": MongoGraph(mongo), "chats": MongoChats(mongo)}
    parts = EngineParts(
        documents=documents,
        vectors=LocalVectors(documents),
        embedder=HashingEmbedder(local=False),  # so that there is index work to be taken up again
        clock=SystemClock(),
        limits=Limits(index_interval_s=0.2, index_max_attempts=1_000),
        **others,  # type: ignore[arg-type]  # stores of one backend
    )
    return MemoryEngine(parts=parts)


class Told(NamedTuple):
    """What was acknowledged."""

    number: int
    act: str
    memory_id: str


async def write(folder: Path, target: str) -> None:
    ledger = os.open(folder / "told", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    last = {writer: numbers[-1] for writer, numbers in told_of(folder).items()}
    engine = engine_at(folder, target)
    await asyncio.gather(*(_write(engine, ledger, str(writer), last.get(str(writer))) for writer in range(WRITERS)))


async def _write(engine: MemoryEngine, ledger: int, writer: str, last: Told | None) -> None:
    """Add, change every fifth, delete every seventh; go on behind what was told last."""
    user, number = f"anna {writer}", 1 if last is None else last.number
    done, memory_id = (None, "") if last is None else (last.act, last.memory_id)
    while True:
        for act in _rest(number, done):
            if act == "add":
                key = f"key {number}"
                memory_id = (await _insist(partial(engine.add, f"note {number}", user_id=user, idempotency_key=key))).id
            elif act == "update":
                await _insist(partial(engine.update, memory_id, user_id=user, content=f"changed note {number}"))
            else:
                await _insist(partial(engine.delete, memory_id, user_id=user))
            os.write(ledger, f"{writer} {number} {act} {memory_id}\n".encode())
        number, done = number + 1, None


async def _insist(call: Any) -> Any:
    """Call until the store answers, as a client does; a deletion that was done before its answer was lost is done."""
    while True:
        try:
            return await call()
        except StoreError as error:
            if isinstance(error, NotFound):
                return None
            await asyncio.sleep(0.05)


def _rest(number: int, done: str | None) -> tuple[str, ...]:
    """Return what is to be done with a number, behind what was done last."""
    acts = ("add", *(("update",) if number % 5 == 0 else ()), *(("delete",) if number % 7 == 0 else ()))
    return acts if done is None else acts[acts.index(done) + 1 :]


def told_of(folder: Path) -> Mapping[str, list[Told]]:
    """Return what each writer was told, in order; the last line may be cut off."""
    told: dict[str, list[Told]] = {}
    text = (folder / "told").read_text() if (folder / "told").exists() else ""
    for line in text.rpartition("\n")[0].splitlines():
        writer, number, act, memory_id = line.split()
        told.setdefault(writer, []).append(Told(int(number), act, memory_id))
    return told


async def examine(folder: Path, target: str, kills: int) -> tuple[dict[str, float], tuple[str, ...]]:
    """Open everything as the next process does, and compare it with the ledger."""
    counts: Counter[str] = Counter({"lost": 0, "phantoms": 0})
    async with engine_at(folder, target, timeout_s=60.0) as engine:
        for writer, told in told_of(folder).items():
            counts["acknowledged"] += len(told)
            stored = [one.content async for one, _ in engine.export(user_id=f"anna {writer}")]
            _compare({one.number: one.act for one in told}, stored, counts)
        counts["not indexed"] = await _left(engine)
        broken = await _unsound(engine) if target == SQLITE else ()
    return dict(counts), broken


def _compare(told: Mapping[int, str], stored: list[str], counts: Counter[str]) -> None:
    """Compare one owner's memories with the last that was told of each number; the next act may have been done too."""
    there = {int(content.rpartition(" ")[2]): content.startswith("changed") for content in stored}
    counts["stored"] += len(stored)
    counts["phantoms"] += len(stored) - len(there) + len([n for n in there if n > max(told) + 1])
    for number, act in told.items():
        if number in there:
            counts["lost"] += act == "delete" or (act == "update" and not there[number])
        else:
            counts["lost"] += act != "delete" and "delete" not in _rest(number, act)


async def _left(engine: MemoryEngine) -> int:
    deadline = time.monotonic() + _INDEXED_S
    while True:
        status = await engine._parts.documents.status()
        left = int(status.get("index_pending", 0)) + int(status.get("index_failed", 0))
        if not left or time.monotonic() > deadline:
            return left
        await engine.flush()


async def _unsound(engine: MemoryEngine) -> tuple[str, ...]:
    database: SqliteDatabase = engine._parts.documents._database  # type: ignore[attr-defined]  # its own file
    found = await database.read(lambda connection: connection.pragma("quick_check"))
    return () if found == "ok" else (f"quick_check: {found}",)
