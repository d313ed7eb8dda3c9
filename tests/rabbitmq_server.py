"""A RabbitMQ server of a test's own: on a free port, with nothing in it, ended with the test."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

START_DEADLINE_S: Final = 90.0
_PLACES: Final = "/usr/lib/rabbitmq/bin"
"""Where Debian keeps the program that any user may start; the one on the path asks for the user rabbitmq."""


class RabbitMqServer:
    """A process that can be killed and started again on the same port, with what it had made durable."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        program = shutil.which("rabbitmq-server", path=f"{_PLACES}:{os.environ['PATH']}")
        if program is None:
            if "CI" in os.environ:
                pytest.fail("CI needs rabbitmq-server: apt-get install rabbitmq-server")
            pytest.skip("rabbitmq-server is not installed")
        self._program = program
        with socket.socket() as probe, socket.socket() as second:
            probe.bind(("127.0.0.1", 0))
            second.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
            self._between: int = second.getsockname()[1]
        (folder / "rabbitmq.conf").write_text(f"listeners.tcp.1 = 127.0.0.1:{self.port}\n")
        self.start()

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}/"

    def start(self) -> None:
        environment = {
            **os.environ,
            "HOME": str(self._folder),
            "RABBITMQ_NODENAME": f"context0_{self.port}@localhost",
            "RABBITMQ_DIST_PORT": str(self._between),
            "RABBITMQ_CONFIG_FILE": str(self._folder / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self._folder / "none.config"),
            "RABBITMQ_CONF_ENV_FILE": str(self._folder / "none"),
            "RABBITMQ_MNESIA_BASE": str(self._folder / "data"),
            "RABBITMQ_LOG_BASE": str(self._folder / "log"),
            "RABBITMQ_PID_FILE": str(self._folder / "pid"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self._folder / "plugins"),
        }
        self._process = subprocess.Popen(
            [self._program],
            env=environment,
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + START_DEADLINE_S
        while not self._greets():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("rabbitmq-server did not start")
            time.sleep(0.05)

    def kill(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _greets(self) -> bool:
        """Return whether it answers as an AMQP 0-9-1 server does."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as connection:
                connection.sendall(b"AMQP\x00\x00\x09\x01")
                return connection.recv(8).startswith(b"\x01\x00\x00")
        except OSError:
            return False


@contextmanager
def rabbitmq_server(folder: Path) -> Iterator[RabbitMqServer]:
    server = RabbitMqServer(folder)
    try:
        yield server
    finally:
        server.kill()
