"""What goes to stdout and stderr: UTF-8, local times, JSON, and no control character that a memory brought along."""

import io
import re
import sys
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from rich.console import Console

PIPED_WIDTH: Final = 120
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""All but tab and line feed, and what turns the direction of a text, so that it can look like another one."""


def use_utf8() -> None:
    """Write UTF-8 whatever the locale says; what cannot be written is shown as an escape."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def console(*, stderr: bool = False) -> "Console":
    """Return a console as wide as the terminal; a file or pipe gets a fixed width."""
    from rich.console import Console

    made = Console(stderr=stderr, highlight=False)
    if not made.is_terminal:
        made.width = PIPED_WIDTH
    return made


def print_error(line: str) -> None:
    sys.stderr.write(line + "\n")


def print_json(value: object) -> None:
    """Print records, times (UTC) and numbers as JSON, indented."""
    import orjson

    text = orjson.dumps(value, default=_plain, option=orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY)
    sys.stdout.write(text.decode() + "\n")


def printable(text: str, *, limit: int = 1_000_000) -> str:
    """Return at most `limit` characters of `text`, control characters shown as escapes."""
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", cut)


def one_line(text: str) -> str:
    return printable(" ".join(text.split()))


def local_time(moment: datetime) -> str:
    """Return `moment` as ISO text in the time zone of this machine, to the second."""
    return moment.astimezone().isoformat(timespec="seconds")


def day_and_time(moment: datetime) -> str:
    """Return the local ISO time in two lines, for a narrow column."""
    return local_time(moment).replace("T", "\n")


def _plain(value: object) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    if isinstance(value, Collection):
        return list(value)
    raise TypeError(type(value).__name__)
