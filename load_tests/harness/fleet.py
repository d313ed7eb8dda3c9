"""The processes of the peers: starts them, talks to them, ends them."""

import asyncio
import json
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

LINE_LIMIT = 2**24
PROBE_S = 300
STEP_S = 900
SYNC_CALLS = "fsync,fdatasync,sync_file_range,msync"


class PeerFailed(Exception):
    """A peer is missing, broke or hung; the message is for the report."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Where the processes run: the corpus, a scratch folder for stores and logs, their environment."""

    corpus: Path
    scratch: Path
    environment: dict[str, str]
    budget_s: float

    def store(self, peer: str) -> Path:
        folder = self.scratch / "stores" / peer
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def log(self, peer: str) -> Path:
        return self.scratch / f"{peer}.log"


class Worker:
    """A running `harness.worker`. One question at a time."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process = process
        self._log = log

    async def ask(self, **command: object) -> dict[str, object]:
        """Send a command and return the answer; raises PeerFailed."""
        writer = self._process.stdin
        if writer is None or self._process.returncode is not None:
            raise PeerFailed(f"the process ended: {last_line(self._log)}")
        writer.write((json.dumps(command) + "\n").encode())
        return await self.answer()

    async def answer(self) -> dict[str, object]:
        reader = self._process.stdout
        if reader is None:
            raise PeerFailed("the process has no output")
        try:
            async with asyncio.timeout(STEP_S):
                line = await reader.readline()
        except TimeoutError:
            raise PeerFailed(f"no answer within {STEP_S} s") from None
        return parsed(line, self._log)

    async def end(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            async with asyncio.timeout(20):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


@asynccontextmanager
async def started(peer: str, scene: Scene) -> AsyncIterator[Worker]:
    """Run a worker for `peer`; it is ended, by force if need be, on leaving."""
    with scene.log(peer).open("ab") as log:
        arguments = (peer, scene.store(peer), scene.corpus, scene.budget_s)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "harness.worker", *map(str, arguments)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            env=scene.environment,
            cwd=scene.scratch,
            limit=LINE_LIMIT,
        )
        worker = Worker(process, scene.log(peer))
        try:
            yield worker
        finally:
            await worker.end()


async def probed(kind: str, peer: str, scene: Scene, filled: int) -> dict[str, float]:
    """Run one `harness.probe` in a fresh process; raises PeerFailed."""
    return await _probe((), kind, peer, scene, filled)


async def fsyncs_per_add(peer: str, scene: Scene, filled: int) -> float | None:
    """Count the sync calls of single adds with strace; None where there is no strace."""
    strace = shutil.which("strace")
    if strace is None:
        return None
    trace = scene.scratch / f"{peer}.strace"
    prefix = (strace, "-f", "-ttt", "-e", f"trace={SYNC_CALLS}", "-o", str(trace))
    answer = await _probe(prefix, "synced_adds", peer, scene, filled)
    calls = 0
    for line in trace.read_text(errors="replace").splitlines():
        _pid, when, call = line.split(maxsplit=2)
        calls += call.startswith(tuple(SYNC_CALLS.split(","))) and answer["began"] <= float(when) <= answer["ended"]
    return calls / answer["adds"]


async def _probe(prefix: tuple[str, ...], kind: str, peer: str, scene: Scene, filled: int) -> dict[str, float]:
    arguments = (kind, peer, scene.store(peer), scene.corpus, filled)
    with scene.log(peer).open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(*prefix, sys.executable, "-m", "harness.probe", *map(str, arguments)),
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            env=scene.environment,
            cwd=scene.scratch,
        )
        try:
            async with asyncio.timeout(PROBE_S):
                output, _ = await process.communicate()
        except TimeoutError:
            raise PeerFailed(f"{kind}: no answer within {PROBE_S} s") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    return parsed(output, scene.log(peer))


def parsed(line: bytes, log: Path) -> dict[str, float]:
    if not line.strip():
        raise PeerFailed(f"the process ended: {last_line(log)}")
    answer = json.loads(line)
    if "error" in answer:
        raise PeerFailed(answer["error"])
    return answer


def last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
    return lines[-1] if lines else "no output"
