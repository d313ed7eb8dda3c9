"""Dates by the calendar: numbers, months, weekdays, seasons and holidays, with or without a year.

Every function takes a sentence, a place in it and the preposition before that place ("" if none) and returns the match
that begins there, or None. An impossible date (30 February) may raise ValueError; the scanner takes it for None.
"""

import re
from collections.abc import Callable
from datetime import date, timedelta

from context0.memory.rules.date_words import Lean, Match, Sentence
from context0.memory.rules.spans import (
    DAY,
    Span,
    day_span,
    month_span,
    month_span_at,
    season_span,
    thanksgiving,
    unit_span,
    week_span,
    weekday_before,
    weekday_from,
    year_span,
)
from context0.memory.rules.time_words import (
    AMBIGUOUS_MONTHS,
    DETERMINERS,
    FOREIGN_MONTHS,
    FULL_WEEKDAYS,
    HOLIDAYS,
    LAST,
    MODAL_MONTHS,
    MONTHS,
    NAMED_DAYS,
    NEXT,
    SEASONS,
    UNITS,
    WEEKDAYS,
)
from context0.memory.rules.word_set import word_set

FIRST_YEAR, LAST_YEAR = 1900, 2100
LAST_DAY, LAST_MONTH = 31, 12
_CENTURY = 2000

_NUMERIC = re.compile(r"(\d{1,4})([-/.])(\d{1,2})(?:\2(\d{1,4}))?t?")
_DAY_NUMBER = re.compile(r"(\d{1,2})(st|nd|rd|th)?")
_DAY_PAIR = re.compile(r"(\d{1,2})-(\d{1,2})")
_YEAR_PAIR = re.compile(r"(\d{4})[-/](\d{4})")
_DECADE = re.compile(r"(\d{2})?([2-9]0)s")

DASHES = frozenset({"-", "–", "—"})
JOINTS = DASHES | {"to", "and", "through", "thru", "until", "till"}
CLAUSE_ENDS = frozenset({"", ".", ",", "?", "!", ";", ":", ")", "(", '"', "and", "or", "but", "to", "because"}) | DASHES
_STRONG = word_set("in during since until till throughout im em en early mid late last this next of")
_NEVER_BEFORE_VERBS = word_set("in during throughout early mid late")
_SEASON_PREPOSITIONS = word_set("in during over throughout since until till by before after for between")
_YEAR_PREPOSITIONS = word_set("in since during throughout")
_COUNT_PREPOSITIONS = word_set("by before after until till from between around")
_MONTHDAY_PREPOSITIONS = word_set("on by until till since before after from")
_LEAP_CYCLE = 9  # 29 February may be eight years away
_HALF_YEAR, _QUARTER = timedelta(days=183), timedelta(days=92)


def calendar_match(sentence: Sentence, at: int, preposition: str) -> Match | None:
    """Return the calendar date that begins at word `at`."""
    word = sentence.words[at]
    if word[:1].isdecimal():
        return _numeric(sentence, at) or _day_first(sentence, at, preposition) or _year(sentence, at, preposition)
    if word in MONTHS or word in FOREIGN_MONTHS:
        return month_match(sentence, at, preposition)
    if word in WEEKDAYS:
        return _weekday(sentence, at, preposition)
    if word in SEASONS:
        return _season(sentence, at, preposition)
    return _holiday(sentence, at, preposition)


def placed(sentence: Sentence, lean: Lean, make: Callable[[int], Span]) -> Span:
    """Choose the year of a yearless span: the latest begun, the next not over, or by nearness.

    Near means the latest begun, unless that is half a year behind and the next one within a quarter ahead.
    """
    today = sentence.today
    if lean == "future":
        return _first(make, range(today.year - 1, today.year + _LEAP_CYCLE), lambda span: span.end > today)
    behind = _first(make, range(today.year, today.year - _LEAP_CYCLE, -1), lambda span: span.start <= today)
    if lean == "near" and today - behind.end > _HALF_YEAR:
        ahead = placed(sentence, "future", make)
        if ahead.start - today <= _QUARTER:
            return ahead
    return behind


def _first(make: Callable[[int], Span], years: range, fits: Callable[[Span], bool]) -> Span:
    for year in years:
        try:
            span = make(year)
        except ValueError:  # 29 February, or beyond the calendar
            continue
        if fits(span):
            return span
    raise ValueError("no such day around the reference")


def year_of(word: str) -> int:
    """Return the year that `word` writes (1900..2100), or 0."""
    if len(word) == 4 and word.isdecimal():
        year = int(word)
        return year if FIRST_YEAR <= year <= LAST_YEAR else 0
    return 0


def day_of(word: str) -> int:
    """Return the day of a month that `word` writes ("7", "7th"), or 0."""
    match = _DAY_NUMBER.fullmatch(word)
    day = int(match.group(1)) if match else 0
    return day if day <= LAST_DAY else 0


def _year_after(sentence: Sentence, at: int) -> tuple[int, int]:
    """Return the year at word `at`, a comma or "of" before it skipped, and the place behind it; 0 for no year."""
    if sentence.words[at] in (",", "of", "de", "in"):
        at += 1
    year = year_of(sentence.words[at])
    return year, at + 1


def _numeric(sentence: Sentence, at: int) -> Match | None:
    """2023-05-07, 2023/05/07, 2023-05, 05/07/2023 (month first unless it cannot be), 7.5.2023."""
    word = sentence.words[at]
    if pair := _YEAR_PAIR.fullmatch(word):
        from_year, to_year = year_of(pair.group(1)), year_of(pair.group(2))
        return (
            Match(Span(date(from_year, 1, 1), date(to_year + 1, 1, 1)), at + 1, "span", explicit=True)
            if 0 < from_year < to_year
            else None
        )
    match = _NUMERIC.fullmatch(word)
    if match is None:
        return None
    first, mark, middle, last = match.group(1), match.group(2), int(match.group(3)), match.group(4) or ""
    if len(first) == 4:
        if not last:
            return Match(month_span(int(first), middle), at + 1, "month", explicit=True) if mark == "-" else None
        return Match(day_span(date(int(first), middle, int(last))), at + 1, "day", explicit=True)
    if len(first) > 2 or not (len(last) == 4 or (len(last) == 2 and mark == "/")):
        return None
    year = int(last) if len(last) == 4 else _CENTURY + int(last)
    month, day = int(first), middle
    if mark == "." or month > LAST_MONTH:
        month, day = day, month
    return Match(day_span(date(year, month, day)), at + 1, "day", explicit=True)


def _day_first(sentence: Sentence, at: int, preposition: str) -> Match | None:
    """7 May 2023, the 7th of May, 5-7 May, 5 and 7 May; "on the 7th" without a month."""
    words = sentence.words
    pair = _DAY_PAIR.fullmatch(words[at])
    first, last, stop = (int(pair.group(1)), int(pair.group(2)), at + 1) if pair else (day_of(words[at]), 0, at + 1)
    if not first:
        return None
    if not last and words[stop] in JOINTS and day_of(words[stop + 1]):
        last, stop = day_of(words[stop + 1]), stop + 2
    if words[stop] == "." and words[stop + 1] in FOREIGN_MONTHS.keys() | MONTHS.keys():
        stop += 1
    linked = words[stop] in ("of", "de", "di")
    stop += linked
    month = MONTHS.get(words[stop]) or FOREIGN_MONTHS.get(words[stop])
    if month is None:
        is_ordinal = not words[at].isdecimal() and pair is None
        return _day_alone(sentence, at, first) if is_ordinal and preposition in _MONTHDAY_PREPOSITIONS else None
    if words[stop] in MODAL_MONTHS and not (linked or sentence.is_capital(stop) or _year_after(sentence, stop + 1)[0]):
        return None  # all 7 may come
    return _days(sentence, stop + 1, month, (first, last))


def _day_alone(sentence: Sentence, at: int, day: int) -> Match:
    today, lean = sentence.today, sentence.lean(at)
    months = [month_span_at(today, shift).start for shift in (-2, -1, 0, 1, 2)]
    days = [first.replace(day=day) for first in months if day <= (month_span_at(first).end - first).days]
    chosen = min(d for d in days if d >= today) if lean == "future" else max(d for d in days if d <= today)
    return Match(day_span(chosen), at + 1, "day")


def _days(sentence: Sentence, stop: int, month: int, days: tuple[int, int]) -> Match:
    """Return the day, or the days up to a last one, of `month`, with the year behind it or a guessed one."""
    first, last = days[0], max(days)
    count = last - first + 1
    year, after_year = _year_after(sentence, stop)
    if year:
        return Match(
            day_span(date(year, month, first), count), after_year, "day" if count == 1 else "span", explicit=True
        )
    span = placed(sentence, sentence.lean(stop), lambda year: day_span(date(year, month, first), count))
    return Match(span, stop, "day" if count == 1 else "span", yearless=True)


def month_match(sentence: Sentence, at: int, preposition: str) -> Match | None:
    """May 7th, 2023; May 5-7; May 2023; bare "May" where its surroundings allow it."""
    words = sentence.words
    word = words[at]
    month = MONTHS.get(word) or FOREIGN_MONTHS[word]
    stop = at + 1
    if words[stop] == "." and words[stop + 1][:1].isdecimal():
        stop += 1  # Sept. 5
    year, after_year = _year_after(sentence, stop)
    if year:
        return Match(month_span(year, month), after_year, "month", explicit=True)
    stop += words[stop] == "the"
    pair = _DAY_PAIR.fullmatch(words[stop])
    first, last = (int(pair.group(1)), int(pair.group(2))) if pair else (day_of(words[stop]), 0)
    if first and (sentence.is_capital(at) or word not in MODAL_MONTHS or not words[stop].isdecimal()):
        stop += 1
        if not last and words[stop] in JOINTS and (last := day_of(words[stop + 1])):
            is_pair = last > first and (words[stop] != "and" or words[stop + 2] in CLAUSE_ENDS)
            is_pair = is_pair and words[stop + 2] not in UNITS and words[stop + 2] not in MONTHS
            last, stop = (last, stop + 2) if is_pair else (0, stop)
        return _days(sentence, stop, month, (first, last))
    if not _is_bare_month(sentence, at, preposition):
        return None
    span = placed(sentence, sentence.lean(at), lambda year: month_span(year, month))
    return Match(span, at + 1, "month", yearless=True)


def _is_bare_month(sentence: Sentence, at: int, preposition: str) -> bool:
    """April said, it may rain, they march: a bare month needs a capital, and an ambiguous one a sign of time."""
    word, capital = sentence.words[at], sentence.is_capital(at)
    if word in FOREIGN_MONTHS:
        return preposition in ("im", "em", "en")
    if word not in AMBIGUOUS_MONTHS:
        return capital or bool(preposition)
    ends = sentence.words[at + 1] in CLAUSE_ENDS
    if not capital:
        is_verb = (
            word in MODAL_MONTHS and preposition not in _NEVER_BEFORE_VERBS and (preposition == "this" or not ends)
        )
        return preposition in _STRONG and not is_verb
    if preposition in _STRONG:
        return preposition != "of" or ends
    return bool(preposition) and preposition != "the" and ends


def _year(sentence: Sentence, at: int, preposition: str) -> Match | None:
    """in 2022, since 2019, the 1990s, in the 90s; a number that counts things is no year."""
    word, follower = sentence.words[at], sentence.words[at + 1]
    decade = _DECADE.fullmatch(word)
    if decade:
        if not preposition:
            return None
        century = int(decade.group(1) or 19)
        return Match(year_span(century * 100 + int(decade.group(2)), 10), at + 1, "decade", explicit=True)
    year = year_of(word)
    if not year or follower in UNITS or follower == "%":
        return None
    if preposition in _YEAR_PREPOSITIONS or (preposition in _COUNT_PREPOSITIONS and follower in CLAUSE_ENDS):
        return Match(year_span(year), at + 1, "year", explicit=True)
    return None


def _weekday(sentence: Sentence, at: int, preposition: str) -> Match | None:
    """Friday, on Fri, Friday the 7th of May, Tuesday of last week; "every Friday" and "Black Friday" are no dates."""
    words, before = sentence.words, sentence.words[at - 1] if at else ""
    word = words[at]
    if before in NAMED_DAYS or before in ("every", "each"):
        return None
    if word not in FULL_WEEKDAYS and not (sentence.is_capital(at) and preposition):
        return None
    stop = at + 1
    stop += words[stop] == ","
    stop += words[stop] == "the"
    if words[stop] in MONTHS or words[stop][:1].isdecimal():
        dated = calendar_match(sentence, stop, "on")
        if dated and dated.unit == "day":
            return dated
    stop = at + 1 + (words[at + 1] == "of")
    if words[stop] in DETERMINERS and words[stop + 1] == "week":
        shift = -1 if words[stop] in LAST else int(words[stop] in NEXT)
        return Match(day_span(week_span(sentence.today, shift).start + WEEKDAYS[word] * DAY), stop + 2, "day")
    today = sentence.today
    ahead = sentence.lean(at) == "future"
    day = weekday_from(today, WEEKDAYS[word]) if ahead else weekday_before(today + DAY, WEEKDAYS[word])
    return Match(day_span(day), at + 1, "day")


def _season(sentence: Sentence, at: int, preposition: str) -> Match | None:
    """summer 2022, the fall of 2019, in the winter."""
    first_month = SEASONS[sentence.words[at]]
    year, after_year = _year_after(sentence, at + 1)
    if year:
        return Match(season_span(year, first_month), after_year, "season", explicit=True)
    if preposition not in _SEASON_PREPOSITIONS or not _ends_noun(sentence, at):
        return None
    span = placed(sentence, sentence.lean(at), lambda year: season_span(year, first_month))
    return Match(span, at + 1, "season", yearless=True)


def _ends_noun(sentence: Sentence, at: int) -> bool:
    """Tell "in fall" from "in fall colours" and "by spring cleaning": the words most often misread."""
    return sentence.words[at] not in ("fall", "spring") or not sentence.words[at + 1].endswith(("ing", "s"))


def holiday_at(sentence: Sentence, at: int) -> tuple[str, int]:
    """Return the holiday whose name begins at word `at` and the place behind it; "" if none does."""
    words = sentence.words
    for count in (3, 2, 1):
        name = " ".join(words[at : at + count])
        if name in HOLIDAYS:
            stop = at + count
            return name, stop + (words[stop] == "day")
    return "", at


def holiday_span(name: str, year: int) -> Span:
    month, day, days = HOLIDAYS[name]
    return day_span(date(year, month, day) if day else thanksgiving(year), days)


def _holiday(sentence: Sentence, at: int, preposition: str) -> Match | None:
    """at Christmas, on New Year's Eve 2022."""
    name, stop = holiday_at(sentence, at)
    if not name:
        return None
    year, after_year = _year_after(sentence, stop)
    if year:
        return Match(holiday_span(name, year), after_year, "day", explicit=True)
    if not preposition or preposition == "the":
        return None
    span = placed(sentence, sentence.lean(at), lambda year: holiday_span(name, year))
    return Match(span, stop, "day", yearless=True)


def season_at(sentence: Sentence, word: str, direction: int) -> Span:
    """Return last (-1: over), this (0) or next (1) such season as of today."""
    today, first_month = sentence.today, SEASONS[word]
    spans = [season_span(year, first_month) for year in range(today.year - 2, today.year + 2)]
    if direction < 0:
        return [span for span in spans if span.end <= today][-1]
    if direction:
        return next(span for span in spans if span.start > today)
    return next((span for span in spans if span.start <= today < span.end), spans[2])


def month_at(sentence: Sentence, word: str, direction: int) -> Span:
    """Return last (-1), this (0) or next (1) such month as of today; the running month is neither last nor next."""
    today, month = sentence.today, MONTHS[word]
    year = today.year
    if direction < 0 and month >= today.month:
        year -= 1
    if direction > 0 and month <= today.month:
        year += 1
    return month_span(year, month)


def unit_at(sentence: Sentence, word: str, direction: int) -> Span:
    """Return last, this or next week, weekend, month, year or decade."""
    return unit_span(UNITS[word], sentence.today, direction)
