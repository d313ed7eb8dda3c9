"""What the measured code knows of metrics: a recorder that it is handed, and one that does nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheReading:
    """Counted since the start, but for what is held now. bytes: 0 where they are not counted."""

    hits: int
    misses: int
    entries: int
    bytes: int = 0
    evictions: int = 0

    @property
    def hit_rate(self) -> float:
        """In [0, 1]; 0 before the first ask."""
        return self.hits / (self.hits + self.misses) if self.hits + self.misses else 0.0


class Recorder(Protocol):
    """Takes what is measured, under the names of `observability.metrics`. Never raises for a value; one event loop.

    Labels are short names from a small set: a metric keeps a bounded number of them, further ones count as "other".
    An observation costs about half a microsecond.
    """

    def observe(self, name: str, ms: float, *, failed: bool = False, **labels: str) -> None:
        """Note that something took `ms` milliseconds."""

    def count(self, name: str, by: float = 1, **labels: str) -> None:
        """Add to a counter."""

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Set what is now."""

    def watch_gauge(self, name: str, read: Callable[[], float], **labels: str) -> None:
        """Let a gauge be read when somebody looks: costs nothing before. A second one of the name replaces it."""

    def watch_cache(self, name: str, read: Callable[[], CacheReading]) -> None:
        """Let a cache be read when somebody looks. A second one of the name replaces it."""


class Silent:
    """Records nothing."""

    def observe(self, name: str, ms: float, *, failed: bool = False, **labels: str) -> None:
        """Not kept."""

    def count(self, name: str, by: float = 1, **labels: str) -> None:
        """Not kept."""

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Not kept."""

    def watch_gauge(self, name: str, read: Callable[[], float], **labels: str) -> None:
        """Not read."""

    def watch_cache(self, name: str, read: Callable[[], CacheReading]) -> None:
        """Not read."""


SILENT: Final = Silent()
