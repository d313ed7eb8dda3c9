"""Words near a number that say what it is."""

import re
from typing import Final

BEFORE_CHARACTERS: Final = 48
AFTER_CHARACTERS: Final = 24


def any_of(words: str, *, flags: int = re.IGNORECASE) -> re.Pattern[str]:
    """Return a pattern of whole words: `words` are alternatives, split at `|`. An underscore ends a word, as in
    DB_PASSWORD."""
    return re.compile(rf"(?<![^\W_])(?:{words})(?![^\W_])", flags)


def is_near(words: re.Pattern[str], text: str, span: tuple[int, int], *, before: int = BEFORE_CHARACTERS) -> bool:
    """Say whether one of `words` stands at most `before` characters before `span`, or 24 after it."""
    start, end = span
    return bool(
        words.search(text, max(0, start - before), start)
        or words.search(text, end, min(len(text), end + AFTER_CHARACTERS))
    )


def is_before(words: re.Pattern[str], text: str, start: int, *, within: int) -> bool:
    """Say whether one of `words` stands in the `within` characters before `start`."""
    return words.search(text, max(0, start - within), start) is not None
