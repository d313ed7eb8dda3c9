"""The log of a command: to stderr, events and numbers only, no text of a memory and no secret."""

import logging
import sys
from collections.abc import Collection, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any, Final

from context0.cli.output import one_line

OURS: Final = ("context0", "stores")
_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_FOR_SERVICES: Final = ("operation.slow",)
"""Warnings to who runs a service: somebody who waits for a command sees how long it takes."""
_TOLD_OF_RETRIES: Final = ("callable", "retry_num", "wait_for", "waited_so_far")


class EventFormatter(logging.Formatter):
    """One line a record: our events with their fields; of other libraries the bare template, since they may quote."""

    def format(self, record: logging.LogRecord) -> str:
        fields: Mapping[str, object] = {}
        if record.name.partition(".")[0] in OURS:
            fields = {name: value for name, value in vars(record).items() if name not in _STANDARD}
        return _line(record.levelname, f"{record.name}: {record.msg}", fields)


@contextmanager
def logs_to_stderr(*, verbose: bool, without: Collection[str] = ()) -> Iterator[None]:
    """Log warnings to stderr while the block runs, with `verbose` all of our own. without: events to leave out."""
    handler = logging.StreamHandler(sys.stderr)
    left_out = without if verbose else (*without, *_FOR_SERVICES)
    handler.addFilter(lambda record: record.msg not in left_out)
    handler.setFormatter(EventFormatter())
    levels = {name: logging.getLogger(name).level for name in OURS}
    logging.getLogger().addHandler(handler)
    for name in OURS:
        logging.getLogger(name).setLevel(logging.DEBUG if verbose else logging.WARNING)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
        if "structlog" in sys.modules:
            sys.modules["structlog"].reset_defaults()


def keep_structlog_off_stdout(*, level: int = logging.WARNING) -> None:
    """Send structlog to stderr if anything loaded can use it: to be called when the providers are imported.

    stamina reports each retry through it, with the arguments of the call, and unconfigured it prints to stdout. Loading
    structlog costs 70 ms, so the commands that need no network do without. level: from which on it is shown.
    """
    if not sys.modules.keys() & {"structlog", "stamina"}:
        return
    import structlog

    structlog.configure(
        processors=[structlog.processors.add_log_level, _told],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def _told(_logger: object, _method: str, event: MutableMapping[str, Any]) -> str:
    fields = {name: event[name] for name in _TOLD_OF_RETRIES if name in event}
    return _line(str(event["level"]), str(event["event"]), fields)


def _line(level: str, event: str, fields: Mapping[str, object]) -> str:
    told = " ".join(f"{name}={value}" for name, value in fields.items())
    return one_line(f"{level.lower()}: {event} {told}")
