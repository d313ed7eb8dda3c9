"""The keyword analyser: the terms of a text, the same at index time and at query time.

What is folded, in this order:
- NFKC and casefold; ’ is '. A possessive or clitic ending falls off (Anna's -> anna, I'll -> i), so does French
  elision (l'amour -> amour); other apostrophes are folded out (don't -> dont, O'Brien -> obrien).
- Words are runs of letters and digits, cut at 40 characters. Chinese, Japanese, Korean, Thai, Lao, Khmer and Burmese
  have no spaces to rely on: their runs become overlapping character bigrams (a single character stays itself).
- Stop words of the text's language fall out, unless nothing else is left. Numbers stay.
- Stems: **a word's term depends on the word alone, never on the guessed language**: Cyrillic words take the Russian
  Snowball stemmer, all others lose their diacritics (Müller -> muller) and take the English one. A text that is
  surely of another Snowball language yields that language's stem *in addition*, where it differs. So a query and a
  document that share a word share a term, however the language of a three-word query was guessed; and two texts
  known to be German also meet in their German stems.
"""

import re
import struct
import unicodedata
import zlib
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from context0.memory.rules.language import Language, detect_language, looks_english
from context0.memory.rules.stop_words import STOP_WORDS

MAX_WORD_CHARACTERS = 40
_CACHED_WORDS = 1 << 15  # of each cache; about 4 MB when full

_WORD = re.compile(rf"[^\W_]{{1,{MAX_WORD_CHARACTERS}}}")
# The apostrophe leads, so that the engine skips to it; one pattern for all three costs ten times as much (15 µs).
_CLITIC = re.compile(r"'(?<=\w')(?:s|m|d|re|ve|ll)\b")
_ELIDED = re.compile(r"'(?:(?<=\b[cdjlmnst]')|(?<=\bqu'))(?=[^\W_]{2})")
_ELISION = re.compile(r"\b(?:[cdjlmnst]|qu)'(?=[^\W_]{2})")

# Scripts written without spaces, and scripts whose vowel signs are no letters to `re`.
_DENSE = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3041-\u3096\u30a1-\u30fa\u30fc\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3"
    "\uf900-\ufaff\U00020000-\U0003134f"
)
_SIGNS = "\u0300-\u036f\u0483-\u0487\u0591-\u05c7\u064b-\u065f\u0670\u0900-\u0963\u0971-\u09e3\u0a01-\u0df3"
_SPECIAL = re.compile(rf"[{_DENSE}{_SIGNS}]")
_WORD_OR_RUN = re.compile(rf"([{_DENSE}]+)|(?:(?![{_DENSE}])[^\W_]|[{_SIGNS}]){{1,{MAX_WORD_CHARACTERS}}}")

_MARKS = re.compile(r"[\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0670]+")
_LETTERS_WITHOUT_MARKS = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i"}
)
_FIRST_CYRILLIC, _LAST_CYRILLIC = "\u0400", "\u052f"
_SHORTEST_STEMMED = 3
_SNOWBALL: dict[Language, str] = {
    "de": "german",
    "fr": "french",
    "es": "spanish",
    "it": "italian",
    "pt": "portuguese",
    "nl": "dutch",
    "sv": "swedish",
}


def analyse_terms(text: str, *, language: Language | None = None) -> list[str]:
    """Return the terms of `text` in order, with repeats; empty only if it holds no letter or digit.

    language: whose stop words fall out and whose stems are added; None guesses it.
    """
    if language is None:
        language = "en" if looks_english(text) else detect_language(text)
    words = _words(text)
    stop_words = STOP_WORDS.get(language, STOP_WORDS["en"])
    words = [word for word in words if word not in stop_words] or words
    if language in _SNOWBALL:
        return [term for word in words for term in _terms_of(word, _SNOWBALL[language])]
    return list(map(_term, words))


def hash_terms(terms: list[str]) -> npt.NDArray[np.uint32]:
    """Return the CRC-32 of each term, in order: the same in every process and release, shape (len(terms),)."""
    return np.fromiter(map(_hash, terms), dtype=np.uint32, count=len(terms))


def pack_terms(terms: Sequence[str]) -> bytes:
    """Return the hashes of terms as stores keep them: four bytes each, the lowest first."""
    return struct.pack(f"<{len(terms)}I", *map(_hash, terms))


def _words(text: str) -> list[str]:
    """Return the casefolded words of `text`, and character bigrams where a script has no spaces."""
    if text.isascii():
        text = text.lower()
        return _WORD.findall(_without_apostrophes(text) if "'" in text else text)
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()).replace("’", "'")
    if "'" in text:
        text = _without_apostrophes(text)
    if _SPECIAL.search(text) is None:
        return _WORD.findall(text)
    words: list[str] = []
    for match in _WORD_OR_RUN.finditer(text):
        run = match.group()
        if match.lastindex and len(run) > 1:
            words += map("".join, pairwise(run))
        elif any(map(str.isalnum, run)):
            words.append(run)
    return words


def _without_apostrophes(text: str) -> str:
    text = _CLITIC.sub("", text)
    if _ELIDED.search(text):
        text = _ELISION.sub("", text)
    return text.replace("'", "")


@lru_cache(maxsize=_CACHED_WORDS)
def _term(word: str) -> str:
    """Return the one term that `word` has in every text."""
    if not word.isascii():
        if _FIRST_CYRILLIC <= word[0] <= _LAST_CYRILLIC:
            return _stem("russian", word.replace("ё", "е"))
        word = _without_marks(word)
    if len(word) < _SHORTEST_STEMMED or not (word.isascii() and word.isalpha()):
        return word
    return _stem("english", word)


@lru_cache(maxsize=_CACHED_WORDS)
def _terms_of(word: str, algorithm: str) -> tuple[str, ...]:
    """Return the term of `word` and, if it differs, its stem in the language that the text is surely of."""
    term = _term(word)
    if len(word) < _SHORTEST_STEMMED or not word.isalpha():
        return (term,)
    native = _without_marks(_stem(algorithm, word))
    return (term,) if native == term else (term, native)


def _stem(algorithm: str, word: str) -> str:
    # Imported late: the package loads all its languages (20 ms). A stemmer keeps the word in itself and so serves one
    # call: sharing one between threads would mix their words, and making one costs 1 µs beside 25 µs of stemming.
    import snowballstemmer

    return str(snowballstemmer.stemmer(algorithm).stemWord(word))


def _without_marks(word: str) -> str:
    plain = _MARKS.sub("", unicodedata.normalize("NFKD", word)).translate(_LETTERS_WITHOUT_MARKS)
    return unicodedata.normalize("NFC", plain) or word


@lru_cache(maxsize=_CACHED_WORDS)
def _hash(term: str) -> int:
    return zlib.crc32(term.encode("utf-8", "surrogatepass"))
