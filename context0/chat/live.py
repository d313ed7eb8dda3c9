"""A turn under way: who works on it, who reads it, and what is remembered of it."""

import asyncio
from dataclasses import dataclass, field
from typing import Final

from context0.agents.outcome import Remembered
from context0.agents.permit import Permit
from context0.wire import ChatEvent
from stores.records import Scope

_QUEUED_EVENTS: Final = 256
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
    queue: asyncio.Queue[ChatEvent | None] = field(default_factory=lambda: asyncio.Queue(_QUEUED_EVENTS))

    async def emit(self, event: ChatEvent) -> None:
        """Pass an event on; waits for a slow reader."""
        if self.has_reader:
            await self.queue.put(event)

    def push(self, event: ChatEvent | None) -> None:
        """Put an event without waiting for a reader who may never come: the oldest one makes room."""
        if self.queue.full():
            self.queue.get_nowait()
        self.queue.put_nowait(event)
