"""The cache that processes share, as the rest may use it: it never fails, it only has nothing, and soon."""

import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from context0.cache.sealing import Seal
from context0.llm.breaker import CircuitBreaker
from context0.observability.recorder import CacheReading
from stores.errors import StoreError
from stores.protocols import CacheStore

log = logging.getLogger(__name__)

T = TypeVar("T")

_FAILURES: Final = 3
_OPEN_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedStatistics:
    """Counted in values. invalid: found, but not sealed by us.  failures: calls that the store did not answer.

    spared: calls that were not made, since the store had failed just before.
    """

    hits: int
    misses: int
    invalid: int
    failures: int
    spared: int


class SharedCache:
    """Reads and writes sealed values in a cache store. A store that is down, late or emptied means misses, no errors.

    Names are digests of all that a value depends on, see `context0.cache.sealing`.
    After three failures among six calls it is left alone for a second, then tried by one call: what hangs costs three
    deadlines of the store, and one a second. Before `arm`, nothing is asked for.
    """

    def __init__(self, store: CacheStore, *, timer: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._seal: Seal | None = None
        self._breaker = CircuitBreaker(failures=_FAILURES, open_s=_OPEN_S, clock=timer)
        self._hits = self._misses = self._invalid = self._failures = self._spared = 0

    @property
    def usable(self) -> bool:
        """Say whether it is worth asking: False before `arm`, and while the store is left alone."""
        return self._seal is not None and self._breaker.state == "closed"

    def arm(self, key: bytes) -> None:
        """Begin, with the key that values are sealed by: the same in all processes of one document store."""
        self._seal = Seal(key)

    async def get_many(self, names: Sequence[bytes]) -> list[bytes | None]:
        """Return the values by their names (digests), None where there is none that can be used. One round trip."""
        seal, found = self._seal, None
        if seal is not None and names:
            found = await self._asked(lambda: self._store.get_many([seal.place(name) for name in names]))
        if seal is None or found is None:
            self._misses += len(names)
            return [None] * len(names)
        return [self._opened(seal, name, envelope) for name, envelope in zip(names, found, strict=True)]

    async def first(self, name: bytes, value: bytes, *, ttl_s: float) -> bytes | None:
        """Return what is kept under the name, or keep `value`; None where that cannot be done. One round trip.

        What is there and was not sealed by us is replaced.
        """
        seal = self._seal
        if seal is None:
            return None
        envelope = seal.close(name, value)
        stored = await self._asked(lambda: self._store.put_missing(seal.place(name), envelope, ttl_s=ttl_s))
        if stored is None:
            return None
        opened = seal.open(name, stored)
        if opened is not None:
            return opened
        self._invalid += 1
        return value if await self.put_many([(name, value)], ttl_s=ttl_s) else None

    async def put_many(self, values: Sequence[tuple[bytes, bytes]], *, ttl_s: float) -> bool:
        """Keep values by their names, and return whether that could be done. One round trip."""
        seal = self._seal
        if seal is None or not values:
            return False
        entries = [(seal.place(name), seal.close(name, value)) for name, value in values]
        return await self._asked(lambda: self._kept(entries, ttl_s)) is not None

    @property
    def name(self) -> str:
        return self._store.name

    def statistics(self) -> SharedStatistics:
        return SharedStatistics(
            hits=self._hits,
            misses=self._misses,
            invalid=self._invalid,
            failures=self._failures,
            spared=self._spared,
        )

    def reading(self) -> CacheReading:
        """Return it as the metrics have it; what the store holds is not known here."""
        return CacheReading(hits=self._hits, misses=self._misses, entries=0)

    async def aclose(self) -> None:
        self._seal = None
        await self._store.aclose()

    async def _kept(self, entries: Sequence[tuple[str, bytes]], ttl_s: float) -> bool:
        await self._store.put_many(entries, ttl_s=ttl_s)
        return True

    async def _asked(self, call: Callable[[], Awaitable[T]]) -> T | None:
        """Return what the store answers, or None when it did not, or was not asked."""
        ticket = self._breaker.admit()
        if ticket is None:
            self._spared += 1
            return None
        told = False
        try:
            answer = await call()
            self._breaker.succeeded(ticket)
            told = True
        except StoreError as exc:
            self._failures += 1
            self._breaker.failed(ticket)
            told = True
            if self._breaker.state == "open":
                log.warning("cache.left_alone", extra={"error": exc.code, "open_s": _OPEN_S})
            return None
        finally:
            if not told:  # the caller went away
                self._breaker.dropped(ticket)
        return answer

    def _opened(self, seal: Seal, name: bytes, envelope: bytes | None) -> bytes | None:
        value = None if envelope is None else seal.open(name, envelope)
        if value is None:
            self._misses += 1
            self._invalid += envelope is not None
        else:
            self._hits += 1
        return value
