"""Reading a sentence from left to right for dates and for what joins two of them: between, from … to, since, before."""

from collections.abc import Iterator
from datetime import date
from typing import NamedTuple

from context0.memory.rules.date_calendar import DASHES, JOINTS
from context0.memory.rules.date_relative import moment
from context0.memory.rules.date_words import Match, Sentence
from context0.memory.rules.spans import DAY, WEEK, Span
from context0.memory.rules.time_words import (
    DAY_WORDS,
    DETERMINERS,
    FOREIGN_MONTHS,
    MONTHS,
    ORDINALS,
    PARTS_OF_DAY,
    PREPOSITIONS,
    QUANTITIES,
    SEASONS,
    THIRDS,
    TRIGGERS,
    UNITS,
    WEEKDAYS,
)
from context0.memory.rules.word_set import word_set

_STARTS = (
    PREPOSITIONS
    | DETERMINERS
    | frozenset(DAY_WORDS)
    | frozenset(FOREIGN_MONTHS)
    | frozenset(MONTHS)
    | frozenset(ORDINALS)
    | PARTS_OF_DAY
    | frozenset(QUANTITIES)
    | frozenset(SEASONS)
    | frozenset(THIRDS)
    | frozenset(UNITS)
    | frozenset(WEEKDAYS)
    | word_set("the christmas halloween thanksgiving valentine valentines new")
)
_OPEN = frozenset({"since", "before", "after", "until", "till", "by"})
_DEADLINES = frozenset({"until", "till", "by"})
_RANGE_WORDS = frozenset({"to", "through", "thru"}) | DASHES
_SILENT = PREPOSITIONS - _OPEN - {"between", "from"}
_LONGEST_LEAD = 7  # words from where a date begins to the first that could not be in any other phrase
_FEBRUARY, _LEAP_DAY = 2, 29


class Scanned(NamedTuple):
    """A match and the word where its text begins."""

    start: int
    match: Match


def scan(sentence: Sentence) -> Iterator[Scanned]:
    """Yield the dates of `sentence` in order, none overlapping."""
    words = sentence.words
    at = 0
    for place in [place for place, word in enumerate(words) if word in TRIGGERS or word[:1].isdecimal()]:
        at = max(at, place - _LONGEST_LEAD)
        while at <= place:
            word = words[at]
            match = _try(sentence, at) if word in _STARTS or word[:1].isdecimal() else None
            if match is None:
                at += 1
            else:
                yield Scanned(at + (word in _SILENT), match)
                at = match.stop


def _try(sentence: Sentence, at: int) -> Match | None:
    try:
        match = _expression(sentence, at)
    except (ValueError, OverflowError, IndexError, StopIteration):
        return None  # 30 February, or a day outside the calendar
    return match if match is not None and match.span.start < match.span.end else None


def _expression(sentence: Sentence, at: int) -> Match | None:
    word = sentence.words[at]
    if word in ("between", "from"):
        return _between(sentence, at)
    if word in _OPEN:
        return _open_ended(sentence, at)
    match = moment(sentence, at + 1, word) if word in PREPOSITIONS else moment(sentence, at, "")
    if match is not None and sentence.words[match.stop] in _RANGE_WORDS:
        return _joined(sentence, match) or match
    return match


def _between(sentence: Sentence, at: int) -> Match | None:
    """between A and B, from A to B; "from A" alone is A."""
    first = moment(sentence, at + 1, sentence.words[at])
    if first is None:
        return None
    joined = _joined(sentence, first) if sentence.words[first.stop] in JOINTS else None
    if joined is None and sentence.words[at] == "between" and first.unit != "span":
        return None
    return joined or first


def _joined(sentence: Sentence, first: Match) -> Match | None:
    """Return the span from `first` to the date behind the joint, a missing year taken from the other side."""
    last = moment(sentence, first.stop + 1, "between")
    if last is None:
        return None
    start, end = first.span.start, last.span.end
    if first.yearless and last.explicit:
        start = _with_year(start, last.span.start.year)
        if start > last.span.start:
            start = _with_year(start, start.year - 1)
    elif start >= end and last.yearless:
        end = _with_year(end, start.year if _with_year(end, start.year) > start else start.year + 1)
    elif start >= end and first.unit == last.unit == "day":
        end += WEEK  # from Monday to Friday, said on a Sunday
    if start >= end:
        return None
    return Match(
        Span(start, end), last.stop, "span", explicit=last.explicit, yearless=first.yearless and not last.explicit
    )


def _with_year(day: date, year: int) -> date:
    if day.month == _FEBRUARY and day.day == _LEAP_DAY:
        day = day.replace(day=_LEAP_DAY - 1)
    return day.replace(year=year)


def _open_ended(sentence: Sentence, at: int) -> Match | None:
    """since A: to today; before A; after A; by and until A: from today when A lies ahead."""
    word = sentence.words[at]
    if word in _DEADLINES:
        sentence = sentence._replace(undecided="future")
    anchor = moment(sentence, at + 1, word)
    if anchor is None:
        return None
    span, tomorrow = anchor.span, sentence.today + DAY
    if word == "since":
        bounded = Span(span.start, max(tomorrow, span.end))
    elif word == "after":
        bounded = Span(span.end, date.max)
    elif word == "before":
        bounded = Span(date.min, span.start)
    else:
        bounded = Span(sentence.today if span.end > sentence.today else date.min, span.end)
    return anchor._replace(span=bounded, unit="span")
