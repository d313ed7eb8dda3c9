"""The names of what is run against the file, for those who measure it."""

from collections.abc import Callable
from functools import partial
from typing import Any

from stores.sqlite.joined import Joined


def command_of(work: Callable[..., Any]) -> str:
    """Return "module.function": of a partial what it calls, of a function in a method that method. 1 µs."""
    while isinstance(work, partial | Joined):
        work = work.func
    outer = work.__qualname__.partition(".<locals>")[0]
    return f"{work.__module__.rpartition('.')[2]}.{outer.rpartition('.')[2].strip('_')}"
