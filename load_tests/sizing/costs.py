"""Measures what one memory takes in bytes, and what one operation takes in CPU time, on real texts of conversations."""

import itertools
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import apsw

from context0 import ChatService, MemoryEngine, Settings
from context0.cache.sizes import deep_bytes
from context0.evaluation.datasets import read_conversations
from context0.runtime import build_parts
from load_tests.sizing.mongo_sizes import MongoSizes, mongo_sizes
from stores.owner.owner_index import OwnerIndex
from stores.records import Document, Memory, Scope

_TEXTS: Final = Path(__file__).parents[2] / "tests" / "data" / "retrieval_small.jsonl"
_OWNERS: Final = 4
Operation = Callable[[int], Awaitable[object]]
"""Does it for the n-th time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """text_bytes: of a memory's own words. sqlite_bytes: by table and index, for one memory.

    index_fixed_bytes, index_bytes: of an owner in memory, and of each memory there. cpu_ms: of one process, by
    operation. load_ms: to read one memory into the index of its owner.
    """

    memories: int
    text_bytes: float
    mongo: MongoSizes
    sqlite_bytes: dict[str, float]
    index_fixed_bytes: float
    index_bytes: float
    load_ms: float
    cpu_ms: dict[str, float]


class Watched:
    """A document store that keeps what it was given to write."""

    def __init__(self, documents: Any) -> None:
        self._documents = documents
        self.given: list[Document] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._documents, name)

    async def put_many(self, documents: Sequence[Document], **how: Any) -> list[Memory]:
        self.given += documents
        stored: list[Memory] = await self._documents.put_many(documents, **how)
        return stored


def texts(number: int) -> list[Any]:
    """Return so many different turns: the conversations of the small set again and again, numbered."""
    turns = [(one, turn) for one in read_conversations(_TEXTS) for turn in one.turns]
    return [
        {
            "content": f"{turn.content} ({n})",
            "speaker": turn.speaker,
            "session_id": f"{one.id}-{n // len(turns)}-{turn.session}",
            "occurred_at": turn.occurred_at,
        }
        for n, (one, turn) in zip(range(number), itertools.cycle(turns), strict=False)
    ]


async def measured(folder: Path, *, memories: int, repeats: int) -> Costs:
    """Fill a store of four owners, and use it. memories: of all owners; repeats: of each operation."""
    settings = Settings(
        store_url=f"sqlite:///{folder / 'capacity.db'}", data_dir=folder, metrics=False, _env_file=None,
        search_cache_bytes=0, list_cache_bytes=0, owner_index_staleness_s=3_600,
        llm_provider="scripted", chat_extraction="rules",
    )  # fmt: skip
    parts = build_parts(settings)
    watched = Watched(parts.documents)
    each = memories // _OWNERS
    items = texts(memories + repeats)
    async with MemoryEngine(settings, parts=replace(parts, documents=watched)) as engine:  # type: ignore[arg-type]
        await engine.add("so that everything is loaded", user_id="somebody else")
        watched.given.clear()
        started = time.process_time()
        for place in range(_OWNERS):
            await engine.ingest(items[place * each : (place + 1) * each], user_id=f"owner{place}")
        cpu_ms = {"import": 1000 * (time.process_time() - started) / (each * _OWNERS)}
        cpu_ms |= await _operations(engine, items, each, repeats)
        small, large = [await _index_bytes(watched, f"owner{n}", limit) for n, limit in ((0, each // 4), (1, each))]
        load_ms = await _load_ms(watched, "owner2", each)
    per_memory = (large - small) / (each - each // 4)
    return Costs(
        memories=each * _OWNERS,
        text_bytes=sum(len(one.memory.content.encode()) for one in watched.given) / len(watched.given),
        mongo=mongo_sizes(watched.given, owner="0190a5d0-ac96-774b-bcce-b302099a8057"),
        sqlite_bytes=_sqlite_bytes(folder / "capacity.db", len(watched.given)),
        index_fixed_bytes=max(0.0, small - per_memory * (each // 4)),
        index_bytes=per_memory,
        load_ms=load_ms,
        cpu_ms=cpu_ms,
    )


async def _operations(engine: MemoryEngine, items: Sequence[Any], each: int, repeats: int) -> dict[str, float]:
    """Return the CPU ms of each operation, when the owner is in memory."""
    owner = "owner3"
    spare = items[each * _OWNERS :]
    ids = [memory.id for memory in (await engine.list(user_id=owner, limit=100)).items]
    await engine.search("warm", user_id=owner)

    async def add(n: int) -> None:
        content, fields = spare[n]["content"], {k: v for k, v in spare[n].items() if k != "content"}
        await engine.add(content, user_id=owner, **fields)

    async with ChatService(engine) as chat:
        session_id = (await chat.send("hello", user_id=owner)).session_id
        work: Mapping[str, Operation] = {
            "search": lambda n: engine.search(f"what about {spare[n]['content'][:60]}?", user_id=owner),
            "list": lambda _: engine.list(user_id=owner, limit=20),
            "get": lambda n: engine.get(ids[n % len(ids)], user_id=owner),
            "add": add,
            "turn": lambda n: chat.send(
                f"And what of {spare[n]['content'][:40]}?", user_id=owner, session_id=session_id
            ),
        }
        told = {}
        for name, one in work.items():
            started = time.process_time()
            for n in range(repeats):
                await one(n)
            told[name] = 1000 * (time.process_time() - started) / repeats
    return told


async def _index_bytes(documents: Any, owner: str, limit: int) -> float:
    """Return the bytes of an owner's index over so many memories, all that hangs on it included."""
    index, left = OwnerIndex(), limit
    async for rows in documents.scan(scope=Scope(owner=owner)):
        index.apply(rows[:left])
        left -= len(rows[:left])
    index.snapshot()
    return float(deep_bytes(index))


async def _load_ms(documents: Any, owner: str, number: int) -> float:
    started, index = time.process_time(), OwnerIndex()
    async for rows in documents.scan(scope=Scope(owner=owner)):
        index.apply(rows)
    index.snapshot()
    return 1000 * (time.process_time() - started) / number


def _sqlite_bytes(path: Path, memories: int) -> dict[str, float]:
    """Return the pages of each table and index, a memory's share of them, by `dbstat`."""
    with apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY) as connection:
        rows = connection.execute("SELECT name, sum(pgsize) FROM dbstat GROUP BY name ORDER BY 2 DESC")
        return {name: size / memories for name, size in rows if size > 16_384}
