"""D5, D6: a disk without space, and one whose fsync fails, under the SQLite store and the engine on it.

The faults come from a VFS in this process, which stands before SQLite's own: every time at another call. Where it is
permitted the same is done once on a real tmpfs of 8 MB (D5), and under strace, which lets fdatasync fail (D6).
False acknowledgement: told that it is done, and not there after the next start.
"""

import asyncio
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

import apsw

from context0.memory.engine import MemoryEngine
from stores.errors import Full, StoreError, Unavailable
from tests.command_line import ROOT
from tests.faults.rows.network import sqlite_engine
from tests.faults.rows.outcome import Outcome, RowOptions

USER: Final = "anna"
AT_ONCE: Final = 4
_MOST_CALLS: Final = 6
_TMPFS_BYTES: Final = 8 << 20
_LARGE: Final = 60_000
_STRACE: Final = ("-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO:when=8+7")
_UNDER_STRACE: Final = 40


@dataclass(slots=True)
class Fault:
    """What the VFS does. error: raised by `method` from the `calls`-th call on, until it is taken away."""

    method: str = ""
    calls: int = 0
    error: int = 0
    raised: int = 0

    def passes(self, method: str) -> None:
        if method == self.method:
            self.calls -= 1
            if self.calls <= 0:
                self.raised += 1
                raise _failure(self.error)


def _failure(code: int) -> apsw.Error:
    kind = apsw.exception_for(code & 0xFF)
    kind.extendedresult = code  # type: ignore[attr-defined]  # apsw reads it from here
    return kind  # type: ignore[return-value]


class FaultyFile(apsw.VFSFile):
    def __init__(self, fault: Fault, base: str, name: Any, flags: list[int]) -> None:
        self._fault = fault
        super().__init__(base, name, flags)

    def xWrite(self, data: Any, offset: int) -> None:  # noqa: N802 - SQLite's name
        self._fault.passes("xWrite")
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:  # noqa: N802 - SQLite's name
        self._fault.passes("xSync")
        super().xSync(flags)


class FaultyVfs(apsw.VFS):
    """SQLite's own VFS, whose files fail as `fault` says; the default one from now on."""

    def __init__(self) -> None:
        self.fault = Fault()
        self._base = apsw.vfs_names()[0]
        super().__init__("faulty", self._base, makedefault=True)

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 - SQLite's name
        return FaultyFile(self.fault, self._base, name, flags)


@dataclass(slots=True)
class Ledger:
    told: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)


def full(options: RowOptions) -> Outcome:
    """D5. The service answers 507 to what the store calls `store_full`."""
    outcome = _injected(options, "xWrite", apsw.SQLITE_FULL, Full)
    with tempfile.TemporaryDirectory() as folder, _tmpfs(Path(folder)) as mounted:
        counts = asyncio.run(_really_full(Path(folder))) if mounted else {}
    return _with(outcome, {"on a tmpfs of 8 MB": int(mounted), **counts})


def failing(options: RowOptions) -> Outcome:
    """D6."""
    outcome = _injected(options, "xSync", apsw.SQLITE_IOERR_FSYNC, Unavailable)
    with tempfile.TemporaryDirectory() as folder:
        return _with(outcome, _under_strace(Path(folder)))


def _with(outcome: Outcome, more: dict[str, float]) -> Outcome:
    zero = [name for name in more if name.startswith("false acknowledgements")]
    return Outcome.of({**outcome.counts, **more}, *zero, broken=outcome.broken)


def _injected(options: RowOptions, method: str, code: int, error: type[StoreError]) -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_inject(Path(folder), options, (method, code, error)))


async def _inject(folder: Path, options: RowOptions, kind: tuple[str, int, type[StoreError]]) -> Outcome:
    vfs, random, ledger = FaultyVfs(), Random(options.seed), Ledger()
    method, code, error = kind
    async with _engine(folder) as engine:
        first = await engine.add("the anchor of all", user_id=USER)
        for number in range(options.count):
            vfs.fault.method, vfs.fault.calls, vfs.fault.error = method, random.randint(1, _MOST_CALLS), code
            tries = 0
            while not vfs.fault.raised:
                tries += 1
                added = (_add(engine, f"note {number} {tries} {one}", ledger, error) for one in range(AT_ONCE))
                await asyncio.gather(*added, _reads(engine, first.id, ledger))
            ledger.counts["injections"] += 1
            ledger.counts["failed calls"] += vfs.fault.raised
            vfs.fault.method, vfs.fault.raised = "", 0
            before = len(ledger.told)
            await _add(engine, f"note {number} afterwards", ledger, error)
            ledger.counts["recovered without a restart"] += len(ledger.told) > before
    async with _engine(folder) as engine:
        there = {memory.content async for memory, _ in engine.export(user_id=USER)}
        found: Any = await engine._parts.documents._database.read(lambda it: it.pragma("quick_check"))  # type: ignore[attr-defined]
    counts = {
        **ledger.counts,
        "acknowledged": len(ledger.told),
        "refused": len(ledger.refused),
        "false acknowledgements": len(ledger.told - there),
        "refused, and there": len(ledger.refused & there),
        "not recovered": options.count - ledger.counts["recovered without a restart"],
    }
    broken = ledger.broken[:5] if found == "ok" else [*ledger.broken[:5], f"quick_check: {found}"]
    return Outcome.of(counts, "false acknowledgements", "not recovered", broken=tuple(broken))


def _engine(folder: Path) -> MemoryEngine:
    return sqlite_engine(folder, synchronous="FULL")


async def _add(engine: MemoryEngine, text: str, ledger: Ledger, error: type[StoreError]) -> None:
    try:
        await engine.add(text, user_id=USER)
    except StoreError as failed:
        ledger.refused.add(text)
        if not isinstance(failed, error):
            ledger.broken.append(f"an addition failed with {failed.code}, not {error.code}")
    except Exception as failed:  # noqa: BLE001 - what is looked for
        ledger.broken.append(f"an addition failed with {type(failed).__name__}")
    else:
        ledger.told.add(text)


async def _reads(engine: MemoryEngine, first: str, ledger: Ledger) -> None:
    """Read what is there: whoever cannot write can still read."""
    try:
        await engine.get(first, user_id=USER)
        listed = (await engine.list(user_id=USER, limit=1)).items
        found = (await engine.search("anchor of all", user_id=USER, limit=3)).items
    except Exception as failed:  # noqa: BLE001 - what is looked for
        ledger.broken.append(f"a read failed with {type(failed).__name__}")
        return
    ledger.counts["reads"] += 3
    if not listed or first not in [one.memory.id for one in found]:
        ledger.broken.append("a read found less than is there")


@contextmanager
def _tmpfs(folder: Path) -> Iterator[bool]:
    """Mount one of 8 MB; False where that is not permitted."""
    mount = shutil.which("mount")
    command = [mount or "", "-t", "tmpfs", "-o", f"size={_TMPFS_BYTES}", "tmpfs", str(folder)]
    mounted = mount is not None and subprocess.run(command, capture_output=True, check=False).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", str(folder)], check=True)


async def _really_full(folder: Path) -> dict[str, float]:
    """Write until the disk is full, read, free some space, and go on."""
    ledger, ballast = Ledger(), folder / "ballast"
    ballast.write_bytes(bytes(2 << 20))
    async with _engine(folder) as engine:
        first = await engine.add("the anchor of all", user_id=USER)
        for number in range(1_000):
            await _add(engine, f"note {number} {'long ' * (_LARGE // 5)}", ledger, Full)
            if len(ledger.refused) == 10:
                break
        await _reads(engine, first.id, ledger)
        refused = len(ledger.refused)
        ballast.unlink()
        for number in range(10):
            await _add(engine, f"later {number}", ledger, Full)
    if len(ledger.refused) > refused or refused < 10 or ledger.broken:
        raise AssertionError(f"{refused} refused, then {len(ledger.refused)}: {ledger.broken}")
    async with _engine(folder) as engine:
        there = {memory.content async for memory, _ in engine.export(user_id=USER)}
    missing = len({text.strip() for text in ledger.told} - {text.strip() for text in there})
    return {"acknowledged on tmpfs": len(ledger.told), "false acknowledgements on tmpfs": missing}


def _under_strace(folder: Path) -> dict[str, float]:
    """Add memories in a process whose fdatasync fails now and then; nothing where strace may not trace."""
    strace = shutil.which("strace")
    command = [strace or "", *_STRACE, sys.executable, "-m", "tests.faults.rows.disk", str(folder)]
    if strace is None:
        return {"under strace": 0}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode:
        return {"under strace": 0}
    told = {line.partition(" ")[2] for line in done.stdout.splitlines() if line.startswith("told ")}
    there = asyncio.run(_stored(folder))
    refused = sum(line.startswith("refused ") for line in done.stdout.splitlines())
    missing = len(told - there)
    counts = {"acknowledged under strace": len(told), "refused under strace": refused}
    return {"under strace": 1, **counts, "false acknowledgements under strace": missing}


async def _stored(folder: Path) -> set[str]:
    async with _engine(folder) as engine:
        return {memory.content async for memory, _ in engine.export(user_id=USER)}


async def _write(folder: Path) -> None:
    """Add memories one after another, and tell which were acknowledged."""
    ledger = Ledger()
    async with _engine(folder) as engine:
        for number in range(_UNDER_STRACE):
            await _add(engine, f"note {number}", ledger, Unavailable)
    sys.stdout.writelines(f"told {text}\n" for text in sorted(ledger.told))
    sys.stdout.writelines(f"refused {text}\n" for text in sorted(ledger.refused))
    sys.stdout.writelines(f"broken {text}\n" for text in ledger.broken)


if __name__ == "__main__":
    asyncio.run(_write(Path(sys.argv[1])))
