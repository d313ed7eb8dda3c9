"""The log of the service: one JSON object a line; events and numbers, never a text of a user and never a secret."""

import logging
import re
import sys
import traceback
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Literal, TextIO

import orjson
import structlog

Level = Literal["DEBUG", "INFO", "WARNING", "ERROR"]
OURS: Final = ("context0", "stores")
_BRIDGED: Final = "structlog"
_FROM_SERVER: Final = "uvicorn"
_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}
_TOLD_OF_RETRIES: Final = ("callable", "retry_num", "wait_for", "waited_so_far")
_LONGEST: Final = 200
_MOST: Final = 50
_DEEPEST: Final = 3
_MOST_FRAMES: Final = 12
_NEVER_TOLD: Final = re.compile(
    r"(.*_)?(key|keys|password|secret|secrets|authorization|credential|credentials|cookie|dsn|url|uri|content|text|texts|"
    r"message|messages|prompt|query|question|answer|input|summary|body|user|user_id|owner|email)",
    re.IGNORECASE,
)
_URL: Final = re.compile(r"\b[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE)
_HIDDEN: Final = "***"


class JsonFormatter(logging.Formatter):
    """Our events with their fields; of other libraries the bare template, since what they fill in may quote.

    Of an exception the types and the places in the code: a message may quote what a user said. Fields that are named
    like a text or a secret are hidden, URLs cut out, long values cut off: a second line behind "log no text".
    """

    def format(self, record: logging.LogRecord) -> str:
        told: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": _event_of(record),
            **_fields(structlog.contextvars.get_contextvars()),
        }
        if _is_ours(record):
            told |= _fields({name: value for name, value in vars(record).items() if name not in _STANDARD})
        if record.exc_info and record.exc_info[0] is not None:
            told["error"], told["trace"] = _kinds(record.exc_info[1]), _places(record.exc_info[2])
        return orjson.dumps(told).decode()


@contextmanager
def structured_logs(*, level: Level = "INFO", stream: TextIO | None = None) -> Iterator[None]:
    """Log to `stream` (stderr) as JSON while the block runs: ours from `level`, other libraries' from WARNING."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    former = {name: logging.getLogger(name).level for name in OURS}
    structlog_before = structlog.get_config()
    root.addHandler(handler)
    for name in OURS:
        logging.getLogger(name).setLevel(level)
    _bridge_structlog()
    try:
        yield
    finally:
        root.removeHandler(handler)
        for name, number in former.items():
            logging.getLogger(name).setLevel(number)
        structlog.configure(**structlog_before)


def _bridge_structlog() -> None:
    """Send structlog's events to logging: stamina reports retries by it, with the arguments of the call; not told."""
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, _without_arguments, structlog.stdlib.render_to_log_kwargs],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=lambda *_: logging.getLogger(_BRIDGED),
        cache_logger_on_first_use=False,
    )


def _without_arguments(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {"event": event["event"], **{name: event[name] for name in _TOLD_OF_RETRIES if name in event}}


def _is_ours(record: logging.LogRecord) -> bool:
    return record.name.partition(".")[0] in (*OURS, _BRIDGED)


def _event_of(record: logging.LogRecord) -> str:
    """Return the event, or the template; a text of another library that was put together already is not told."""
    if not isinstance(record.msg, str):
        return type(record.msg).__name__
    is_template = bool(record.args) or record.name.startswith(_FROM_SERVER)
    return _text(record.msg) if _is_ours(record) or is_template else f"{record.module}:{record.lineno}"


def _fields(told: Mapping[str, object]) -> dict[str, object]:
    return {str(name): _told(str(name), value, 0) for name, value in told.items()}


def _told(name: str, value: object, depth: int) -> object:
    """Return a value as it is logged under a name; numbers hold no text, whatever they are named."""
    if not isinstance(value, int | float | None) and _NEVER_TOLD.fullmatch(name):
        return _HIDDEN
    return _plain(value, depth)


def _plain(value: object, depth: int) -> object:
    match value:
        case None | bool() | float():
            return value
        case int():
            return value if abs(value) < 1 << 63 else str(value)[:_LONGEST]
        case str():
            return _text(value)
        case Mapping() if depth < _DEEPEST:
            kept = list(value.items())[:_MOST]
            return {_text(str(key)): _told(str(key), one, depth + 1) for key, one in kept}
        case Sequence() | set() | frozenset() if depth < _DEEPEST and not isinstance(value, bytes | bytearray):
            return [_plain(one, depth + 1) for one in list(value)[:_MOST]]
    return type(value).__name__


def _text(value: str) -> str:
    cut = value if len(value) <= _LONGEST else f"{value[:_LONGEST]}…"
    return _URL.sub("<url>", cut).encode("utf-8", "replace").decode()


def _kinds(error: BaseException | None) -> list[str]:
    """Return the types of an error and of what caused it, the last one first."""
    kinds: list[str] = []
    while error is not None and len(kinds) < _MOST_FRAMES:
        kinds.append(f"{type(error).__module__}.{type(error).__qualname__}")
        error = error.__cause__ or error.__context__
    return kinds


def _places(trace: TracebackType | None) -> list[str]:
    frames = traceback.extract_tb(trace)[-_MOST_FRAMES:]
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
