"""Arithmetic of calendar spans: half-open ranges of days, weeks from Monday to Sunday."""

from calendar import monthrange
from datetime import date, timedelta
from typing import NamedTuple

from context0.memory.rules.time_words import Unit

DAY = timedelta(days=1)
WEEK = timedelta(weeks=1)
SATURDAY = 5
MONTHS_PER_YEAR = 12
DECEMBER = 12


class Span(NamedTuple):
    """The days from `start` up to, not including, `end`; date.min and date.max stand for no bound."""

    start: date
    end: date


def day_span(day: date, days: int = 1) -> Span:
    return Span(day, day + timedelta(days=days))


def week_span(day: date, shift: int = 0) -> Span:
    monday = day - timedelta(days=day.weekday()) + shift * WEEK
    return Span(monday, monday + WEEK)


def weekend_span(day: date, shift: int = 0) -> Span:
    """The Saturday and Sunday of the week that holds `day`, or of another one `shift` weeks away."""
    return day_span(week_span(day, shift).start + SATURDAY * DAY, 2)


def month_span(year: int, month: int) -> Span:
    first = date(year, month, 1)
    return Span(first, first + timedelta(days=monthrange(year, month)[1]))


def month_span_at(day: date, shift: int = 0) -> Span:
    months = day.year * MONTHS_PER_YEAR + day.month - 1 + shift
    return month_span(months // MONTHS_PER_YEAR, months % MONTHS_PER_YEAR + 1)


def year_span(year: int, years: int = 1) -> Span:
    return Span(date(year, 1, 1), date(year + years, 1, 1))


def season_span(year: int, first_month: int) -> Span:
    """Three whole months, north of the equator; the winter of a year begins in its December."""
    start = date(year, first_month, 1)
    return Span(start, month_span_at(start, 2).end)


def unit_span(unit: Unit, day: date, shift: int = 0) -> Span:
    """The calendar unit that holds `day`, moved by `shift` units."""
    if unit == "day":
        return day_span(day + shift * DAY)
    if unit == "week":
        return week_span(day, shift)
    if unit == "weekend":
        return weekend_span(day, shift)
    if unit == "month":
        return month_span_at(day, shift)
    if unit == "decade":
        return year_span(day.year // 10 * 10 + shift * 10, 10)
    return year_span(day.year + shift)


def shifted(day: date, unit: Unit, count: int) -> date:
    """The day `count` units away; a month without that day gives its last."""
    if unit == "day":
        return day + count * DAY
    if unit in ("week", "weekend"):
        return day + count * WEEK
    months = {"month": count, "year": count * MONTHS_PER_YEAR, "decade": count * MONTHS_PER_YEAR * 10}[unit]
    target = month_span_at(day, months)
    return min(target.start.replace(day=min(day.day, 28)) + (day.day - min(day.day, 28)) * DAY, target.end - DAY)


def third_of(span: Span, which: int) -> Span:
    """The early (0), middle (1) or late (2) third of `span`, in whole days."""
    length = (span.end - span.start).days
    cuts = [span.start + timedelta(days=length * part // 3) for part in range(4)]
    return Span(cuts[which], max(cuts[which + 1], cuts[which] + DAY))


def weekday_before(day: date, weekday: int) -> date:
    """The latest such weekday strictly before `day`."""
    return day - timedelta(days=(day.weekday() - weekday - 1) % 7 + 1)


def weekday_from(day: date, weekday: int) -> date:
    """The first such weekday on or after `day`."""
    return day + timedelta(days=(weekday - day.weekday()) % 7)


def thanksgiving(year: int) -> date:
    """The fourth Thursday of November."""
    return weekday_from(date(year, 11, 22), 3)
