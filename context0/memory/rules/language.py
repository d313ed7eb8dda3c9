"""The language of a text, guessed cheaply: by script where that decides, else by stop words; English by default."""

import re
from itertools import repeat
from typing import Literal

from context0.memory.rules.stop_words import STOP_WORDS

Language = Literal["en", "de", "fr", "es", "it", "pt", "nl", "ru", "sv", "zh", "ja", "ko", "th", "ar", "he", "el", "hi"]

_SAMPLE_CHARACTERS = 1500
_WORD = re.compile(r"[^\W\d_]+")
_ENOUGH_HITS = 2

# Kana before Han: Japanese has both.
_SCRIPTS: tuple[tuple[Language, re.Pattern[str]], ...] = (
    ("ja", re.compile(r"[\u3041-\u30fa]")),
    ("zh", re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")),
    ("ko", re.compile(r"[\uac00-\ud7a3]")),
    ("th", re.compile(r"[\u0e01-\u0e4e]")),
    ("ru", re.compile(r"[\u0400-\u04ff]")),
    ("ar", re.compile(r"[\u0620-\u06ff]")),
    ("he", re.compile(r"[\u05d0-\u05ea]")),
    ("el", re.compile(r"[\u0370-\u03ff]")),
    ("hi", re.compile(r"[\u0900-\u097f]")),
)
_OTHER_SCRIPT = re.compile(r"[\u0370-\u1fff\u3000-\U0003ffff]")
_SHARE_OF_SCRIPT = 0.2  # Japanese keeps only a fifth of kana in headlines
_SHARE_OF_TEXT = 0.3

# One integer a word holds a counter for each Latin-script language, so that counting hits is one sum.
_COUNTER_BITS = 16
_COUNTER_MASK = (1 << _COUNTER_BITS) - 1
_LATIN: tuple[Language, ...] = ("en", "de", "fr", "es", "it", "pt", "nl", "sv")
_PIECES = frozenset("cdjlmnstu")  # French before an apostrophe, but English after one: l'eau, don't
_COUNTERS = {
    word: sum(1 << (place * _COUNTER_BITS) for place, language in enumerate(_LATIN) if word in STOP_WORDS[language])
    for word in frozenset[str]().union(*(STOP_WORDS[language] for language in _LATIN)) - _PIECES
}


def detect_language(text: str) -> Language:
    """Return the language of the first 1,500 characters of `text`.

    Latin script: the language with the most stop words, two at least and more than English. Cyrillic counts as
    Russian; what is not recognised counts as English.
    """
    sample = text[:_SAMPLE_CHARACTERS]
    if not sample.isascii() and _OTHER_SCRIPT.search(sample):
        script = _language_of_script(sample)
        if script is not None:
            return script
    hits = sum(map(_COUNTERS.get, _WORD.findall(sample.lower()), repeat(0)))
    if hits <= _COUNTER_MASK:
        return "en"
    return _most_hits(hits)


def looks_english(text: str) -> bool:
    """Tell at a glance (0.3 µs) that `text` is English; False says nothing: then ask `detect_language`."""
    # Spelled out: a generator over the same six costs three times as much.
    return " the " in text or " and " in text or " my " in text or " I " in text or " you " in text or " it " in text


def _most_hits(hits: int) -> Language:
    best: Language = "en"
    most = max(hits & _COUNTER_MASK, _ENOUGH_HITS - 1)
    for language in _LATIN[1:]:
        hits >>= _COUNTER_BITS
        if (count := hits & _COUNTER_MASK) > most:
            best, most = language, count
    return best


def _language_of_script(sample: str) -> Language | None:
    letters = sum(map(str.isalpha, sample))
    counts = [(language, len(pattern.findall(sample))) for language, pattern in _SCRIPTS]
    foreign = sum(count for _, count in counts)
    if not foreign or foreign < _SHARE_OF_TEXT * letters:
        return None
    for language, count in counts:
        if language == "ja" and count >= _SHARE_OF_SCRIPT * foreign:
            return language
    return max(counts, key=lambda pair: pair[1])[0]
