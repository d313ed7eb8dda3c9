"""`context0 serve` as a process of its own, as a user starts it, with keys from `context0 keys create`.

with served(tmp_path, llm_provider="scripted") as service:
    ... Context0Client(service.url, service.key("anna"))
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.command_line import ROOT

_END_S: Final = 20.0


@dataclass(frozen=True, kw_only=True)
class Served:
    """A running service. log: what it wrote to stderr, on disk."""

    url: str
    log: Path
    process: "subprocess.Popen[bytes]"
    environment: dict[str, str]

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def key(self, user: str, *more: str) -> str:
        """Make a key, while the service runs. more: options, such as --operator."""
        return make_key(user, self.environment, *more)


@contextmanager
def served(folder: Path, **settings: object) -> Iterator[Served]:
    """Serve until the block ends; then it must end well on SIGTERM."""
    environment = environment_of(folder, **settings)
    make_key("somebody", environment)
    log = folder / "service.log"
    with log.open("wb") as written:
        process = subprocess.Popen(
            [sys.executable, "-m", "context0", "serve", "--port", "0"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=written,
            cwd=folder,
        )
    assert process.stdout is not None
    try:
        line = process.stdout.readline().decode()
        assert line.startswith("context0 serves http://"), log.read_text()
        yield Served(url=line.split()[-1], log=log, process=process, environment=environment)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(_END_S)
        process.stdout.close()
    assert process.returncode == 0, log.read_text()


@asynccontextmanager
async def served_beside(folder: Path, **settings: object) -> AsyncIterator[Served]:
    """Serve as `served` does, beside an event loop that goes on: with servers of a test's own, which it needs."""
    running = served(folder, **settings)
    service = await asyncio.to_thread(running.__enter__)
    try:
        yield service
    finally:
        await asyncio.to_thread(running.__exit__, None, None, None)


def environment_of(folder: Path, **settings: object) -> dict[str, str]:
    """Return the environment of a process whose store lies in `folder`."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("CONTEXT0_")}
    told = {f"CONTEXT0_{name.upper()}": str(value) for name, value in settings.items()}
    return {**plain, "PYTHONPATH": str(ROOT), "CONTEXT0_DATA_DIR": str(folder), **told}


def make_key(user: str, environment: dict[str, str], *more: str) -> str:
    command = [sys.executable, "-m", "context0", "keys", "create", "--user", user, "--json", *more]
    made = subprocess.run(command, env=environment, capture_output=True, check=True, timeout=60)
    key: str = json.loads(made.stdout)["key"]
    return key
