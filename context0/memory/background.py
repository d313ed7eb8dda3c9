"""Tasks that outlive whoever started them: how one is ended, and an opening that many share."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

_CANCEL_AGAIN_S: Final = 0.1


async def end(task: "asyncio.Task[None]") -> None:
    """Cancel `task` until it has ended; what it raised is nobody's any more.

    Once is not always enough: `asyncio.wait_for` of Python 3.11, on which drivers stand, now and then loses a
    cancellation that comes together with an answer. PyMongo did so in 7 of 100 calls.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait((task,), timeout=_CANCEL_AGAIN_S)
    _retrieve(task)


class Opening:
    """Opens something once for all who need it at the same time; when that fails, all are told, and the next tries.

    Whoever gives up waiting leaves the others alone.
    """

    def __init__(self, open_it: Callable[[], Awaitable[None]]) -> None:
        self._open_it = open_it
        self._task: asyncio.Task[None] | None = None
        self._open = False

    async def ready(self) -> None:
        """Return when it is open, or when `aclose` ended the attempt. Raises what opening raises."""
        if self._open:
            return
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="context0-opening")
            self._task.add_done_callback(_retrieve)
        task = self._task
        await asyncio.wait((task,))  # unlike awaiting the task itself, does not cancel it with the caller
        if not task.cancelled():
            task.result()

    async def aclose(self) -> None:
        """Give up an attempt that is under way; the next `ready` opens anew."""
        if self._task is not None:
            await end(self._task)
        self._open = False

    async def _run(self) -> None:
        try:
            await self._open_it()
            self._open = True
        finally:
            self._task = None


def _retrieve(task: "asyncio.Task[None]") -> None:
    """Mark the error as seen: everyone who waited may be gone, and asyncio would report it as lost."""
    if not task.cancelled():
        task.exception()
