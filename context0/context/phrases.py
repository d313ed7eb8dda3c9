"""Phrase lists written as running text."""

import re
from typing import Final

_BETWEEN: Final = re.compile(r"\s*\n\s*| \| ")


def phrase_pattern(text: str) -> re.Pattern[str]:
    """Return a pattern for any of the phrases of `text`, as whole words.

    A phrase is a regular expression over small letters with single spaces; they are separated by " | " or a new line.
    """
    return re.compile(rf"\b(?:{'|'.join(_BETWEEN.split(text.strip()))})\b")
