"""Names as keys, and finding given names in a text whatever its case.

A name is looked up by its words, so the cost of a text does not grow with the number of names: one dictionary probe
a word, more only where a name begins.
"""

import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

MAX_NAME_WORDS = 8
MAX_NAME_CHARACTERS = 80
MAX_KEY_CHARACTERS = 256
_CACHED_NAMES = 1 << 13

_WORD = re.compile(r"[^\W_]+")
_WORD_WITH_MARKS = re.compile(r"(?:[^\W_]|[\u0300-\u036f])+")  # decomposed letters: a, then its tilde
_POSSESSIVE = re.compile(r"['’ʼ＇]s?$")
_EDGES = ' \t\r\n.,;:!?"“”„«»()[]{}*_'


@lru_cache(maxsize=_CACHED_NAMES)
def entity_key(name: str) -> str:
    """Return the canonical key of `name`: equal for every spelling that means the same entity.

    NFKC, casefolded, white space folded, a possessive ending and punctuation at the edges removed, ’ written as '.
    The key of a key is itself; it is cut at 256 characters. A name of nothing but punctuation has the empty key.
    """
    if name.isascii():
        if name.isalpha():
            return name.lower()
    else:
        name = _fold_unicode(name)
    key = " ".join(name.casefold().split())[:MAX_KEY_CHARACTERS].strip(_EDGES)
    while (shorter := _POSSESSIVE.sub("", key).strip(_EDGES)) != key:
        key = shorter
    return key


def _fold_unicode(name: str) -> str:
    """Casefolding can undo NFKC and the other way round ('ͅ', 'ﬃ'): repeat until nothing moves (at most four times)."""
    for _ in range(4):
        folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold()).replace("’", "'")
        if folded == name:
            break
        name = folded
    return name


@dataclass(frozen=True, slots=True, kw_only=True)
class NameSpan:
    """A given name met in a text, as characters [start, end)."""

    start: int
    end: int
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NameTable:
    """Names prepared for look-up: build it once for an owner, hand it to every call.

    names: the casefolded words of each spelling, joined by one space -> the name to report.
    longest: the most words of a name by its first word.
    """

    names: Mapping[str, str]
    longest: Mapping[str, int]

    @classmethod
    def of(cls, names: Collection[str]) -> Self:
        """Prepare `names`; those without a letter or digit or of more than eight words are left out."""
        return cls.of_aliases({name: name for name in names})

    @classmethod
    def of_aliases(cls, aliases: Mapping[str, str]) -> Self:
        """Prepare spellings that stand for a name: {"caroline": "Caroline Smith", …}; the first of equals stays."""
        table: dict[str, str] = {}
        longest: dict[str, int] = {}
        for alias, name in aliases.items():
            words = _WORD.findall(entity_key(alias))
            if 0 < len(words) <= MAX_NAME_WORDS:
                table.setdefault(" ".join(words), name)
                longest[words[0]] = max(longest.get(words[0], 0), len(words))
        return cls(names=table, longest=longest)

    def find(self, text: str) -> Iterator[NameSpan]:
        """Yield the names in `text` in order, the longest at each place, none overlapping."""
        if not self.names:
            return
        spans, words = _words_of(text)
        at = 0
        while at < len(words):
            for count in range(self.longest.get(words[at], 0), 0, -1):
                name = self.names.get(" ".join(words[at : at + count]))
                if name is not None:
                    stop = min(at + count, len(words))
                    yield NameSpan(start=spans[at][0], end=spans[stop - 1][1], name=name)
                    at = stop - 1
                    break
            at += 1


def _words_of(text: str) -> tuple[list[tuple[int, int]], list[str]]:
    if text.isascii():
        spans = [match.span() for match in _WORD.finditer(text)]
        return spans, [text[start:end].lower() for start, end in spans]
    spans = [match.span() for match in _WORD_WITH_MARKS.finditer(text)]
    return spans, [_fold_unicode(text[start:end]) for start, end in spans]


EMPTY_TABLE = NameTable(names={}, longest={})


def table_of(names: "Collection[str] | NameTable") -> NameTable:
    """Return `names` as a table; anything but a table is prepared anew, at about 2 µs a name."""
    if isinstance(names, NameTable):
        return names
    return NameTable.of(names) if names else EMPTY_TABLE
