"""A bounded cache that fetches what it lacks, once for all who wait for it."""

from collections.abc import Awaitable, Callable, Hashable
from typing import Final, Generic, TypeVar, cast

from context0.cache.bounded import BoundedCache
from context0.cache.single_flight import SingleFlight
from context0.cache.statistics import CacheStatistics

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_ABSENT: Final = object()


def always(_: object) -> bool:
    return True


class LoadingCache(Generic[K, V]):
    """See `BoundedCache` and `SingleFlight`. Errors are not kept. What is discarded while it is loaded is not kept."""

    def __init__(self, cache: BoundedCache[K, V], *, keeps: Callable[[V], bool] = always) -> None:
        """keeps: says which values may be answered again."""
        self.cache = cache
        self._keeps = keeps
        self._flights: SingleFlight[K, V] = SingleFlight()
        self._unwanted: set[K] = set()

    async def get_or_load(self, key: K, load: Callable[[], Awaitable[V]]) -> V:
        """Return the value: what is held, or what `load` returns. Raises what `load` raises, to all who wait."""
        held = self.cache.get(key, _ABSENT)
        return cast("V", held) if held is not _ABSENT else await self.load(key, load)

    async def load(self, key: K, load: Callable[[], Awaitable[V]]) -> V:
        """Return what `load` returns, whatever is held; or what is being loaded already."""

        async def fetch() -> V:
            try:
                value = await load()
                if key not in self._unwanted and self._keeps(value):
                    self.cache.put(key, value)
                return value
            finally:
                self._unwanted.discard(key)

        return await self._flights.run(key, fetch)

    def discard(self, key: K) -> None:
        """Forget the key, and keep nothing that is being loaded for it."""
        self.cache.discard(key)
        if key in self._flights:
            self._unwanted.add(key)

    def statistics(self) -> CacheStatistics:
        return self.cache.statistics()

    async def aclose(self) -> None:
        await self._flights.aclose()
        self.cache.clear()
