"""The time of day, handed in so that tests own it."""

from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


class Clock(Protocol):
    """A source of aware UTC times in whole milliseconds, the precision that every store keeps."""

    def now(self) -> datetime: ...


class SystemClock:
    """The machine's clock; never runs backwards within one process."""

    def __init__(self) -> None:
        self._last = datetime.min.replace(tzinfo=UTC)

    def now(self) -> datetime:
        now = datetime.now(UTC)
        now = now.replace(microsecond=now.microsecond // 1000 * 1000)
        if now > self._last:
            self._last = now
        return self._last


def to_milliseconds(moment: datetime) -> datetime:
    """Return `moment` in UTC, cut to whole milliseconds."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def to_ms(moment: datetime) -> int:
    """Return the whole milliseconds since 1970, exactly."""
    return (moment - EPOCH) // _MILLISECOND


def from_ms(value: int) -> datetime:
    """Return the moment `value` milliseconds after 1970, in UTC."""
    return EPOCH + timedelta(milliseconds=value)
