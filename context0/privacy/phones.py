"""Telephone numbers: international ones, and national ones where their form or a word beside them tells."""

import re
from collections.abc import Iterator
from typing import Final

from context0.privacy.nearby import any_of, is_before, is_near
from context0.privacy.report import Finding

MAX_CHECKED: Final = 32
"""Candidates that are looked up in one window, at up to 150 µs each; what follows counts by its form alone."""

_INTERNATIONAL: Final = re.compile(r"(?<![\w+])\+[ (]{0,2}+[1-9](?:[ .()/-]{0,3}+[0-9]){6,14}+(?!\w)")
_NATIONAL: Final = re.compile(r"(?<![\w+#$€£=@:/.,-])\(?[0-9](?:[ .()/-]{0,3}+[0-9]){6,13}+(?![\w%])")
_NORTH_AMERICAN: Final = re.compile(
    r"(?:1[-. ])?(?:\([2-9][0-9]{2}\) ?[0-9]{3}[-. ]|[2-9][0-9]{2}(?P<mark>[-.])[0-9]{3}(?P=mark))[0-9]{4}"
)
_LOCAL: Final = re.compile(r"(?:[2-9][0-9]{2}[-. ])?[0-9]{3}[-. ][0-9]{4}")
_BY_FORM: Final = ("by form",)  # made-up ones too, such as those with the area 555
_WORDS: Final = any_of(
    "phones?|mobile|cell|cellphone|telephone|tel|call|calling|called|ring|text(?= me| us| him| her| them)|sms|whatsapp|"
    "contact|signal|telegram|fax|dial|hotline|landline|voicemail|reach(?= me| us| him| her| them)|my number|"
    "nummer|número|numéro|numero|telefon|telefonnummer|handy|handynummer|mobil|rufnummer|anrufen|téléphone|portable|appelez|appelle|móvil|teléfono|"
    "llámame|llama|cellulare|telefono|chiamami|chiama|telefoon|mobiel|celular|telefone|ligue|komórka|zadzwoń"
)
_OTHER_WORDS: Final = any_of(
    "order|invoice|ticket|tracking|serial|part|ref|reference|sku|isbn|issn|case|model|item|product|account|batch|lot|"
    "booking|confirmation|parcel|shipment|policy|claim|bug|build|version|id"
)
_CLOSE_CHARACTERS: Final = 20
_REGIONS_WITH_0: Final = ("GB", "DE", "FR", "IT", "NL", "AU", "IN")
_REGIONS_WITHOUT_0: Final = ("US", "ES", "IN", "BR", "PL", "MX")
_SEPARATOR: Final = re.compile(r"[ .()/-]+")
_MIN_DIGITS: Final = 7
_MAX_CUTS: Final = 3


def find_phones(text: str) -> Iterator[Finding]:
    checked = 0
    taken: set[int] = set()
    if "+" in text:
        for match in _INTERNATIONAL.finditer(text):
            checked += 1
            if (end := _end_of_number(text, match, checked=checked)) is not None:
                taken.update(range(match.start(), end))
                yield Finding(kind="phone", span=(match.start(), end))
    for match in _NATIONAL.finditer(text):
        regions = () if match.start() in taken else _regions_for(text, match)
        checked += bool(regions)
        if regions and (checked > MAX_CHECKED or any(_is_valid(match.group(), region) for region in regions)):
            yield Finding(kind="phone", span=match.span())


def load_phone_tables() -> None:
    """Read the numbering plans of the regions that are asked most; else the first messages pay for it (20 ms)."""
    for region in {*_REGIONS_WITH_0, *_REGIONS_WITHOUT_0}:
        _is_valid("0301234567", region)


def _end_of_number(text: str, match: re.Match[str], *, checked: int) -> int | None:
    """Return where an international number ends. Figures that only follow it are cut off: "+49 89 1234567 12 times".

    The right length is enough where it is written in groups or a word stands beside it: tables lag behind plans.
    """
    number = match.group()
    if checked > MAX_CHECKED:
        return match.end()
    for _ in range(_MAX_CUTS + 1):
        if _is_valid(number, None):
            return match.start() + len(number)
        if number == match.group() and _is_possible(number) and _is_told(text, match):
            return match.end()
        cuts = [cut.start() for cut in _SEPARATOR.finditer(number)]
        if not cuts or cuts[-1] < _MIN_DIGITS:
            return None
        number = number[: cuts[-1]]
    return None


def _regions_for(text: str, match: re.Match[str]) -> tuple[str, ...]:
    """Return where a number of this form and in this place may be a telephone's; empty where it is something else."""
    number, start = match.group(), match.start()
    told = is_near(_WORDS, text, match.span())
    close = is_before(_WORDS, text, start, within=_CLOSE_CHARACTERS)
    if not close and is_before(_OTHER_WORDS, text, start, within=_CLOSE_CHARACTERS):
        return ()
    if _NORTH_AMERICAN.fullmatch(number):
        return _BY_FORM
    if not told:
        return ()
    if _LOCAL.fullmatch(number):
        return _BY_FORM
    return _REGIONS_WITH_0 if number.lstrip("(").startswith("0") else _REGIONS_WITHOUT_0


def _is_told(text: str, match: re.Match[str]) -> bool:
    return _SEPARATOR.search(match.group()) is not None or is_near(_WORDS, text, match.span())


def _is_valid(number: str, region: str | None) -> bool:
    import phonenumbers  # imported late: 25 ms, needed only where a number is

    if region == "by form":
        return True
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(number, region))
    except phonenumbers.NumberParseException:
        return False


def _is_possible(number: str) -> bool:
    import phonenumbers

    try:
        return phonenumbers.is_possible_number(phonenumbers.parse(number, None))
    except phonenumbers.NumberParseException:
        return False
