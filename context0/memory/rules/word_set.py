"""Word lists written as running text, and the words of a text."""

import re
from typing import Final

_LETTERS: Final = re.compile(r"[^\W\d_]+")


def word_set(text: str) -> frozenset[str]:
    """Return the words of `text`, split at white space."""
    return frozenset(text.split())


def letter_words(text: str) -> list[str]:
    """Return the runs of letters in `text`, in small letters."""
    return _LETTERS.findall(text.lower())
