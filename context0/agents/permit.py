"""Whether a turn may still write: not any more once its owner is being erased."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import ClassVar, Final, TypeVar

from context0.errors import Context0Error

T = TypeVar("T")

_ENDING_S: Final = 10.0


class Erased(Context0Error):
    """The owner of a turn was erased after the turn had begun: nothing of it may be written."""

    code: ClassVar[str] = "erased"


class Permit:
    """One for each turn: every write of the turn goes through it, so that an erasure can wait for what is under way."""

    __slots__ = ("_revoked", "_writing")

    def __init__(self, *, revoked: bool = False) -> None:
        self._revoked = revoked
        self._writing: set[asyncio.Task[None]] = set()

    @property
    def revoked(self) -> bool:
        return self._revoked

    async def write(self, work: Callable[[], Awaitable[T]], *, deadline_s: float) -> T:
        """Do a write to its end, also when the caller is cancelled meanwhile: it learns of that afterwards.

        Raises Erased, and then has not begun; TimeoutError, and what the write raises.
        """
        if self._revoked:
            raise Erased("the user was erased while the turn was under way: nothing of it is kept")
        outcome: list[T] = []

        async def run() -> None:
            async with asyncio.timeout(deadline_s):
                outcome.append(await work())

        task = asyncio.create_task(run(), name="context0-chat-write")
        self._writing.add(task)
        task.add_done_callback(self._ended)
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            if not task.done():
                await asyncio.wait((task,))
            raise
        return outcome[0]

    def revoke(self) -> None:
        """Let no write begin from now on."""
        self._revoked = True

    async def idle(self, *, within_s: float = _ENDING_S) -> None:
        """Return when no write is under way; one that takes longer than `within_s` is cancelled."""
        if self._writing and within_s:
            await asyncio.wait(set(self._writing), timeout=within_s)
        for task in list(self._writing):
            task.cancel()
        if self._writing:
            await asyncio.wait(set(self._writing))

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._writing.discard(task)
        if not task.cancelled():
            task.exception()  # seen: the caller may be gone
