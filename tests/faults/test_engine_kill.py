"""kill -9 in the middle of writing: what was acknowledged is there after the restart, once, and searchable."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Final

from context0.memory.engine import MemoryEngine
from tests.faults.writer import USER, open_engine

KILLS: Final = 5
CALLERS: Final = 24
ROOT: Final = Path(__file__).parents[2]
SEED: Final = 7


def write_and_kill(path: Path, ledger: Path, patience_s: float, callers: int = 1) -> None:
    """Let a process write until it has acknowledged something, and for `patience_s` more; then kill it."""
    command = [sys.executable, "-m", "tests.faults.writer", str(path), str(ledger), str(callers)]
    before = ledger.stat().st_size if ledger.exists() else 0
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 30
    while (ledger.stat().st_size if ledger.exists() else 0) == before:
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise AssertionError(f"the writer wrote nothing: {process.communicate()[1]}")
        time.sleep(0.005)
    time.sleep(patience_s)
    process.kill()
    process.communicate()


def expected(ledger: Path) -> Mapping[str, str]:
    """Return the content that each acknowledged id must have."""
    contents: dict[str, str] = {}
    for line in ledger.read_text().splitlines():
        act, number, memory_id = line.split()
        if act == "delete":
            del contents[memory_id]
        else:
            contents[memory_id] = f"note {number}" if act == "add" else f"changed note {number}"
    return contents


async def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    """B4: durable when `add` returns; what was cut off before is there whole, or not at all."""
    path, ledger = tmp_path / "context0.db", tmp_path / "ledger"
    random = Random(SEED)
    for _ in range(KILLS):
        await asyncio.to_thread(write_and_kill, path, ledger, random.uniform(0.01, 0.25))
    promised = expected(ledger)
    assert len(promised) > KILLS
    async with open_engine(path) as engine:
        stored = await everything(engine)
        for memory_id in promised.keys() & stored.keys():
            content = promised[memory_id]  # the change behind an acknowledgement may have been stored, and not told
            assert stored[memory_id] in (content, f"changed {content}")
        missing = promised.keys() - stored.keys()
        assert len(missing) <= KILLS, "so may the deletion behind the last acknowledgement of each process"
        assert all(int(promised[memory_id].split()[-1]) % 7 == 0 for memory_id in missing)
        assert len(stored.keys() - promised.keys()) <= 1, "the last addition; the others were told again"
        told_once = [content.removeprefix("changed ") for content in stored.values()]
        assert len(told_once) == len(set(told_once)), "under their keys, so that none is there twice"
        found = await engine.search("note", user_id=USER, limit=1_000, strategies=["keyword"])
        assert len(found.items) == min(len(stored), 1_000)


async def test_what_was_acknowledged_to_many_at_once_survives_kill_9(tmp_path: Path) -> None:
    """B4, D1: adds that were written together, each acknowledged by itself."""
    path, ledger = tmp_path / "context0.db", tmp_path / "ledger"
    random = Random(SEED)
    for _ in range(KILLS):
        await asyncio.to_thread(write_and_kill, path, ledger, random.uniform(0.01, 0.25), CALLERS)
    promised = expected(ledger)
    assert len(promised) > KILLS
    async with open_engine(path) as engine:
        stored = await everything(engine)
        assert {memory_id: stored.get(memory_id) for memory_id in promised} == promised
        assert len(stored.keys() - promised.keys()) <= CALLERS * KILLS, "what each was about to be told"
        assert len(set(stored.values())) == len(stored), "none is there twice"
        found = await engine.search("note", user_id=USER, limit=1_000, strategies=["keyword"])
        assert len(found.items) == min(len(stored), 1_000)


async def everything(engine: MemoryEngine) -> dict[str, str]:
    contents: dict[str, str] = {}
    cursor: str | None = None
    while True:
        page = await engine.list(user_id=USER, limit=1_000, cursor=cursor)
        contents |= {memory.id: memory.content for memory in page.items}
        cursor = page.next_cursor
        if cursor is None:
            return contents
