"""A turn under way: who works on it, who reads it, and what is remembered of it."""

import asyncio
from dataclasses import dataclass, field
from typing import Final

from context0.agents.outcome import Remembered
from context0.agents.permit import Permit
from context0.wire import ChatEvent
from stores.records import Scope

QUEUED_EVENTS: Final = 8
"""Events that wait for a slow reader before the model's stream waits too."""


@dataclass(slots=True, eq=False)
class LiveTurn:
    """has_reader: somebody waits for its events. holders: who works on it. remembering: once that has begun."""

    scope: Scope
    permit: Permit
    begun_s: float
    holders: int = 0
    has_reader: bool = True
    remembering: asyncio.Task[Remembered] | None = None
    _queue: asyncio.Queue[ChatEvent | None] = field(default_factory=asyncio.Queue)
    _room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(QUEUED_EVENTS))

    @property
    def is_full(self) -> bool:
        return self._room.locked()

    async def emit(self, event: ChatEvent) -> None:
        """Pass an event on; waits for a slow reader."""
        if self.has_reader:
            await self._room.acquire()
            self._queue.put_nowait(event)

    def push(self, event: ChatEvent | None) -> None:
        """Pass on what comes last, None for the end, without waiting for a reader who may never come."""
        self._queue.put_nowait(event)

    async def next(self) -> ChatEvent | None:
        """Wait for the next event; None at the end."""
        event = await self._queue.get()
        self._room.release()
        return event
