"""Watches an event loop: the longest time that one callback kept it, in CPU time of the loop's own thread.

A machine with other work on it stretches the wall clock, and this one little. The collector's time is left out: it is
the process's, whoever makes it run.
"""

import asyncio
import gc
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock


@dataclass(slots=True)
class Watched:
    """longest_ms: of one callback; by_whom: what that was. callbacks: how many there were."""

    longest_ms: float = 0.0
    by_whom: str = ""
    callbacks: int = 0
    _began_s: float = field(default_factory=time.thread_time)
    _collecting_s: float = 0.0

    def begin(self) -> None:
        self._began_s = time.thread_time()

    def end(self, whom: object) -> None:
        took_ms = (time.thread_time() - self._began_s) * 1e3
        self.callbacks += 1
        if took_ms > self.longest_ms:
            self.longest_ms, self.by_whom = took_ms, repr(whom)[:500]

    def collected(self, phase: str) -> None:
        if phase == "start":
            self._collecting_s = time.thread_time()
        else:
            self._began_s += time.thread_time() - self._collecting_s


@contextmanager
def watching() -> Iterator[Watched]:
    """Watch the running loop inside the block, and the rest of the step that opened it."""
    watched, loop, run = Watched(), asyncio.get_running_loop(), asyncio.Handle._run
    thread = threading.get_ident()

    def timed(handle: Any) -> None:
        if handle._loop is not loop:
            run(handle)
            return
        watched.begin()
        run(handle)
        watched.end(handle)

    def collects(phase: str, _: object) -> None:
        if threading.get_ident() == thread:
            watched.collected(phase)

    gc.callbacks.append(collects)
    try:
        with mock.patch.object(asyncio.Handle, "_run", timed):
            try:
                yield watched
            finally:
                watched.end(asyncio.current_task())
    finally:
        gc.callbacks.remove(collects)
