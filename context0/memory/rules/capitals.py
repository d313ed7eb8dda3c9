"""What a capital letter says: whether a capitalised English word is a name or only opens a sentence."""

import re
from collections.abc import Sequence
from functools import lru_cache

from context0.memory.rules.lexicon import (
    CALENDAR_WORDS,
    COMMON,
    COMMON_ENDINGS,
    NAMES_LIKE_WORDS,
    NEVER_NAMES,
    WORDS_BEFORE_NAMES,
)

_SENTENCE_ENDS = frozenset('.!?…:;\n\r()[]|。！？¡¿"“„«')
_FIRST_SYMBOL = "\u2600"  # emoji and dingbats stand where a full stop would
_ACRONYMS_LIKE_WORDS = frozenset({"US", "IT", "WHO"})
_STRETCHED = re.compile(r"(.)\1\1")
_CACHED_WORDS = 1 << 13  # of each cache
_SHORTEST_ENDED = 6  # Emily, not only
_SHORTEST_PARTICIPLE = 5  # going, not Ming


def opens_sentence(text: str, start: int) -> bool:
    """Tell whether nothing but marks lies between the word at `start` and the end of the sentence before it."""
    for at in range(start - 1, -1, -1):
        character = text[at]
        if character in _SENTENCE_ENDS or character >= _FIRST_SYMBOL:
            return True
        if character.isalnum():
            return False
    return True


@lru_cache(maxsize=_CACHED_WORDS)
def never_a_name(word: str) -> bool:
    """Tell whether `word` ("I'm", "Thanks", "LOL", "Monday") is no name wherever it stands."""
    if word in _ACRONYMS_LIKE_WORDS:
        return False
    low = word.lower()
    if low in NEVER_NAMES:
        return True
    if low.isalpha():
        return False
    low = low.replace("’", "'").rstrip(".'")
    return low.partition("'")[0] in NEVER_NAMES or low.replace("'", "") in NEVER_NAMES


@lru_cache(maxsize=_CACHED_WORDS)
def is_common(word: str) -> bool:
    """Tell whether `word` is an ordinary English word, so that its capital may come from the sentence alone."""
    if word in _ACRONYMS_LIKE_WORDS:
        return False
    low = word.lower()
    if low in COMMON or low in NEVER_NAMES or low in WORDS_BEFORE_NAMES:
        return True
    if low in NAMES_LIKE_WORDS:
        return False
    if "-" in low:
        return all(is_common(part) for part in low.split("-", 3) if "-" not in part)
    if low.endswith(("s", "ed", "er")):
        stem = low[:-3] + "y" if low.endswith("ies") else low[:-2]
        if stem in COMMON or low[:-1] in COMMON:
            return True
    elif low.endswith("ing"):
        return len(low) >= _SHORTEST_PARTICIPLE
    return (len(low) >= _SHORTEST_ENDED and low.endswith(COMMON_ENDINGS)) or _STRETCHED.search(low) is not None


def leads_to_name(word: str) -> bool:
    """Tell whether a sentence's first word goes with, not into, the name after it: "Visited Rome", not "New York"."""
    low = word.lower()
    return low in WORDS_BEFORE_NAMES or (low not in NAMES_LIKE_WORDS and low.endswith(("ed", "ing", "ly")))


def is_calendar_word(word: str) -> bool:
    return word.lower() in CALENDAR_WORDS


def is_emphasis(words: Sequence[str]) -> bool:
    """Tell words in capitals that only speak loudly ("SO MUCH", "LOVE", "YESSS") from acronyms ("NASA", "LGBTQ")."""
    return any(len(word) > 1 and word.isupper() and is_common(word) for word in words)
