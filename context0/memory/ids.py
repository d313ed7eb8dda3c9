"""Identifiers that sort by time: UUID version 7 (RFC 9562) with a counter, so that one process never goes backwards."""

import os
import threading
from datetime import datetime
from struct import Struct
from typing import Final

from context0.clock import to_ms
from stores.records import MemoryId

_COUNTER_BITS: Final = 12
_NUMBERS: Final = Struct(">512Q")
"""Random numbers are fetched for so many ids together: the call lets other threads run, and waits for them after it."""


class MemoryIds:
    """Makes ids, each greater than the one before, also within a millisecond and when the clock stands still."""

    def __init__(self) -> None:
        self._last = 0
        self._random: list[int] = []
        self._process = 0
        self._counting = threading.Lock()  # large batches are drafted in threads

    def new(self, now: datetime) -> tuple[MemoryId, int]:
        """Return an id and its arrival number: 60 bits, growing, made of milliseconds and a counter."""
        with self._counting:
            arrival = self._last = max(to_ms(now) << _COUNTER_BITS, self._last + 1)
            number = self._next_random()
        milliseconds, counter = arrival >> _COUNTER_BITS, arrival & 0xFFF
        value = milliseconds << 80 | 0x7 << 76 | counter << 64 | 0b10 << 62 | number >> 2
        digits = f"{value:032x}"  # as `str(UUID(int=value))`, which takes 2 us
        return MemoryId(f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"), arrival

    def _next_random(self) -> int:
        """Return 64 random bits; none are used twice, by a forked process either."""
        if not self._random or self._process != os.getpid():
            self._random, self._process = list(_NUMBERS.unpack(os.urandom(_NUMBERS.size))), os.getpid()
        return self._random.pop()
