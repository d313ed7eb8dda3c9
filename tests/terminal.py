"""Types into `context0 …` at a pseudo-terminal, and reads what a person would see."""

import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.command_line import ROOT

CTRL_C: Final = "\x03"
CTRL_D: Final = "\x04"
UP: Final = "\x1b[A"
_LONGEST_S: Final = 30.0
_PATIENCE_S: Final = 3.0
_TAKE_TERMINAL: Final = (
    "import fcntl, termios, runpy; fcntl.ioctl(0, termios.TIOCSCTTY, 0); runpy.run_module('context0', None, '__main__')"
)
"""Without it Ctrl-C would interrupt nobody."""


class TerminalProcess:
    """The program in a terminal of its own. seen: all that was shown, the echo of what was typed too."""

    def __init__(self, *arguments: str, folder: Path, **environment: str) -> None:
        self.seen = ""
        self._read_to = 0
        self._own, theirs = pty.openpty()
        plain = {"TERM": "dumb", "COLUMNS": "200", "LINES": "50", "PYTHONPATH": str(ROOT)}
        self._process = subprocess.Popen(
            [sys.executable, "-c", _TAKE_TERMINAL, *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=folder,
            env={**os.environ, **plain, **environment},
            start_new_session=True,
        )
        os.close(theirs)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        os.close(self._own)

    def type(self, text: str) -> None:
        os.write(self._own, text.encode())

    def until(self, text: str) -> str:
        """Return what is shown from where the last call ended to `text`, which must come."""
        deadline = time.monotonic() + _LONGEST_S
        while (at := self.seen.find(text, self._read_to)) < 0:
            assert self._read(deadline), f"{text!r} did not come: {self.seen!r}"
        shown, self._read_to = self.seen[self._read_to : at + len(text)], at + len(text)
        return shown

    def interrupted(self) -> int:
        """Press Ctrl-C at a prompt until something comes of it, and return the exit code.

        GNU readline misses one that comes in the microseconds between its prompt and its waiting for keys.
        """
        self.type(CTRL_C)
        while not select.select([self._own], [], [], _PATIENCE_S)[0]:
            self.type(CTRL_C)
        return self.ended()

    def ended(self) -> int:
        """Read all that is shown yet, and return the exit code."""
        deadline = time.monotonic() + _LONGEST_S
        while self._read(deadline):
            pass
        return self._process.wait(_LONGEST_S)

    def _read(self, deadline: float) -> bool:
        """Read what has come; False at the end. Fails when nothing comes for too long."""
        ready, _, _ = select.select([self._own], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, f"nothing came any more: {self.seen!r}"
        try:
            piece = os.read(self._own, 65_536)
        except OSError:  # the other side is closed
            return False
        self.seen += piece.decode(errors="replace").replace("\r\n", "\n")
        return bool(piece)
