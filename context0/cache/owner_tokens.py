"""One random word an owner, known to all processes, which is changed with every change: generations without counting.

A counter would begin anew when the shared cache is emptied, and meet what was kept under the same number before. A
random word is met never again.
"""

import asyncio
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from cachetools import LRUCache

from context0.cache.keys import digest
from context0.cache.shared import SharedCache

_TOKEN_BYTES: Final = 16
_TTL_S: Final = 3_600.0
"""Longer than anything that is kept under a word."""
_OWNERS: Final = 10_000
_AT_ONCE: Final = 500
_AGAIN_S: Final = 1.0


class OwnerTokens:
    """Reads each owner's word at most every `staleness_s`; tells a change at once, and again until it is told.

    While a change of this process is not told, the owner has no word here. At most 10,000 owners wait to be told of.
    """

    def __init__(self, shared: SharedCache, *, staleness_s: float, timer: Callable[[], float] = time.monotonic) -> None:
        self._shared = shared
        self._staleness_s = staleness_s
        self._timer = timer
        self._known: LRUCache[str, tuple[bytes, float]] = LRUCache(_OWNERS)
        self._untold: OrderedDict[str, bytes] = OrderedDict()
        self._closing = asyncio.Event()
        self._telling: asyncio.Task[None] | None = None

    async def current(self, owner: str) -> bytes | None:
        """Return the owner's word, or None where it cannot be known now. At most one round trip."""
        if owner in self._untold:
            return None
        token, read_at = self._known.get(owner, (b"", -1.0))
        started = self._timer()
        if token and started - read_at <= self._staleness_s:
            return token
        found = await self._shared.first(_name(owner), secrets.token_bytes(_TOKEN_BYTES), ttl_s=_TTL_S)
        if found is None or owner in self._untold:
            return None
        self._known[owner] = found, started
        return found

    def moved(self, owner: str) -> None:
        """Give the owner a new word, and have it told."""
        self._known.pop(owner, None)
        self._untold[owner] = secrets.token_bytes(_TOKEN_BYTES)
        if len(self._untold) > _OWNERS:
            self._untold.popitem(last=False)
        if self._telling is None or self._telling.done():
            self._telling = asyncio.create_task(self._tell(), name="context0-owner-tokens")

    async def replaced(self, owner: str) -> bool:
        """Replace the owner's word at once, and say whether that could be done. One round trip."""
        self.moved(owner)
        token = self._untold[owner]
        return await self._shared.put_many([(_name(owner), token)], ttl_s=_TTL_S)

    async def told(self) -> None:
        """Return when others can know of every change, or `aclose` was called. Waits while the store is down."""
        if self._telling is not None:
            await asyncio.wait((self._telling,))

    async def aclose(self) -> None:
        """Try once more to tell what is untold, and end. Twice is harmless."""
        self._closing.set()
        if self._telling is not None:
            await self._telling

    async def _tell(self) -> None:
        while self._untold:
            batch = dict(list(self._untold.items())[:_AT_ONCE])
            started = self._timer()
            told = await self._shared.put_many([(_name(owner), batch[owner]) for owner in batch], ttl_s=_TTL_S)
            for owner, token in batch.items():
                if told and self._untold.get(owner) == token:
                    del self._untold[owner]
                    self._known[owner] = token, started
            if not told:
                if self._closing.is_set():
                    return
                try:
                    async with asyncio.timeout(_AGAIN_S):
                        await self._closing.wait()
                except TimeoutError:
                    continue


def _name(owner: str) -> bytes:
    return digest("owner token", owner)
