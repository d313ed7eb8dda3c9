"""Runs `context0` as a user would: inside this process, or as a process of its own."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from context0.cli import main

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return orjson.loads(self.out)


class CommandLine:
    """`context0 …` in an empty folder, which has the default store too; `settings` become environment variables."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.store = folder / "context0.db"
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        for name in os.environ:
            if name.startswith("CONTEXT0_"):
                monkeypatch.delenv(name)
        self.configure(data_dir=str(folder))
        monkeypatch.chdir(folder)

    def configure(self, **settings: object) -> None:
        for name, value in settings.items():
            self._monkeypatch.setenv(f"CONTEXT0_{name.upper()}", str(value))

    def __call__(self, *arguments: str) -> Outcome:
        self._capsys.readouterr()
        code = main(arguments)
        return Outcome(code, *self._capsys.readouterr())

    def start(self, *arguments: str, **options: Any) -> "subprocess.Popen[bytes]":
        """Start `python -m context0 …`; the caller waits for it. options: as for Popen."""
        environment = {**os.environ, "PYTHONPATH": str(ROOT), **options.pop("env", {})}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        return subprocess.Popen([sys.executable, "-m", "context0", *arguments], env=environment, **pipes)

    def process(self, *arguments: str, **options: Any) -> Outcome:
        """Run `python -m context0 …` to its end, 60 seconds at most."""
        with self.start(*arguments, **options) as process:
            out, err = process.communicate(timeout=60)
        return Outcome(process.returncode, out.decode(), err.decode())
