"""What the date grammar reads and returns: a text as words, a match as a calendar span."""

import re
from datetime import date
from typing import Literal, NamedTuple, Self

from context0.memory.rules.spans import Span
from context0.memory.rules.time_words import FUTURE_MARKS, PAST_MARKS, Unit

Lean = Literal["past", "future", "near"]

# Numbers keep their separators and what is glued to them: 2023-05-07, 10:30, 7th, 1990s.
_TOKEN = re.compile(r"\d++(?:[-/.:]\d++)*+[^\W\d_]*+|[^\W\d_]++(?:['’][^\W\d_]++)*+|[^\w\s]|_")
_POSSESSIVES = frozenset({"'s", "’s"})
_WILL = frozenset({"'ll", "’ll"})
_SHORTEST_PAST = 5  # moved, but not need
_PADDING = ("",) * 8
_WORDS_BEFORE, _WORDS_AFTER = 8, 6


class Sentence(NamedTuple):
    """A text as words, lower case and as written, padded with empty ones so that looking ahead needs no check.

    today: the day that relative dates count from.  undecided: where a date without a year or direction leans to when
    the words around it do not tell.
    """

    words: list[str]
    raw: list[str]
    today: date
    undecided: Lean

    @classmethod
    def of(cls, text: str, *, today: date, undecided: Lean) -> Self:
        tokens: list[str] = _TOKEN.findall(text)
        words = [*map(str.lower, tokens), *_PADDING]
        if "'" in text or "’" in text:
            words = [word[:-2] if word[-2:] in _POSSESSIVES else word for word in words]  # last week's
        return cls(words, [*tokens, *_PADDING], today, undecided)

    def is_capital(self, at: int) -> bool:
        return self.raw[at][:1].isupper()

    def lean(self, at: int) -> Lean:
        """Tell from the words around `at` whether what is said there lies behind or ahead."""
        around = self.words[max(0, at - _WORDS_BEFORE) : at + _WORDS_AFTER]
        future = past = False
        for word in around:
            if word in FUTURE_MARKS or word[-3:] in _WILL:
                future = True
            elif word in PAST_MARKS or (word[-2:] == "ed" and len(word) >= _SHORTEST_PAST):
                past = True
        if future == past:
            return self.undecided
        return "future" if future else "past"


class Match(NamedTuple):
    """A date read from a sentence, up to the word `stop`.

    explicit: its year is written there.  yearless: a day, month or season was named without a year, which was guessed.
    """

    span: Span
    stop: int
    unit: Unit
    explicit: bool = False
    yearless: bool = False
