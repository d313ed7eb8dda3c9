"""Work that many ask for at once is done once: by a task that belongs to none of them."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class SingleFlight(Generic[K, V]):
    """Whoever asks while the work is under way waits for it: one call for 1,000 who ask together.

    The one who began it may go away: the others still get their answer. A failure goes to all who wait, and the next
    one begins anew. For one event loop.
    """

    def __init__(self) -> None:
        self._flights: dict[K, asyncio.Task[V]] = {}
        self._closed = False

    def __contains__(self, key: K) -> bool:
        return key in self._flights

    async def run(self, key: K, work: Callable[[], Awaitable[V]]) -> V:
        """Return what `work` returns, or raise what it raises. `work` has to end by itself: it has its own deadline.

        Raises RuntimeError once closed, and to those who wait when it is.
        """
        task = self._flights.get(key)
        if task is None:
            if self._closed:
                raise RuntimeError("closed; nothing can be begun any more")
            task = asyncio.create_task(self._fly(key, work), name="context0-flight")
            task.add_done_callback(_seen)
            self._flights[key] = task
        await asyncio.wait((task,))  # unlike awaiting the task itself, does not cancel it with the caller
        if task.cancelled():
            raise RuntimeError("closed while this was under way")
        return task.result()

    async def aclose(self) -> None:
        """Stop what is under way. Twice is harmless."""
        self._closed = True
        flights: list[asyncio.Task[Any]] = list(self._flights.values())
        for task in flights:
            task.cancel()
        await asyncio.gather(*flights, return_exceptions=True)
        self._flights.clear()

    async def _fly(self, key: K, work: Callable[[], Awaitable[V]]) -> V:
        try:
            return await work()
        finally:
            self._flights.pop(key, None)


def _seen(task: asyncio.Task[Any]) -> None:
    """Mark the error as seen: every caller may be gone, and asyncio would report it as lost."""
    if not task.cancelled():
        task.exception()
