"""An event loop in a thread of its own, so that a person can type in the main thread while work goes on."""

import asyncio
import signal
import threading
from collections.abc import Coroutine
from concurrent.futures import CancelledError, Future, wait
from contextlib import suppress
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

T = TypeVar("T")


class Running(Generic[T]):
    """Work on the loop of another thread; it goes on whether anybody waits for it or not."""

    def __init__(self, work: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop) -> None:
        self._work = work
        self._loop = loop
        self._task: asyncio.Task[T] | None = None
        self._ended: Future[T] = Future()

    def begin(self) -> None:
        self._loop.call_soon_threadsafe(self._begin)

    def ends_within(self, timeout_s: float) -> bool:
        """Wait for the end, so long at most, and tell whether it has come."""
        return bool(wait((self._ended,), timeout_s).done)

    def result(self) -> T:
        """Wait for the end, and return or raise what the work did. Ctrl-C ends the waiting, not the work."""
        return self._ended.result()

    def stop(self) -> None:
        """Cancel the work, begun or not, and wait until it has cleaned up after itself."""
        self._loop.call_soon_threadsafe(self._cancel)
        with suppress(CancelledError):
            self._ended.result()

    def _begin(self) -> None:
        self._task = self._loop.create_task(self._work, name="context0-cli")
        self._task.add_done_callback(self._settle)

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()
        else:
            self._work.close()
            self._ended.set_exception(CancelledError())

    def _settle(self, task: asyncio.Task[T]) -> None:
        if task.cancelled():
            self._ended.set_exception(CancelledError())
        elif (failed := task.exception()) is not None:
            self._ended.set_exception(failed)
        else:
            self._ended.set_result(task.result())


class LoopThread:
    """Runs coroutines for the thread that made it. At its end it cancels what is left, and waits for the thread."""

    def __init__(self) -> None:
        self._thread = threading.Thread(target=self._serve, name="context0-loop")
        self._started: Future[asyncio.AbstractEventLoop] = Future()
        self._stopped = asyncio.Event()

    def __enter__(self) -> Self:
        self._thread.start()
        self._started.result()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._started.result().call_soon_threadsafe(self._stopped.set)
        self._thread.join()

    def start(self, work: Coroutine[Any, Any, T]) -> Running[T]:
        running = Running(work, self._started.result())
        running.begin()
        return running

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` to its end. Ctrl-C meanwhile cancels it, waits until it has cleaned up, and is raised then."""
        running = Running(work, self._started.result())
        try:  # Ctrl-C may come at any line: from here on it always finds what to stop
            running.begin()
            return running.result()
        except KeyboardInterrupt:
            running.stop()
            raise

    def _serve(self) -> None:
        if hasattr(signal, "pthread_sigmask"):  # Ctrl-C has to wake the thread that waits for a line, and no other
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        asyncio.run(self._until_stopped())

    async def _until_stopped(self) -> None:
        self._started.set_result(asyncio.get_running_loop())
        await self._stopped.wait()
