"""How much is let in: requests at the same time, of all and of one user, and requests a second of one user."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from cachetools import LRUCache

from context0.api.errors import RETRY_AFTER_S, Refused

_KNOWN_OWNERS: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestLimits:
    """See `Settings` for the meaning of each. place_hold_s: see `FairGate`."""

    max_requests: int = 4_096
    owner_max_requests: int = 1_024
    owner_rate_per_s: float = 1_000.0
    owner_rate_burst: int = 2_000
    at_work: int = 16
    owner_max_waiting: int = 256
    place_hold_s: float = 0.05
    max_loop_lag_ms: float = 250.0


class Admission:
    """Refuses what is beyond the service's strength at once, before anything was done for it.

    always: paths that are let in whatever happens. stopping: says whether the service is about to end.
    """

    def __init__(
        self,
        limits: RequestLimits,
        *,
        always: frozenset[str],
        stopping: Callable[[], bool],
        lag_ms: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """lag_ms: how late the event loop is, all the time."""
        self._limits = limits
        self._lag_ms = lag_ms
        self._always = always
        self._stopping = stopping
        self._running = 0

    def enter(self, path: str) -> bool:
        """Let a request in; True: it counts, and must `leave`. Raises Refused."""
        if path in self._always:
            return False
        if self._stopping():
            raise refused_for_now(503, "stopping", "the service is stopping; ask again in a moment")
        is_late = self._running and self._lag_ms() > self._limits.max_loop_lag_ms
        if is_late or self._running >= self._limits.max_requests:
            raise refused_for_now(
                503, "overloaded", "the service has as much to do as it can; ask again after a moment"
            )
        self._running += 1
        return True

    def leave(self) -> None:
        self._running -= 1


class Buckets:
    """A bucket of tokens for each owner: `burst` at most, refilled by `rate` a second. Of the last 10,000 owners."""

    def __init__(self, rate_per_s: float, burst: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate_per_s
        self._burst = float(burst)
        self._clock = clock
        self._levels: LRUCache[str, tuple[float, float]] = LRUCache(_KNOWN_OWNERS)

    def take(self, owner: str) -> float:
        """Take one token and return 0, or take none and return the seconds until there is one."""
        now = self._clock()
        level, at = self._levels.get(owner, (self._burst, now))
        level = min(self._burst, level + (now - at) * self._rate)
        if level < 1:
            self._levels[owner] = (level, now)
            return (1 - level) / self._rate
        self._levels[owner] = (level - 1, now)
        return 0.0


class OwnerLimits:
    """Keeps one user from taking all: asked when the owner is known."""

    def __init__(self, limits: RequestLimits, *, buckets: Buckets | None = None) -> None:
        self._most = limits.owner_max_requests
        self._buckets = buckets or Buckets(limits.owner_rate_per_s, limits.owner_rate_burst)
        self._running: dict[str, int] = {}

    def enter(self, owner: str) -> None:
        """Let a request in, which must `leave`. Raises Refused."""
        running = self._running.get(owner, 0)
        if running >= self._most:
            raise refused_for_now(
                429, "too_many_requests", f"at most {self._most} requests at the same time; wait for others"
            )
        if wait_s := self._buckets.take(owner):
            raise refused_for_now(429, "rate_limited", "too many requests a second; wait as Retry-After says", wait_s)
        self._running[owner] = running + 1

    def leave(self, owner: str) -> None:
        left = self._running[owner] - 1
        if left:
            self._running[owner] = left
        else:
            del self._running[owner]


def refused_for_now(status: int, code: str, message: str, wait_s: float = RETRY_AFTER_S) -> Refused:
    """Return what tells a client to come again."""
    return Refused(status, code, message, {"retry-after": str(max(1, math.ceil(wait_s)))})
