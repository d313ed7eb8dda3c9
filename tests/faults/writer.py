"""A process that adds, changes and deletes memories until it is killed, and writes down what was acknowledged.

    python -m tests.faults.writer FILE LEDGER [CALLERS]

The ledger has one line for each acknowledgement, written before the next call: "add N id", "update N id",
"delete N id". A process that comes after another one goes on behind the last line. Several callers only add, all at
the same time.
"""

import asyncio
import sys
from itertools import count
from pathlib import Path
from typing import TextIO

from context0.memory.engine import MemoryEngine
from context0.memory.parts import EngineParts
from stores.local.vectors import LocalVectors
from stores.sqlite.chats import SqliteChats
from stores.sqlite.database import SqliteDatabase
from stores.sqlite.documents import SqliteDocuments
from stores.sqlite.graph import SqliteGraph
from tests.engine_bench import HashingEmbedder

USER = "anna"


def open_engine(path: Path) -> MemoryEngine:
    database = SqliteDatabase(path)
    documents = SqliteDocuments(database)
    vectors, graph = LocalVectors(documents), SqliteGraph(database)
    return MemoryEngine(
        parts=EngineParts(
            documents=documents,
            vectors=vectors,
            graph=graph,
            chats=SqliteChats(database),
            embedder=HashingEmbedder(),
        )
    )


def last_number(ledger: Path) -> int:
    lines = ledger.read_text().splitlines() if ledger.exists() else []
    return max((int(line.split()[1]) for line in lines), default=0)


async def write(engine: MemoryEngine, told: TextIO, n: int) -> None:
    while True:
        n += 1
        added = await engine.add(f"note {n}", user_id=USER, idempotency_key=f"key {n}")
        told.write(f"add {n} {added.id}\n")
        if n % 5 == 0:
            await engine.update(added.id, user_id=USER, content=f"changed note {n}")
            told.write(f"update {n} {added.id}\n")
        if n % 7 == 0:
            await engine.delete(added.id, user_id=USER)
            told.write(f"delete {n} {added.id}\n")


async def add_together(engine: MemoryEngine, told: TextIO, n: int, callers: int) -> None:
    numbers = count(n + 1)

    async def caller() -> None:
        for number in numbers:
            added = await engine.add(f"note {number}", user_id=USER, idempotency_key=f"key {number}")
            told.write(f"add {number} {added.id}\n")

    await asyncio.gather(*(caller() for _ in range(callers)))


def main(path: Path, ledger: Path, callers: int) -> None:
    last, engine = last_number(ledger), open_engine(path)
    with ledger.open("a", buffering=1) as told:
        asyncio.run(write(engine, told, last) if callers == 1 else add_together(engine, told, last, callers))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int((*sys.argv[3:], "1")[0]))
