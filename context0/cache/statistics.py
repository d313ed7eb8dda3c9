"""What a cache tells of itself."""

from dataclasses import dataclass

from context0.observability.recorder import CacheReading


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheStatistics:
    """Counted since the start, but for what is held now. evictions: pushed out by others; expirations: by age.

    bytes: with keys and overhead. oldest_s: the age of the oldest entry, 0 without one.
    """

    hits: int
    misses: int
    evictions: int
    expirations: int
    entries: int
    bytes: int
    oldest_s: float

    def reading(self) -> CacheReading:
        """Return it as the metrics have it."""
        return CacheReading(
            hits=self.hits, misses=self.misses, entries=self.entries, bytes=self.bytes, evictions=self.evictions
        )
