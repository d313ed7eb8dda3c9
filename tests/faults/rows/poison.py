"""D16: texts whose index work always raises, hangs, or kills its process, among others: only they are given up."""

import asyncio
import os
import tempfile
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any, Final

from context0.memory.engine import MemoryEngine
from context0.memory.parts import Limits
from tests.engine_bench import HashingEmbedder
from tests.faults.rows.network import sqlite_engine
from tests.faults.rows.outcome import Outcome, RowOptions

RAISES, HANGS, KILLS = "raises", "hangs", "kills"
KINDS: Final = (RAISES, HANGS, KILLS)
OTHERS: Final = 10
"""So many notes there are beside each poisonous one."""
USER: Final = "anna"
_DEATH: Final = 137
_LIMITS: Final = Limits(index_interval_s=3_600, index_lease_s=0.2, index_max_attempts=2)
_LONGEST_S: Final = 900.0
_REASONS: Final = {RAISES: "broken.RuntimeError", HANGS: "worker_lost", KILLS: "worker_lost"}


class Poisoned(HashingEmbedder):
    """Does with a text as its first word says; the system is told when others were embedded."""

    def __init__(self, ledger: Path | None) -> None:
        super().__init__(local=False)
        self._ledger = ledger

    async def embed(self, texts: Any) -> Any:
        kinds = {text.partition(" ")[0] for text in texts}
        if KILLS in kinds:
            os._exit(_DEATH)
        if HANGS in kinds:
            await asyncio.Event().wait()
        if RAISES in kinds:
            raise RuntimeError("a text that nobody can embed")
        if texts and self._ledger is not None:
            with self._ledger.open("a") as file:
                file.write(f"{time.time()} {len(texts)}\n")
        return await super().embed(texts)


def run(options: RowOptions) -> Outcome:
    """count: poisonous texts, each kind in turn. Workers are started until nothing is due."""
    with tempfile.TemporaryDirectory() as place:
        folder, began_s, deaths = Path(place), time.time(), 0
        if status := _in_a_process(folder, partial(_add, options.count)):
            raise AssertionError(f"the addition ended with {status}")
        while status := _in_a_process(folder, _work):
            deaths += status == _DEATH
            if status != _DEATH or time.time() - began_s > _LONGEST_S:
                raise AssertionError(f"a worker ended with {status}, after {deaths} deaths")
        counts, broken = asyncio.run(_examine(folder, options.count))
        last_s = max(float(line.split()[0]) for line in (folder / "embedded").read_text().splitlines()) - began_s
    counts |= {"deaths of workers": deaths, "last of the others after, s": round(last_s, 1)}
    return Outcome.of(counts, "others given up or left", "poison not given up", broken=broken)


def _in_a_process(folder: Path, work: Any) -> int:
    child = os.fork()
    if not child:
        try:
            asyncio.run(work(folder))
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _engine(folder: Path, ledger: Path | None = None) -> MemoryEngine:
    return sqlite_engine(folder, embedder=Poisoned(ledger), limits=_LIMITS)


async def _add(count: int, folder: Path) -> None:
    """Add everything in one call, 1,000 at most: nothing of it is worked on before the process has ended."""
    notes: list[Any] = []
    for number in range(count):
        notes += [{"content": f"note {number} {other}"} for other in range(OTHERS)]
        notes.append({"content": f"{KINDS[number % len(KINDS)]} at {number}"})
    async with _engine(folder) as engine:
        await engine.add_many(notes, user_id=USER)
        os._exit(0)


async def _work(folder: Path) -> None:
    """Work until nothing waits, not even what is put off or taken by a dead process."""
    async with _engine(folder, folder / "embedded") as engine:
        await engine.flush()
        while (await engine._parts.documents.status()).get("index_pending"):
            await asyncio.sleep(0.02)
            await engine.flush()


async def _examine(folder: Path, count: int) -> tuple[dict[str, float], tuple[str, ...]]:
    async with _engine(folder) as engine:
        states = {memory.content: memory.index.state async for memory, _ in engine.export(user_id=USER)}
        given_up: dict[str, str] = {}
        cursor: str | None = None
        while True:
            page = await engine.failed_work(user_id=USER, cursor=cursor)
            given_up |= {str(work.id): work.reason for work in page.items}
            cursor = page.next_cursor
            if cursor is None:
                break
        names = {str(memory.id): memory.content async for memory, _ in engine.export(user_id=USER)}
    listed = {names[memory_id]: reason for memory_id, reason in given_up.items()}
    poison = {content for content in states if content.partition(" ")[0] in KINDS}
    wrong = [f"{content}: {listed.get(content)}" for content in sorted(poison) if not _is_right(content, listed)]
    kinds = Counter(f"poison that {content.partition(' ')[0]}" for content in poison)
    counts: dict[str, float] = {
        **kinds,
        "others": len(states) - len(poison),
        "others given up or left": sum(states[content] != "done" for content in states.keys() - poison),
        "poison not given up": count - len(poison & listed.keys()),
        "dead letters": len(listed),
    }
    return counts, tuple(wrong[:5])


def _is_right(content: str, listed: dict[str, str]) -> bool:
    return listed.get(content) == _REASONS[content.partition(" ")[0]]
