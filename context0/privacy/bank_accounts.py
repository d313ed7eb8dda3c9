"""International bank account numbers: a country's length and form, and the two digits by modulus 97."""

import re
from collections.abc import Iterator
from types import MappingProxyType
from typing import Final

from stdnum import iban

from context0.privacy.report import Finding

_START: Final = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}[0-9]{2}[ -]?(?=[A-Za-z0-9]{2})")
_MAX_CHARACTERS: Final = 34 + 33  # each character of the longest, and a separator between any two
_LENGTHS: Final = MappingProxyType(
    {
        country: length
        for length, countries in {
            15: "NO",
            16: "BE",
            18: "DK FI FK FO GL NL SD",
            19: "MK SI",
            20: "AT BA EE KZ LT LU MN XK",
            21: "CH CR HR LI LV",
            22: "BG BH DE GB GE IE ME RS VA",
            23: "AE GI IL IQ OM SO TL",
            24: "AD CZ ES MD PK RO SA SE SK TN VG",
            25: "LY PT ST",
            26: "IS TR",
            27: "BI DJ FR GR IT MC MR SM",
            28: "AL AZ BY CY DO GT HU LB NI PL SV",
            29: "BR EG PS QA UA",
            30: "JO KW MU YE",
            31: "MT SC",
            32: "LC",
            33: "RU",
        }.items()
        for country in countries.split()
    }
)


def find_ibans(text: str) -> Iterator[Finding]:
    for match in _START.finditer(text):
        length = _LENGTHS.get(match.group()[:2].upper())
        end = None if length is None else _end_of(text, match.start(), length)
        if end is not None and iban.is_valid(text[match.start() : end], check_country=False):
            yield Finding(kind="iban", span=(match.start(), end))


def _end_of(text: str, start: int, length: int) -> int | None:
    """Return where `length` letters and digits from `start` end, single spaces and hyphens between them not counted."""
    counted = 0
    for place in range(start, min(len(text), start + _MAX_CHARACTERS)):
        character = text[place]
        if character.isascii() and character.isalnum():
            counted += 1
            if counted == length:
                following = text[place + 1 : place + 2]
                return None if following.isalnum() else place + 1
        elif character not in " -" or not text[place - 1].isalnum():
            return None
    return None
