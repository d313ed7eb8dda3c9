"""Dates and ranges in a text or a question, relative to a reference time, as aware UTC intervals.

English with its relative forms; of other languages the names of months beside a day or year, and words for yesterday,
today and tomorrow. Weeks run from Monday to Sunday; a day is one of the reference's own time zone.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo

from context0.memory.rules.date_scan import scan
from context0.memory.rules.date_words import Lean, Sentence
from context0.memory.rules.time_words import SURE_SIGNS, TRIGGERS
from context0.memory.rules.word_set import letter_words

MAX_DATES = 32
EARLIEST = datetime(1, 1, 1, tzinfo=UTC)
LATEST = datetime(9999, 12, 31, tzinfo=UTC)

_DIGIT = re.compile(r"\d")
_DATE_LIKE = re.compile(r"\d(?:\d{3}|[-/.:]\d|[^\W\d_])")
"""In every date without a word of time: 2022, 5/7/22, the 7th, the 90s."""
_CLOCK_OR_DURATION = re.compile(
    r"\b\d{1,2}(?::\d\d)? ?[ap]\.?m\b|\b\d{1,2}:\d\d\b|\bo['’]clock\b"
    r"|\b(?:\d{1,4}|two|three|four|five|six|seven|eight|nine|ten|twelve|several|few|couple of) "
    r"(?:hours|days|weeks|months|years|decades)\b",
    re.IGNORECASE,
)
# What of it stands behind a digit: this leads, so that the regex engine skips to it (9 -> 1 µs).
_CLOCK = re.compile(r"\d(?<!\w\d)\d?(?:(?::\d\d)? ?[ap]\.?m\b|:\d\d\b)", re.IGNORECASE)
# The capital leads, so that the regex engine skips to the next one by itself (3.3 -> 1.2 µs).
_MONTH_AND_DAY = re.compile(
    r"[AJM](?<![\w'’].)(?:(?<=M)a(?:rch|y)|(?<=A)(?:pril|ugust)|(?<=J)une) (?:[1-9]|1\d|2[0-8])(?!\w|[-/.:]\d)"
)
"""The months that are a word or a name as well, as they are surely meant: April 4."""
_OTHER_SIGNS = frozenset({"hours", "clock"})
_SIGNS_OF_DURATION = _OTHER_SIGNS | {"days", "weeks", "months", "years", "decades"}
"""One of these, or a digit, is in every clock time and duration."""
_SIGNS_OF_DATES = TRIGGERS | {"aujourd"}
"""One of these `letter_words`, or what is like a date, is in every date."""
_ANY_DAY = date(2001, 6, 13)


@dataclass(frozen=True, slots=True, kw_only=True)
class DateRange:
    """A half-open interval of aware UTC times that a text names.

    text: the words that name it.  explicit: its year is written there; otherwise it was worked out from the reference.
    yearless: a day, month or season was named without its year, so that the same one of another year may be meant.
    An open side is EARLIEST or LATEST.
    """

    start: datetime
    end: datetime
    text: str
    explicit: bool
    yearless: bool = False


def find_dates(text: str, *, reference: datetime) -> tuple[DateRange, ...]:
    """Return the dates and ranges in `text`, in order, none overlapping, at most 32; impossible dates are left out.

    reference: what "yesterday" counts from (naive: UTC). A date without a year is the latest one, unless the sentence
    speaks of the future or the next one is near (within three months, the latest half a year ago).
    """
    return _find(text, reference, "near")


def find_query_range(question: str, *, reference: datetime) -> DateRange | None:
    """Return the range that `question` asks about: the first with a written year, else the first; None without one.

    A date without a year is the latest one that has begun, unless the question speaks of the future.
    """
    found = _find(question, reference, "past")
    return next((one for one in found if one.explicit), found[0] if found else None)


def mentions_time(text: str, words: Sequence[str] | None = None) -> bool:
    """Tell whether `text` holds any expression of time: a date, "every Friday", "at 5 pm", "for two weeks".

    words: its `letter_words`, where they are known.
    """
    words = letter_words(text) if words is None else words
    if not SURE_SIGNS.isdisjoint(words):
        return True
    has_digit = _DIGIT.search(text) is not None
    if not has_digit and _SIGNS_OF_DATES.isdisjoint(words) and _OTHER_SIGNS.isdisjoint(words):
        return False
    if _tells_clock_or_duration(text, words, has_digit=has_digit):
        return True
    if _MONTH_AND_DAY.search(text):
        return True
    if not _may_hold_date(text, words):
        return False
    return next(scan(Sentence.of(text, today=_ANY_DAY, undecided="near")), None) is not None


def _tells_clock_or_duration(text: str, words: Sequence[str], *, has_digit: bool) -> bool:
    if has_digit and _CLOCK.search(text):
        return True
    may_be = not _SIGNS_OF_DURATION.isdisjoint(words) or (has_digit and not text.isascii())
    return may_be and _CLOCK_OR_DURATION.search(text) is not None


def _find(text: str, reference: datetime, undecided: Lean) -> tuple[DateRange, ...]:
    if not _may_hold_date(text, letter_words(text)):
        return ()
    zone = reference.tzinfo or UTC
    sentence = Sentence.of(text, today=reference.date(), undecided=undecided)
    found: list[DateRange] = []
    seen = position = 0
    for scanned in scan(sentence):
        match = scanned.match
        begin = text.index(sentence.raw[scanned.start], _behind(text, sentence.raw[seen : scanned.start], position))
        position = _behind(text, sentence.raw[scanned.start : match.stop], begin)
        seen = match.stop
        start, end = _moment_of(match.span.start, zone), _moment_of(match.span.end, zone)
        if start is None or end is None:
            continue
        found.append(
            DateRange(start=start, end=end, text=text[begin:position], explicit=match.explicit, yearless=match.yearless)
        )
        if len(found) == MAX_DATES:
            break
    return tuple(found)


def _behind(text: str, tokens: list[str], position: int) -> int:
    """Return the place behind `tokens`, which follow `position` with nothing but white space between them."""
    for token in tokens:
        position = text.index(token, position) + len(token)
    return position


def _may_hold_date(text: str, words: Sequence[str]) -> bool:
    """Tell cheaply whether the grammar could find anything."""
    return not _SIGNS_OF_DATES.isdisjoint(words) or _DATE_LIKE.search(text) is not None


def _moment_of(day: date, zone: tzinfo) -> datetime | None:
    """Return the first moment of `day` in `zone`; None where UTC has no such year."""
    if day == date.min:
        return EARLIEST
    if day == date.max:
        return LATEST
    local = datetime(day.year, day.month, day.day, tzinfo=zone)
    try:
        return local if zone is UTC else local.astimezone(UTC)
    except OverflowError:
        return None
