"""Listeners for the driver's commands: a log of the slow ones, the time of each, and a count of all."""

import logging
from collections import Counter
from typing import Any, Final, Literal

from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from stores.monitoring import CommandObserver

log: Final = logging.getLogger(__name__)

_MAX_RUNNING: Final = 10_000
_HOUSEKEEPING: Final = frozenset({"endSessions", "killCursors"})
CommandOutcome = Literal["succeeded", "failed"]


class _Finishing(CommandListener):
    """Knows at the end of a command what it was about."""

    def __init__(self) -> None:
        self._collections: dict[int, str] = {}

    def started(self, event: CommandStartedEvent) -> None:
        if len(self._collections) >= _MAX_RUNNING:  # cancelled commands never end
            self._collections.clear()
        self._collections[event.request_id] = collection_of(event)

    def succeeded(self, event: CommandSucceededEvent) -> None:
        self._finish(event, self._collections.pop(event.request_id, ""), "succeeded")

    def failed(self, event: CommandFailedEvent) -> None:
        self._finish(event, self._collections.pop(event.request_id, ""), "failed")

    def _finish(
        self, event: CommandSucceededEvent | CommandFailedEvent, collection: str, outcome: CommandOutcome
    ) -> None:
        raise NotImplementedError


class SlowCommandLog(_Finishing):
    """Logs `mongo.slow_command` with command, collection, ms and outcome; never a filter, a document or a message."""

    def __init__(self, threshold_ms: float) -> None:
        super().__init__()
        self._threshold_us = threshold_ms * 1000

    def _finish(
        self, event: CommandSucceededEvent | CommandFailedEvent, collection: str, outcome: CommandOutcome
    ) -> None:
        if event.duration_micros >= self._threshold_us:
            fields = {
                "command": event.command_name,
                "collection": collection,
                "ms": round(event.duration_micros / 1000, 1),
                "outcome": outcome,
            }
            log.warning("mongo.slow_command", extra=fields)


class CommandTimes(_Finishing):
    """Tells an observer how long each command took on the wire, as "collection.command"."""

    def __init__(self, observer: CommandObserver) -> None:
        super().__init__()
        self._observer = observer

    def _finish(
        self, event: CommandSucceededEvent | CommandFailedEvent, collection: str, outcome: CommandOutcome
    ) -> None:
        command = f"{collection}.{event.command_name}" if collection else event.command_name
        self._observer("mongodb", command, event.duration_micros / 1000, failed=outcome == "failed")


class CommandCounter(CommandListener):
    """Counts the commands that were sent, for benchmarks and tests; housekeeping of the driver is left out.

    `sent` holds (command, collection, body) in order; bodies hold what callers sent, so never log them.
    """

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, dict[str, Any]]] = []

    @property
    def names(self) -> list[str]:
        return [name for name, _, _ in self.sent]

    def totals(self) -> dict[str, int]:
        return dict(Counter(self.names))

    def reset(self) -> None:
        self.sent.clear()

    def started(self, event: CommandStartedEvent) -> None:
        if event.command_name not in _HOUSEKEEPING:
            self.sent.append((event.command_name, collection_of(event), dict(event.command)))

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Counted when it started."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Counted when it started."""


def collection_of(event: CommandStartedEvent) -> str:
    """Return the collection that a command is about, or nothing."""
    target = event.command.get("collection" if event.command_name == "getMore" else event.command_name)
    return target if isinstance(target, str) else ""
