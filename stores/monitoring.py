"""How a store tells what its commands cost: to a callable that whoever builds it hands in."""

import asyncio
import time
from collections.abc import Awaitable
from typing import Protocol, TypeVar

from stores.errors import Conflict, NotFound

T = TypeVar("T")


class CommandObserver(Protocol):
    """Is told of every command that has ended. store: "sqlite", "mongodb", "pinecone".

    command: what it was about and its name, from a small set, such as "memories.find"; never a value.
    ms: as the caller waited for it. failed: it was not answered; that there is no such record is an answer.
    Must be quick and must not raise.
    """

    def __call__(self, store: str, command: str, ms: float, *, failed: bool) -> None: ...


async def observed(answer: Awaitable[T], observer: CommandObserver, store: str, command: str) -> T:
    """Return what `answer` returns, and tell the observer; not of one that was given up."""
    started = time.perf_counter()
    failed = False
    try:
        return await answer
    except (NotFound, Conflict):
        raise
    except asyncio.CancelledError:
        started = 0.0
        raise
    except BaseException:
        failed = True
        raise
    finally:
        if started:
            observer(store, command, (time.perf_counter() - started) * 1000, failed=failed)
