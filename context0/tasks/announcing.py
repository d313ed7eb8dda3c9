"""Tells the workers, over a broker, which memories need their indexes: beside the writes, which never wait for it."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from context0.memory.announcing import Piece
from context0.memory.background import end
from context0.tasks.hints import INDEX, MAX_PIECES, told_of
from stores.records import MemoryId, Scope

if TYPE_CHECKING:
    from taskiq import AsyncBroker

log = logging.getLogger(__name__)

MOST_WAITING: Final = 20_000
"""Memories that may wait to be told of; more are not told of, and found by the workers' own look into the store."""
_OPEN_S: Final = 3.0
_PUBLISH_S: Final = 2.0
_CLOSE_S: Final = 1.0
_QUIET_S: Final = 5.0
"""After a failure nothing is told for so long: who writes pays nothing for a broker that is down."""


class TaskAnnouncer:
    """An `Announcer` over taskiq. It connects when there is first something to tell, and again after a failure.

    What waits for one owner goes out together, so that under load there are fewer and larger messages.
    """

    def __init__(self, make_broker: Callable[[], "AsyncBroker"]) -> None:
        self._make_broker = make_broker
        self._broker: AsyncBroker | None = None
        self._waiting: dict[Scope, dict[MemoryId, int]] = {}
        self._count = 0
        self._quiet_until_s = 0.0
        self._telling: asyncio.Task[None] | None = None
        self._closed = False
        self.told = 0
        self.untold = 0
        """How many memories the workers were told of, and how many they have to find."""

    def announce(self, scope: Scope, pieces: Sequence[Piece]) -> None:
        if self._closed or time.monotonic() < self._quiet_until_s or self._count + len(pieces) > MOST_WAITING:
            self.untold += len(pieces)
            return
        self._waiting.setdefault(scope, {}).update(pieces)
        self._count += len(pieces)
        if self._telling is None:
            self._telling = asyncio.create_task(self._tell(), name="context0-announcer")

    async def aclose(self) -> None:
        self._closed = True
        if self._telling is not None:
            await asyncio.wait((self._telling,), timeout=_CLOSE_S)
            if self._telling is not None:
                await end(self._telling)
        await self._disconnect()

    async def _tell(self) -> None:
        try:
            while self._waiting:
                scope, pieces = self._next()
                await self._publish(scope, pieces)
        except Exception as exc:  # noqa: BLE001 - the edge of the task: brokers raise what they like
            log.warning("tasks.not_told", extra={"error": type(exc).__name__, "count": self._count})
            self.untold += self._count
            self._quiet_until_s = time.monotonic() + _QUIET_S
            self._waiting.clear()
            self._count = 0
            await self._disconnect()
        finally:
            self._telling = None

    def _next(self) -> tuple[Scope, list[Piece]]:
        """Take up to a message's worth of whoever has waited longest."""
        scope = next(iter(self._waiting))
        waiting = self._waiting.pop(scope)
        pieces = list(waiting.items())
        if len(pieces) > MAX_PIECES:
            self._waiting[scope] = dict(pieces[MAX_PIECES:])
        return scope, pieces[:MAX_PIECES]

    async def _publish(self, scope: Scope, pieces: Sequence[Piece]) -> None:
        from taskiq.kicker import AsyncKicker

        broker = self._broker or await self._connect()
        kicker: AsyncKicker[..., None] = AsyncKicker(INDEX, broker, {})
        async with asyncio.timeout(_PUBLISH_S):
            await kicker.kiq(scope.owner, told_of(pieces))
        self._count -= len(pieces)
        self.told += len(pieces)

    async def _connect(self) -> "AsyncBroker":
        broker = self._make_broker()
        self._broker = broker
        async with asyncio.timeout(_OPEN_S):
            await broker.startup()
        return broker

    async def _disconnect(self) -> None:
        broker, self._broker = self._broker, None
        if broker is not None:
            await shut_down(broker)


async def shut_down(broker: "AsyncBroker") -> None:
    """Close the connections of a broker, whatever state they are in."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_CLOSE_S):
            try:
                await broker.shutdown()
            except Exception as exc:  # noqa: BLE001 - brokers raise what they like, and there is nothing left to lose
                log.debug("tasks.unclean_end", extra={"error": type(exc).__name__})
