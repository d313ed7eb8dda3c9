"""A cache store in a dictionary: the executable specification, and for tests of what lies above."""

import time
from collections.abc import Callable, Sequence


class ReferenceCache:
    """See `CacheStore`. It forgets nothing before its time."""

    name = "reference"

    def __init__(self, *, timer: Callable[[], float] = time.monotonic) -> None:
        self._timer = timer
        self._held: dict[str, tuple[bytes, float]] = {}

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        return [self._get(key) for key in keys]

    async def put_many(self, entries: Sequence[tuple[str, bytes]], *, ttl_s: float) -> None:
        for key, value in entries:
            self._held[key] = value, self._timer() + ttl_s

    async def put_missing(self, key: str, value: bytes, *, ttl_s: float) -> bytes:
        held = self._get(key)
        if held is None:
            await self.put_many([(key, value)], ttl_s=ttl_s)
        return value if held is None else held

    async def delete_many(self, keys: Sequence[str]) -> None:
        for key in keys:
            self._held.pop(key, None)

    async def aclose(self) -> None:
        """Nothing is open."""

    def _get(self, key: str) -> bytes | None:
        value, until = self._held.get(key, (None, 0.0))
        return value if until > self._timer() else None
