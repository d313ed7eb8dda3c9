"""Processes of `context0 serve` on fixed ports, which can be ended and started again under a client's eyes."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx
import jwt

ROOT: Final = Path(__file__).parents[2]
_READY_S: Final = 60.0
_END_S: Final = 30.0


@dataclass(kw_only=True)
class Process:
    """One of them. starts: how often it was started; end_s: how long each end took."""

    environment: Mapping[str, str]
    folder: Path
    port: int
    starts: int = 0
    end_s: list[float] = field(default_factory=list)
    _running: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Return when it serves."""
        with (self.folder / f"{self.port}.log").open("ab") as log:
            command = [sys.executable, "-m", "context0", "serve", "--port", str(self.port)]
            self._running = subprocess.Popen(
                command, env=dict(self.environment), stdout=log, stderr=log, cwd=self.folder
            )
        self.starts += 1
        until = time.monotonic() + _READY_S
        while time.monotonic() < until and self._running.poll() is None:
            try:
                if httpx.get(f"{self.url}/readyz", timeout=5).is_success:
                    return
            except httpx.TransportError:
                time.sleep(0.05)
        raise RuntimeError(f"a process did not start; see {self.folder}")

    def stop(self) -> None:
        """End it as an orchestrator does, by SIGTERM. Raises RuntimeError when it does not end well."""
        running, self._running = self._running, None
        if running is None:
            return
        started = time.monotonic()
        running.send_signal(signal.SIGTERM)
        try:
            code = running.wait(_END_S)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()
            raise RuntimeError("a process did not end within 30 s of SIGTERM") from None
        self.end_s.append(time.monotonic() - started)
        if code:
            raise RuntimeError(f"a process ended with {code}; see {self.folder}")

    def kill(self) -> None:
        """End it whatever happens."""
        if self._running is not None:
            self._running.kill()
            self._running.wait()


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """The processes, and how users get in."""

    processes: list[Process]
    secret: str
    store_url: str

    @property
    def urls(self) -> list[str]:
        return [one.url for one in self.processes]

    def token(self, user: str) -> str:
        claims = {"sub": user, "aud": "context0", "exp": int(time.time()) + 86_400}
        return jwt.encode(claims, self.secret, algorithm="HS256")


@contextmanager
def fleet(folder: Path, store_url: str, number: int = 2, **settings: object) -> Iterator[Fleet]:
    """Run so many processes on one store until the block ends. settings: of the service."""
    secret = secrets.token_hex(32)
    plain = {name: value for name, value in os.environ.items() if not name.startswith("CONTEXT0_")}
    told = {"store_url": store_url, "jwt_secret": secret, "jwt_audience": "context0", "log_level": "WARNING"}
    patient = {"mongodb_timeout_ms": 60_000, "search_deadline_ms": 60_000}  # a stand-in may be slow, which says nothing
    processes = []
    with ExitStack() as stack:
        for place in range(number):
            data_dir = folder / f"process-{place}"  # of its own: its journal lies there
            data_dir.mkdir(exist_ok=True)
            given = {**told, **patient, "data_dir": data_dir, **settings}
            environment = {f"CONTEXT0_{name.upper()}": str(value) for name, value in given.items()}
            environment = {**plain, "PYTHONPATH": str(ROOT), **environment}
            process = Process(environment=environment, folder=folder, port=_free_port())
            stack.callback(process.kill)
            process.start()
            processes.append(process)
        yield Fleet(processes=processes, secret=secret, store_url=store_url)
        for process in processes:
            process.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
