"""Dates that hang on another one: last week, two weeks ago, the weekend before 9 June, early May.

The functions take and return what those of `date_calendar` do; `depth` bounds how far dates may nest, so that reading
a word costs a constant however the text is built.
"""

from datetime import timedelta

from context0.memory.rules.date_calendar import (
    calendar_match,
    holiday_at,
    holiday_span,
    month_at,
    month_match,
    season_at,
    unit_at,
)
from context0.memory.rules.date_words import Match, Sentence
from context0.memory.rules.spans import (
    DAY,
    SATURDAY,
    WEEK,
    Span,
    day_span,
    shifted,
    third_of,
    unit_span,
    week_span,
    weekday_before,
    weekday_from,
    weekend_span,
)
from context0.memory.rules.time_words import (
    DAY_WORDS,
    DETERMINERS,
    HOURS_PER_UNIT,
    LAST,
    MODAL_MONTHS,
    MONTHS,
    NEXT,
    ORDINALS,
    PARTS_OF_DAY,
    PLURAL_UNITS,
    QUANTITIES,
    SEASONS,
    THIRDS,
    UNITS,
    WEEKDAYS,
    Unit,
)
from context0.memory.rules.word_set import word_set

MAX_DEPTH = 3
MAX_COUNT = 1000
_HOURS_A_DAY = 24
_THURSDAY = 3
_LONG_UNITS: frozenset[Unit] = frozenset({"week", "month", "season", "year", "decade"})
_OVER_THE_WEEKEND = word_set("over on at during for in")
_BEFORE = frozenset({"before", "preceding"})
_AFTER = frozenset({"after", "following"})


def moment(sentence: Sentence, at: int, preposition: str, depth: int = 0) -> Match | None:
    """Return the date, relative or by the calendar, that begins at word `at`."""
    if depth > MAX_DEPTH:
        return None
    word = sentence.words[at]
    if word == "the":
        if sentence.words[at + 1] in ("the", "other"):
            return _other_day(sentence, at + 1)
        return moment(sentence, at + 1, preposition or "the", depth + 1)
    if word in QUANTITIES or word[:1].isdecimal():
        return _counted(sentence, at, preposition, depth) or calendar_match(sentence, at, preposition)
    return _phrase(sentence, at, preposition, depth) or calendar_match(sentence, at, preposition)


def _phrase(sentence: Sentence, at: int, preposition: str, depth: int) -> Match | None:
    """Return what begins with the word at `at`, an adverb, modifier, determiner, unit or ordinal."""
    word = sentence.words[at]
    if word in DAY_WORDS:
        stop = at + 1 + (sentence.words[at + 1] in PARTS_OF_DAY)
        return Match(day_span(sentence.today + DAY_WORDS[word] * DAY), stop, "day")
    if word in THIRDS:
        return _third(sentence, at, depth)
    if word in DETERMINERS:
        return _determined(sentence, at, depth)
    if word in UNITS or word in WEEKDAYS or word in PARTS_OF_DAY:
        return _related(sentence, at, depth) or _the_weekend(sentence, at, preposition)
    if word in ORDINALS:
        return _nth(sentence, at, ORDINALS[word], depth)
    return None


def _other_day(sentence: Sentence, at: int) -> Match | None:
    """the other day: within the week before today; the other week: within the three before this one."""
    if sentence.words[at] != "other":
        return None
    noun, today = sentence.words[at + 1], sentence.today
    if noun == "day" or noun in PARTS_OF_DAY:
        return Match(Span(today - WEEK, today), at + 2, "span")
    if noun in ("week", "weekend"):
        return Match(Span(today - 3 * WEEK, week_span(today).start), at + 2, "span")
    return None


def _third(sentence: Sentence, at: int, depth: int) -> Match | None:
    """early May, mid-2022, the end of last year, the beginning of the month."""
    words, word = sentence.words, sentence.words[at]
    stop = at + 1
    if word in ("early", "mid", "late"):
        stop += words[stop] == "-"
        preposition = word
    elif words[stop] == "of":
        preposition = "in"
    else:
        return None
    stop += words[stop] in ("of", "in")
    noun = stop + (words[stop] in ("the", "this"))
    if noun > stop and words[noun] in ("week", "month", "year", "decade"):
        whole = Match(unit_at(sentence, words[noun], 0), noun + 1, UNITS[words[noun]])
    else:
        inner = moment(sentence, stop, "in" if words[stop][:1].isdecimal() else preposition, depth + 1)
        if inner is None:
            return None
        whole = inner
    span = third_of(whole.span, THIRDS[word]) if whole.unit in _LONG_UNITS else whole.span
    return Match(span, whole.stop, "span", explicit=whole.explicit, yearless=whole.yearless)


def _determined(sentence: Sentence, at: int, depth: int) -> Match | None:
    """last week, this Friday, next May, this past weekend, last night, the last three months."""
    words, word = sentence.words, sentence.words[at]
    noun = at + 1
    if word == "this" and words[noun] in DETERMINERS:
        word, noun = words[noun], noun + 1
    direction = -1 if word in LAST else int(word in NEXT)
    special = _window(sentence, noun, direction) or (_last_of(sentence, at, depth) if word == "last" else None)
    if special:
        return special
    name = words[noun]
    if name in PARTS_OF_DAY:
        return Match(day_span(sentence.today + direction * DAY), noun + 1, "day") if direction <= 0 else None
    if name in UNITS:
        return _determined_unit(sentence, noun, direction)
    if name in WEEKDAYS:
        return _determined_weekday(sentence, noun, direction)
    if name in MONTHS:
        return _determined_month(sentence, noun, direction)
    if name in SEASONS:
        return Match(season_at(sentence, name, direction), noun + 1, "season")
    return _determined_holiday(sentence, noun, direction)


def _window(sentence: Sentence, at: int, direction: int) -> Match | None:
    """Return the days behind or ahead of "(last) three months", today with those behind."""
    if not direction:
        return None
    quantity = _quantity(sentence, at)
    if quantity is None or sentence.words[quantity[2]] not in PLURAL_UNITS:
        return None
    _, high, stop = quantity
    unit = UNITS.get(sentence.words[stop])
    if unit is None:
        return None
    far = shifted(sentence.today, unit, direction * high)
    span = Span(far, sentence.today + DAY) if direction < 0 else Span(sentence.today + DAY, far + DAY)
    return Match(span, stop + 1, "span")


def _last_of(sentence: Sentence, at: int, depth: int) -> Match | None:
    """last weekend before 9 June, the last week of May."""
    if sentence.words[at + 2] in _BEFORE:
        return _related(sentence, at + 1, depth)
    return _nth(sentence, at, -1, depth)


def _determined_unit(sentence: Sentence, noun: int, direction: int) -> Match | None:
    words, today = sentence.words, sentence.today
    name = words[noun]
    unit = UNITS[name]
    if name in PLURAL_UNITS or (unit == "day" and (name != "night" or direction > 0)):
        return None
    if unit == "day":
        return Match(day_span(today + direction * DAY), noun + 1, "day")
    if words[noun - 1] == "past" and unit != "weekend":
        return Match(Span(shifted(today, unit, -1), today + DAY), noun + 1, "span")
    if unit == "week":
        weekday = noun + 1 + (words[noun + 1] in ("on", ","))
        if words[weekday] in WEEKDAYS and sentence.is_capital(weekday):
            day = week_span(today, direction).start + WEEKDAYS[words[weekday]] * DAY
            return Match(day_span(day), weekday + 1, "day")
    return Match(unit_at(sentence, name, direction), noun + 1, unit)


def _determined_weekday(sentence: Sentence, noun: int, direction: int) -> Match:
    """The Friday before today, the one of this week, or the first after today."""
    today, weekday = sentence.today, WEEKDAYS[sentence.words[noun]]
    if direction < 0:
        day = weekday_before(today, weekday)
    elif direction:
        day = weekday_from(today + DAY, weekday)
    else:
        day = week_span(today).start + weekday * DAY
    return Match(day_span(day), noun + 1 + (sentence.words[noun + 1] in PARTS_OF_DAY), "day")


def _determined_month(sentence: Sentence, noun: int, direction: int) -> Match | None:
    dated = month_match(sentence, noun, ("last", "this", "next")[direction + 1])
    if dated is None or dated.explicit or dated.unit != "month":
        return dated
    if sentence.words[noun] in MODAL_MONTHS and not sentence.is_capital(noun) and not direction:
        return None
    return Match(month_at(sentence, sentence.words[noun], direction), noun + 1, "month")


def _determined_holiday(sentence: Sentence, noun: int, direction: int) -> Match | None:
    name, stop = holiday_at(sentence, noun)
    if not name:
        return None
    today = sentence.today
    spans = [holiday_span(name, today.year + shift) for shift in (-1, 0, 1)]
    if direction < 0:
        span = [span for span in spans if span.start < today][-1]
    else:
        span = next(span for span in spans if span.start > today) if direction else spans[1]
    return Match(span, stop, "day")


def _related(sentence: Sentence, at: int, depth: int) -> Match | None:
    """the week before 9 June, the day after tomorrow, the weekend of the 4th, the Friday before Christmas."""
    words, word = sentence.words, sentence.words[at]
    relation = words[at + 1]
    place = at + 2 + (relation == "prior" and words[at + 2] == "to")
    if relation == "prior":
        relation = "before"
    if relation not in _BEFORE and relation not in _AFTER and relation != "of":
        return None
    anchor = moment(sentence, place, relation if relation != "of" else "on", depth + 1)
    if anchor is None:
        if relation == "before" and words[place] == "last" and word in UNITS and word not in PLURAL_UNITS:
            return Match(unit_at(sentence, word, -2), place + 1, UNITS[word])
        return None
    if relation == "of":
        if word not in ("week", "weekend") or anchor.unit not in ("day", "span"):
            return None
        span = unit_span(UNITS[word], anchor.span.start)
    elif word in WEEKDAYS:
        before = weekday_before(anchor.span.start, WEEKDAYS[word])
        span = day_span(before if relation in _BEFORE else weekday_from(anchor.span.end, WEEKDAYS[word]))
    else:
        span = _beside(UNITS.get(word, "day"), anchor.span, before=relation in _BEFORE)
    return Match(span, anchor.stop, "span", explicit=anchor.explicit, yearless=anchor.yearless)


def _beside(unit: Unit, anchor: Span, *, before: bool) -> Span:
    """Return the day or seven days, or the calendar weekend, month or year, right before or after `anchor`."""
    if unit in ("day", "week"):
        length = DAY if unit == "day" else WEEK
        return Span(anchor.start - length, anchor.start) if before else Span(anchor.end, anchor.end + length)
    if unit == "weekend":
        saturday = weekday_before(anchor.start - DAY, SATURDAY) if before else weekday_from(anchor.end, SATURDAY)
        return day_span(saturday, 2)
    return unit_span(unit, anchor.start, -1) if before else unit_span(unit, anchor.end - DAY, 1)


def _the_weekend(sentence: Sentence, at: int, preposition: str) -> Match | None:
    """over the weekend: the one behind if told as past, or from Monday to Wednesday without a sign; else this one."""
    if sentence.words[at] != "weekend" or preposition not in _OVER_THE_WEEKEND:
        return None
    lean, weekday = sentence.lean(at), sentence.today.weekday()
    behind = weekday < (SATURDAY if lean == "past" else _THURSDAY) and lean != "future"
    return Match(weekend_span(sentence.today, -1 if behind else 0), at + 1, "weekend")


def _quantity(sentence: Sentence, at: int) -> tuple[int, int, int] | None:
    """Return how many at least and at most, and the place of what is counted: "a couple of" -> (2, 2, …)."""
    words = sentence.words
    if words[at] in ("a", "the") and words[at + 1] in ("couple", "few"):
        at += 1
    word = words[at]
    if word in QUANTITIES:
        low, high = QUANTITIES[word]
    elif word.isdecimal() and len(word) <= 4 and 0 < int(word) <= MAX_COUNT:
        low = high = int(word)
    else:
        return None
    return low, high, at + 1 + (words[at + 1] == "of" and word == "couple")


def _counted(sentence: Sentence, at: int, preposition: str, depth: int) -> Match | None:
    """three days ago, a couple of months back, two weeks from now, in ten days, a week before 9 June."""
    quantity = _quantity(sentence, at)
    if quantity is None:
        return None
    low, high, noun = quantity
    words, today = sentence.words, sentence.today
    unit = UNITS.get(words[noun])
    if unit is None:
        if words[noun] not in HOURS_PER_UNIT or words[noun + 1] not in ("ago", "back"):
            return None
        days = int(high * HOURS_PER_UNIT[words[noun]]) // _HOURS_A_DAY
        return Match(day_span(today - days * DAY), noun + 2, "day")
    follower = words[noun + 1]
    if follower in ("ago", "back"):
        return Match(_away(sentence, unit, -high, -low), noun + 2, unit)
    if follower == "from" and words[noun + 2] in ("now", "today"):
        return Match(_away(sentence, unit, low, high), noun + 3, unit)
    if follower in ("before", "after"):
        anchor = moment(sentence, noun + 2, follower, depth + 1)
        if anchor is None:
            return None
        sign = -1 if follower == "before" else 1
        span = Span(
            shifted(anchor.span.start, unit, sign * high), shifted(anchor.span.end - DAY, unit, sign * high) + DAY
        )
        return Match(span, anchor.stop, "span", explicit=anchor.explicit, yearless=anchor.yearless)
    is_ahead = preposition == "in" and (unit != "day" or high > 1)  # "in a day" is a duration
    if is_ahead and sentence.lean(at) != "past" and follower not in UNITS:
        return Match(_away(sentence, unit, low, high), noun + 1, unit)
    return None


def _away(sentence: Sentence, unit: Unit, first: int, last: int) -> Span:
    """Return the days that `first` to `last` units away may mean: ±3 for weeks, the calendar month or year."""
    today = sentence.today
    if unit == "week":
        return Span(today + first * WEEK - timedelta(days=3), today + last * WEEK + timedelta(days=4))
    if unit == "decade":
        unit, first, last = "year", first * 10, last * 10
    return Span(unit_span(unit, today, first).start, unit_span(unit, today, last).end)


def _nth(sentence: Sentence, at: int, which: int, depth: int) -> Match | None:
    """the first week of May, the last weekend in June, the second Friday of July 2023, the first half of 2022."""
    words = sentence.words
    name = words[at + 1]
    if words[at + 2] not in ("of", "in") or not (name in ("day", "week", "weekend", "half") or name in WEEKDAYS):
        return None
    whole = moment(sentence, at + 3, "in", depth + 1)
    if whole is None or whole.unit not in _LONG_UNITS:
        return None
    start, end = whole.span.start, whole.span.end
    middle = start + (end - start) // 2
    steps = timedelta(weeks=which - 1) if which > 0 else timedelta()
    if name == "day":
        span = day_span(start + (which - 1) * DAY if which > 0 else end - DAY)
    elif name == "half":
        span = Span(start, middle) if which == 1 else Span(middle, end)
    elif name == "week":
        span = day_span(start + steps if which > 0 else end - WEEK, 7)
    else:
        weekday = WEEKDAYS.get(name, SATURDAY)
        first = weekday_from(start, weekday) + steps if which > 0 else weekday_before(end, weekday)
        span = day_span(first, 2 if name == "weekend" else 1)
    return Match(span, whole.stop, "span", explicit=whole.explicit, yearless=whole.yearless)
