"""Where blocking work goes: one executor of a few named threads, for every event loop of the process."""

import asyncio
import contextvars
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from itertools import islice
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

MOST_THREADS: Final = 8
"""Work in Python takes turns with the event loop, 5 ms each: many threads would make it late."""
NAME: Final = "context0-blocking"
_INLINE_ITEMS: Final = 24
_INLINE_CHARACTERS: Final = 4_000


async def in_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run `work` in a thread, in this context; when all are busy it waits. Cancelled, it goes on unheard.

    For files, models and whatever computes for more than about a millisecond; a hop costs 30 us.
    """
    call = partial(contextvars.copy_context().run, work, *args, **kwargs)
    return await asyncio.get_running_loop().run_in_executor(_executor(), call)


async def in_thread_if(heavy: bool, work: Callable[[], T]) -> T:  # noqa: FBT001 - the question that it answers
    """Run `work` in a thread if it is heavy, else here."""
    return await in_thread(work) if heavy else work()


async def off_the_loop(work: Callable[[], T], contents: Iterable[object]) -> T:
    """Run `work`, which reads `contents`, in a thread where that takes more than about a millisecond.

    A hop costs as much as half a short text.
    """
    first = list(islice(contents, _INLINE_ITEMS + 1))
    characters = sum(len(content) for content in first if isinstance(content, str))
    return await in_thread_if(len(first) > _INLINE_ITEMS or characters > _INLINE_CHARACTERS, work)


@lru_cache(maxsize=1)
def _executor() -> ThreadPoolExecutor:
    if hasattr(os, "register_at_fork"):  # a forked process has none of these threads
        os.register_at_fork(after_in_child=_executor.cache_clear)
    return ThreadPoolExecutor(MOST_THREADS, NAME)
