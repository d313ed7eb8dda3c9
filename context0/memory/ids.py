"""Identifiers that sort by time: UUID version 7 (RFC 9562) with a counter, so that one process never goes backwards."""

import secrets
import threading
from datetime import datetime
from typing import Final
from uuid import UUID

from stores.records import MemoryId

_COUNTER_BITS: Final = 12


class MemoryIds:
    """Makes ids, each greater than the one before, also within a millisecond and when the clock stands still."""

    def __init__(self) -> None:
        self._last = 0
        self._counting = threading.Lock()  # large batches are drafted in threads

    def new(self, now: datetime) -> tuple[MemoryId, int]:
        """Return an id and its arrival number: 60 bits, growing, made of milliseconds and a counter."""
        with self._counting:
            arrival = self._last = max(round(now.timestamp() * 1000) << _COUNTER_BITS, self._last + 1)
        milliseconds, counter = arrival >> _COUNTER_BITS, arrival & 0xFFF
        value = milliseconds << 80 | 0x7 << 76 | counter << 64 | 0b10 << 62 | secrets.randbits(62)
        return MemoryId(str(UUID(int=value))), arrival
