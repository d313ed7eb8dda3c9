"""The time of day, handed in so that tests own it."""

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """A source of aware UTC times in whole milliseconds, the precision that every store keeps."""

    def now(self) -> datetime: ...


class SystemClock:
    """The machine's clock; never runs backwards within one process."""

    def __init__(self) -> None:
        self._last = datetime.min.replace(tzinfo=UTC)

    def now(self) -> datetime:
        self._last = max(self._last, to_milliseconds(datetime.now(UTC)))
        return self._last


def to_milliseconds(moment: datetime) -> datetime:
    """Return `moment` in UTC, cut to whole milliseconds."""
    moment = moment.astimezone(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
