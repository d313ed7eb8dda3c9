"""Where a person types: the prompt, with line editing, and a history that is in memory only."""

import io
import locale
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType


def read_utf8() -> None:
    """Read UTF-8 whatever the locale says; what is none becomes lone surrogates, which are refused by name."""
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(encoding="utf-8", errors="surrogateescape")


class LinePrompt:
    """Asks for lines. No line enters the history by itself, so that what is off the record never does."""

    def __init__(self) -> None:
        self._readline: ModuleType | None = None
        with suppress(ImportError):  # where there is none, the terminal's own editing has to do
            import readline

            self._readline = readline
            readline.set_auto_history(False)
            for option in ("convert-meta off", "input-meta on", "output-meta on"):
                readline.parse_and_bind(f"set {option}")
            if locale.getlocale(locale.LC_CTYPE)[1] != "UTF-8":
                with suppress(locale.Error):
                    locale.setlocale(locale.LC_CTYPE, "C.UTF-8")

    def ask(self, text: str) -> str:
        """Return a line. Raises EOFError for Ctrl-D, KeyboardInterrupt for Ctrl-C."""
        return input(text)

    def remember(self, line: str) -> None:
        """Let the arrow keys bring the line back, until the program ends."""
        if self._readline is not None:
            with suppress(UnicodeEncodeError):  # a locale that has not its letters: only the history lacks the line
                self._readline.add_history(line)

    def forget(self) -> None:
        if self._readline is not None:
            self._readline.clear_history()
