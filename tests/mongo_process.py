"""The stand-in for MongoDB as a process of a test's own, which keeps its data when it is killed and started again."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.mongo_server import _free_port, _stop, _wait_until_it_listens


class MongoProcess:
    """A server with its files in a folder; what it has answered is in them (SQLite's WAL)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = _free_port()
        self.start()

    def url(self, database: str) -> str:
        return f"mongodb://127.0.0.1:{self._port}/{database}"

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.mongo_stand_in", "--data-dir", str(self._folder / "data")]
        command += ["--port", str(self._port), "--journal-mode", "WAL"]
        command += ["--log-file", str(self._folder / "log"), "--pid-file", str(self._folder / "pid")]
        with (self._folder / "output").open("ab") as output:
            root = Path(__file__).resolve().parents[1]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output, stderr=output, cwd=root)
        _wait_until_it_listens(self._process, self._port, self._folder / "output")

    def kill(self) -> None:
        _stop(self._process)


@contextmanager
def mongo_process(folder: Path) -> Iterator[MongoProcess]:
    server = MongoProcess(folder)
    try:
        yield server
    finally:
        server.kill()
