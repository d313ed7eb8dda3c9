"""Which keys stay when there is not room for all: W-TinyLFU by bytes.

A key comes into a small window, where only recency counts. When it has to leave that, it is let into the main part only
if it was asked for more often, lately, than those together that would have to go for it. What is asked for again there
is protected; the rest is on probation. So a scan over many keys that are asked for once pushes nothing out. How large
the window is, is found out: it grows or shrinks as long as that lets more be found; no one size suits all traffic.
"""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final, Generic, TypeVar

from context0.cache.frequency import FrequencySketch

K = TypeVar("K", bound=Hashable)

_WINDOW_SHARE: Final = 0.05
"""To begin with."""
_PROTECTED_SHARE: Final = 0.8
_PERIOD: Final = 4
"""After so many times as many asks as there are keys, fame is halved and the window is changed."""
_LEAST_PERIOD: Final = 256
_STEP: Final = 0.125
_STEP_DECAY: Final = 0.9
_OTHER_TRAFFIC: Final = 0.05
"""A change of the hit rate that begins the search for the right window anew."""
_USUAL_BYTES: Final = 1_024
"""For the size of the sketch only."""


class Segments(Generic[K]):
    """The keys with their bytes, at most `max_bytes` together. Every call is O(1), but for what it evicts."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._share = _WINDOW_SHARE
        self._step = _STEP
        self._divide()
        self._window: OrderedDict[K, int] = OrderedDict()
        self._probation: OrderedDict[K, int] = OrderedDict()
        self._protected: OrderedDict[K, int] = OrderedDict()
        self._window_bytes = self._probation_bytes = self._protected_bytes = 0
        self._frequency = FrequencySketch(max_bytes // _USUAL_BYTES)
        self._asks = self._hits = 0
        self._rate_before = 0.0

    @property
    def bytes(self) -> int:
        return self._window_bytes + self._probation_bytes + self._protected_bytes

    def missed(self, key: K) -> None:
        """Note that a key was asked for which is not here."""
        self._frequency.add(key)
        self._asked()

    def touched(self, key: K) -> None:
        """Note that a key was asked for which is here."""
        self._frequency.add(key)
        if key in self._protected:
            self._protected.move_to_end(key)
        elif key in self._window:
            self._window.move_to_end(key)
        else:
            size = self._probation.pop(key)
            self._probation_bytes -= size
            self._protected[key] = size
            self._protected_bytes += size
            self._demote()
        self._hits += 1
        self._asked()

    def add(self, key: K, size: int) -> list[K]:
        """Take in a new key, and return those that had to go; it may be among them."""
        self._window[key] = size
        self._window_bytes += size
        evicted: list[K] = []
        while self._window_bytes > self._max_window:
            candidate, bytes_of_it = self._window.popitem(last=False)
            self._window_bytes -= bytes_of_it
            evicted += self._admit(candidate, bytes_of_it)
        return evicted

    def remove(self, key: K) -> None:
        if key in self._window:
            self._window_bytes -= self._window.pop(key)
        elif key in self._probation:
            self._probation_bytes -= self._probation.pop(key)
        else:
            self._protected_bytes -= self._protected.pop(key)

    def clear(self) -> None:
        for part in (self._window, self._probation, self._protected):
            part.clear()
        self._window_bytes = self._probation_bytes = self._protected_bytes = 0

    def _admit(self, candidate: K, size: int) -> list[K]:
        """Let the candidate into the main part, or not; return who goes."""
        lacking = self._probation_bytes + self._protected_bytes + size - self._max_main
        if size > self._max_main:
            return [candidate]
        victims: list[K] = []
        worth, least = 0, self._frequency.estimate(candidate)
        for part in (self._probation, self._protected):
            for key, bytes_of_it in part.items():
                if lacking <= 0:
                    break
                worth += self._frequency.estimate(key)
                if worth >= least:
                    return [candidate]
                victims.append(key)
                lacking -= bytes_of_it
        for victim in victims:
            self.remove(victim)
        self._probation[candidate] = size
        self._probation_bytes += size
        return victims

    def _demote(self) -> None:
        while self._protected_bytes > self._max_protected and len(self._protected) > 1:
            key, size = self._protected.popitem(last=False)
            self._protected_bytes -= size
            self._probation[key] = size
            self._probation_bytes += size

    def _asked(self) -> None:
        self._asks += 1
        keys = len(self._window) + len(self._probation) + len(self._protected)
        if self._asks < max(_LEAST_PERIOD, _PERIOD * keys):
            return
        rate = self._hits / self._asks
        self._asks = self._hits = 0
        self._frequency.halve()
        self._climb(rate)

    def _climb(self, rate: float) -> None:
        """Change the window as before if that was good, the other way if not; by ever smaller steps."""
        change, self._rate_before = rate - self._rate_before, rate
        if abs(change) >= _OTHER_TRAFFIC:
            self._step = _STEP if self._step > 0 else -_STEP
        self._step *= _STEP_DECAY if change >= 0 else -_STEP_DECAY
        self._share = min(0.8, max(0.01, self._share + self._step))
        self._divide()
        while self._window_bytes > self._max_window:
            key, size = self._window.popitem(last=False)
            self._window_bytes -= size
            self._probation[key] = size
            self._probation_bytes += size
        self._demote()
        while self._probation_bytes + self._protected_bytes > self._max_main:
            key = next(iter(self._probation or self._protected))
            size = (self._probation or self._protected)[key]
            self.remove(key)
            self._window[key] = size
            self._window_bytes += size

    def _divide(self) -> None:
        self._max_window = int(self._max_bytes * self._share)
        self._max_main = self._max_bytes - self._max_window
        self._max_protected = int(self._max_main * _PROTECTED_SHARE)
