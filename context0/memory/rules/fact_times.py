"""Since when a fact holds or when it ended, from the dates and durations in its clause."""

import re
from datetime import UTC, date, datetime
from types import MappingProxyType
from typing import Final

from context0.memory.rules.dates import EARLIEST, LATEST, DateRange, find_dates
from context0.memory.rules.spans import shifted
from context0.memory.rules.time_words import FOREIGN_MONTHS, MONTHS, QUANTITIES, UNITS, Unit

_FOR = re.compile(
    r"\bfor (?:(?:about|around|over|almost|nearly|the (?:last|past)|more than|at least|roughly) )*"
    r"(\d{1,3}|[a-z]+)( of)? (days?|weeks?|months?|years?|decades?)\b",
    re.IGNORECASE,
)
_MONTH_NAMES: Final = MappingProxyType({number: name.capitalize() for name, number in reversed(tuple(MONTHS.items()))})


def beginning(text: str, reference: datetime) -> datetime | None:
    """Return when what `text` tells of happened: the first moment of its first date."""
    return next((found.start for found in find_dates(text, reference=reference) if found.start != EARLIEST), None)


def standing_since(text: str, reference: datetime, *, perfect: bool) -> datetime | None:
    """Return since when a state of the present holds: "since 2019"; in the perfect also "for six years"."""
    low = text.lower()
    if "since" in low:
        found = (one for one in find_dates(text, reference=reference) if one.text[:5].lower() == "since")
        return next((one.start for one in found), None)
    if not perfect:
        return None
    match = _FOR.search(text)
    return _ago(match, reference) if match else None


def _ago(match: re.Match[str], reference: datetime) -> datetime | None:
    word = match.group(1).lower()
    least, most = (int(word), int(word)) if word.isdecimal() else QUANTITIES.get(word, (0, 0))
    unit: Unit | None = UNITS.get(match.group(3).lower())
    if not least or least != most or unit is None:
        return None
    try:
        return _midnight(shifted(reference.date(), unit, -least), reference)
    except (ValueError, OverflowError):
        return None  # before the calendar


def _midnight(day: date, reference: datetime) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=reference.tzinfo or UTC).astimezone(UTC)


def ending(text: str, reference: datetime) -> datetime | None:
    """Return when a state of the past was over at the latest, as its clause dates it; None if that lies ahead."""
    limit = reference if reference.tzinfo else reference.replace(tzinfo=UTC)
    ends = (found.end for found in find_dates(text, reference=reference))
    return next((end for end in ends if end not in (EARLIEST, LATEST) and end <= limit), None)


def day_of_year(text: str, reference: datetime) -> str:
    """Return the birthday in `text` as "3 May", "3 May 1990" or "May"; "" if it names none."""
    for found in find_dates(text, reference=reference):
        day = _as_day(found, reference)
        if day:
            return day
    return ""


def _as_day(found: DateRange, reference: datetime) -> str:
    first = found.start.astimezone(reference.tzinfo or UTC)
    length = (found.end - found.start).days
    month = _MONTH_NAMES[first.month]
    if length == 1:
        return f"{first.day} {month}" + (f" {first.year}" if found.explicit else "")
    names_month = any(
        word.lower() in MONTHS or word.lower() in FOREIGN_MONTHS for word in re.findall(r"[^\W\d_]+", found.text)
    )
    return month if names_month and first.day == 1 and not found.explicit else ""


def year_of_birth(text: str, reference: datetime) -> str:
    """Return the year in "in 1984", or ""."""
    match = re.match(r"(?:back )?in ((?:19|20)\d\d)\b", text)
    return match.group(1) if match and int(match.group(1)) <= reference.year else ""
