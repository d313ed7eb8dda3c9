"""D15: two processes on one store whose clocks step by up to two hours, back too, in the middle of their work.

Each reads and lists at once what the other wrote and finds what it wrote itself, the later change wins, chats keep
their order, and what one has claimed the other does not take: claims count by the store's own time. Searches by the
other process follow changes by their time; those that it finds late, as its clock is ahead, are only counted here.
"""

import asyncio
import tempfile
from collections import Counter
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Final

from context0.chat.service import ChatService
from context0.clock import SystemClock
from context0.llm.scripted import ScriptedLLM
from context0.memory.due_work import DueWork
from context0.memory.engine import MemoryEngine
from stores.mongo.client import MongoDatabase, MongoOptions
from stores.mongo.documents import MongoDocuments
from tests.contracts.builders import ANNA, NOW, PENDING, build_document
from tests.engine_bench import FakeClock
from tests.faults.rows.network import sqlite_engine
from tests.faults.rows.outcome import Outcome, RowOptions
from tests.mongo_process import mongo_process

USER: Final = "anna"
STEP_H: Final = 2.0
_LEASE_S: Final = 600.0


def run(options: RowOptions) -> Outcome:
    """count: steps of the clocks."""
    with tempfile.TemporaryDirectory() as folder, mongo_process(Path(folder)) as server:
        return asyncio.run(_run(Path(folder), server.url("clocks"), options))


async def _run(folder: Path, url: str, options: RowOptions) -> Outcome:
    random = Random(options.seed)
    counts = Counter({"steps": options.count})
    counts += Counter(await _two_engines(folder, options.count, random))
    counts += Counter(await _claims(url, options.count, random))
    zero = ("not found by the writer", "older content", "missed or twice", "order inversions", "early lease steals")
    broken = () if counts["pieces claimed"] == options.count else ("not every piece was claimed",)
    return Outcome.of({**dict.fromkeys(zero, 0), **counts}, *zero, broken=broken)


def _step(clock: FakeClock, random: Random) -> None:
    """Let a clock be wrong by up to two hours, whatever it was before."""
    clock.at = SystemClock().now() + timedelta(hours=random.uniform(-STEP_H, STEP_H))


async def _two_engines(folder: Path, steps: int, random: Random) -> dict[str, int]:
    clocks = (FakeClock(), FakeClock())
    for clock in clocks:
        _step(clock, random)
    first, second = (sqlite_engine(folder, clock=clock) for clock in clocks)
    counts, expected, said = Counter[str](), dict[str, str](), list[str]()
    async with first, second, ChatService(first, llm=ScriptedLLM()) as chat:
        for number in range(steps):
            writer, reader = (first, second) if number % 2 else (second, first)
            _step(clocks[number % 2], random)
            added = await writer.add(f"word{number} of the note", user_id=USER)
            expected[added.id] = added.content
            counts["not found by the writer"] += not await _finds(writer, f"word{number}", added.id)
            counts["found late by the other"] += not await _finds(reader, f"word{number}", added.id)
            counts["older content"] += (await reader.get(added.id, user_id=USER)).content != added.content
            _step(clocks[1 - number % 2], random)
            changed = random.choice(list(expected))
            expected[changed] = f"word{number} changed anew"
            await reader.update(changed, user_id=USER, content=expected[changed])
            counts["older content"] += (await writer.get(changed, user_id=USER)).content != expected[changed]
            counts["not found by the writer"] += not await _finds(reader, f"word{number}", changed)
            said.append(f"What is word{number}?")
            await chat.send(said[-1], user_id=USER, session_id="talk")
        listed = [memory.id async for memory, _ in second.export(user_id=USER)]
        counts["missed or twice"] += len(set(expected) ^ set(listed)) + len(listed) - len(set(listed))
        kept = (await chat.messages("talk", user_id=USER, limit=999)).items
        asked = [message.content for message in kept if message.role == "user"]
        counts["order inversions"] += sum(here != there for here, there in zip(asked, said, strict=True))
    return dict(counts)


async def _finds(engine: MemoryEngine, word: str, memory_id: str) -> bool:
    found = await engine.search(word, user_id=USER, strategies=["keyword"], limit=5)
    return memory_id in [one.memory.id for one in found.items]


async def _claims(url: str, steps: int, random: Random) -> dict[str, int]:
    """Let two workers with wrong clocks take what is due, on a store that has a time of its own."""
    database, taken = MongoDatabase(url, options=MongoOptions(min_pool=0, timeout_s=60.0)), list[str]()
    documents = MongoDocuments(database)
    await documents.open()
    clocks = (FakeClock(), FakeClock())
    workers = [DueWork(documents, clock, lease_s=_LEASE_S) for clock in clocks]
    for number in range(steps):
        await documents.put_many([build_document(f"piece {number}", index=PENDING)], scope=ANNA, now=NOW)
        for clock, worker in zip(clocks, workers, strict=True):
            _step(clock, random)
            taken += [work.id for work in await worker.take()]
    await documents.aclose()
    counts = Counter(taken)
    return {"pieces claimed": len(counts), "early lease steals": len(taken) - len(counts)}
