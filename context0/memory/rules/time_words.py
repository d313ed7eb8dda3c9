"""The vocabulary of dates: months, weekdays, units, seasons, holidays and what surrounds them, all lower case."""

from types import MappingProxyType
from typing import Literal

from context0.memory.rules.word_set import word_set

Unit = Literal["day", "week", "weekend", "month", "season", "year", "decade", "span"]

_MONTH_NAMES = (
    "january jan",
    "february feb",
    "march mar",
    "april apr",
    "may",
    "june jun",
    "july jul",
    "august aug",
    "september sep sept",
    "october oct",
    "november nov",
    "december dec",
)
# German, French, Spanish, Italian, Portuguese and Dutch names; they count only beside a day, a year or an "im".
_FOREIGN_MONTH_NAMES = (
    "januar jänner janvier enero gennaio janeiro januari",
    "februar février febrero febbraio fevereiro februari",
    "märz mars marzo março maart",
    "avril abril aprile",
    "mai mayo maggio maio mei",
    "juni juin junio giugno junho",
    "juli juillet julio luglio julho",
    "août agosto augustus",
    "septembre septiembre settembre setembro",
    "oktober octobre octubre ottobre outubro",
    "novembre noviembre novembro",
    "dezember décembre diciembre dicembre dezembro",
)


def _numbered(names: tuple[str, ...]) -> MappingProxyType[str, int]:
    return MappingProxyType({name: place + 1 for place, group in enumerate(names) for name in group.split()})


MONTHS = _numbered(_MONTH_NAMES)
FOREIGN_MONTHS = _numbered(_FOREIGN_MONTH_NAMES)

# Also given names, verbs or words: a month only where a preposition, a day or a year says so.
AMBIGUOUS_MONTHS = word_set("march april may june august jan feb mar apr jun jul aug sep sept oct nov dec")
MODAL_MONTHS = frozenset({"may", "march"})  # lower case they are nearly always verbs

WEEKDAYS = MappingProxyType(
    {
        name: place
        for place, group in enumerate(
            (
                "monday mon",
                "tuesday tue tues",
                "wednesday wed",
                "thursday thu thur thurs",
                "friday fri",
                "saturday sat",
                "sunday sun",
            )
        )
        for name in group.split()
    }
)
FULL_WEEKDAYS = frozenset(name for name in WEEKDAYS if name.endswith("day"))
WEEKDAY_PLURALS = frozenset(name + "s" for name in FULL_WEEKDAYS)
NAMED_DAYS = word_set("black good cyber ash fat taco shrove palm")  # Black Friday is a sale, not a date

DAY_WORDS = MappingProxyType(
    {
        "yesterday": -1,
        "today": 0,
        "tonight": 0,
        "tomorrow": 1,
        "gestern": -1,
        "vorgestern": -2,
        "heute": 0,
        "übermorgen": 2,
        "ayer": -1,
        "anteayer": -2,
        "hoy": 0,
        "ieri": -1,
        "oggi": 0,
        "domani": 1,
        "ontem": -1,
        "hoje": 0,
        "amanhã": 1,
        "aujourd'hui": 0,
        "gisteren": -1,
        "вчера": -1,
        "сегодня": 0,
        "завтра": 1,
    }
)
PARTS_OF_DAY = word_set("morning noon afternoon evening night")

UNITS: MappingProxyType[str, Unit] = MappingProxyType(
    {
        "day": "day",
        "days": "day",
        "night": "day",
        "nights": "day",
        "week": "week",
        "weeks": "week",
        "weekend": "weekend",
        "weekends": "weekend",
        "month": "month",
        "months": "month",
        "year": "year",
        "years": "year",
        "decade": "decade",
        "decades": "decade",
    }
)
HOURS_PER_UNIT = MappingProxyType({"hour": 1.0, "hours": 1.0, "minute": 1 / 60, "minutes": 1 / 60})
PLURAL_UNITS = word_set("days nights weeks weekends months years decades hours minutes")

# How many, at least and at most.
QUANTITIES = MappingProxyType(
    {
        "a": (1, 1),
        "an": (1, 1),
        "one": (1, 1),
        "two": (2, 2),
        "couple": (2, 2),
        "three": (3, 3),
        "few": (2, 5),
        "four": (4, 4),
        "five": (5, 5),
        "six": (6, 6),
        "several": (3, 8),
        "seven": (7, 7),
        "eight": (8, 8),
        "nine": (9, 9),
        "ten": (10, 10),
        "eleven": (11, 11),
        "twelve": (12, 12),
        "fifteen": (15, 15),
        "twenty": (20, 20),
        "thirty": (30, 30),
    }
)
ORDINALS = MappingProxyType({"first": 1, "second": 2, "third": 3, "fourth": 4, "last": -1})

SEASONS = MappingProxyType({"spring": 3, "summer": 6, "autumn": 9, "fall": 9, "winter": 12})
THIRDS = MappingProxyType(
    {"early": 0, "beginning": 0, "start": 0, "mid": 1, "middle": 1, "late": 2, "end": 2},
)
# Month, first day, days; without 's, as the grammar reads them. Thanksgiving moves and is computed.
HOLIDAYS = MappingProxyType(
    {
        "christmas": (12, 24, 3),
        "halloween": (10, 31, 1),
        "valentine": (2, 14, 1),
        "valentines": (2, 14, 1),
        "thanksgiving": (11, 0, 1),
        "new year": (12, 31, 2),
        "new years": (12, 31, 2),
        "christmas eve": (12, 24, 1),
        "christmas day": (12, 25, 1),
        "new year eve": (12, 31, 1),
        "new years eve": (12, 31, 1),
    }
)

LAST = frozenset({"last", "past", "previous"})
THIS = frozenset({"this", "current"})
NEXT = frozenset({"next", "coming", "upcoming"})
DETERMINERS = LAST | THIS | NEXT

# After these a bare month, season or holiday is a date.
PREPOSITIONS = word_set(
    """
in on at during over throughout around about for since until till before after by from between im em
"""
)
FUTURE_MARKS = word_set(
    """
will gonna going plan plans planning planned upcoming coming tomorrow hope hoping expect expecting soon next due
deadline scheduled excited shall until
"""
)
PAST_MARKS = word_set(
    """
did was were went had been got took made saw met came won lost bought found gave felt ran told said ago last since
born ate became began blew broke brought built caught chose drank drew drove fell flew forgot froze grew heard held
kept knew left led paid rode rose sang sat sent slept sold spent spoke stole stood stuck swam taught thought threw
woke wore wrote
"""
)

# One of these, or a digit, is in every date that the grammar knows.
TRIGGERS = (
    frozenset(MONTHS)
    | frozenset(FOREIGN_MONTHS)
    | frozenset(WEEKDAYS)
    | frozenset(DAY_WORDS)
    | frozenset(UNITS)
    | frozenset(HOURS_PER_UNIT)
    | frozenset(SEASONS)
    | PARTS_OF_DAY
    | word_set("christmas halloween thanksgiving valentine valentines year")
)
# These alone say that a text speaks of time.
SURE_SIGNS = (
    frozenset(DAY_WORDS) | FULL_WEEKDAYS | WEEKDAY_PLURALS | (frozenset(MONTHS) - AMBIGUOUS_MONTHS) | {"ago", "weekend"}
)
