"""Which of a service's processes a request goes to: the key's own, or one after the other; past those that are down.

No I/O.
"""

import hashlib
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final

from context0.sdk.errors import InvalidInput
from context0.sdk.requests import base_url_of

_FIRST_S: Final = 0.5
_LONGEST_S: Final = 15.0


@dataclass(slots=True)
class _State:
    failures: int = 0
    until_s: float = 0.0


class Addresses:
    """One that could not be reached, or that stops, is passed over for half a second, then twice as long.

    goes_round: each request goes to the next; else all to the first that is up. Safe for several threads.
    """

    def __init__(
        self, urls: Sequence[str], *, goes_round: bool = True, now: Callable[[], float] = time.monotonic
    ) -> None:
        self.urls = tuple(urls)
        self._goes_round = goes_round
        self._now = now
        self._states = {url: _State() for url in self.urls}
        self._next = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self.urls)

    def pick(self, wanted: str = "", tried: Collection[str] = ()) -> str:
        """Return the address of the next attempt. wanted: before others. tried: none of these if there are others."""
        if wanted and wanted not in tried:
            return wanted
        with self._lock:
            now, start = self._now(), self._next
            going_round = [self.urls[(start + step) % len(self.urls)] for step in range(len(self.urls))]
            fresh = [url for url in going_round if url not in tried] or going_round
            up = [url for url in fresh if self._states[url].until_s <= now]
            chosen = up[0] if up else min(fresh, key=lambda url: self._states[url].until_s)
            if self._goes_round:
                self._next = (self.urls.index(chosen) + 1) % len(self.urls)
            return chosen

    def note(self, url: str, *, took: bool) -> None:
        """Take note whether an address took the last request that was sent to it."""
        with self._lock:
            state = self._states[url]
            if took:
                state.failures, state.until_s = 0, 0.0
            else:
                state.until_s = self._now() + min(_LONGEST_S, _FIRST_S * 2.0**state.failures)
                state.failures += 1


def addresses_of(base_url: object, key: str, *, sticky: bool) -> Addresses:
    """Return what was given as one address or a list of them. Raises InvalidInput.

    sticky: in an order that follows from the key, so that all who have it ask one process, which then holds the owner's
    memories; when an address comes or goes, other keys stay where they are.
    """
    if isinstance(base_url, Sequence) and not isinstance(base_url, str | bytes):
        urls = list(dict.fromkeys(base_url_of(one) for one in base_url))
        if not urls:
            raise InvalidInput("is empty; give at least one address", field="base_url")
    else:
        urls = [base_url_of(base_url)]
    if sticky:
        urls.sort(key=lambda url: hashlib.sha256(f"{url}\n{key}".encode()).digest())
    return Addresses(urls, goes_round=not sticky)
