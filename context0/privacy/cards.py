"""Payment card numbers: an issuer's prefix, its length, and the Luhn digit."""

import re
from collections.abc import Iterator
from typing import Final

from stdnum import luhn

from context0.privacy.nearby import any_of, is_near
from context0.privacy.report import Finding

_CANDIDATE: Final = re.compile(
    r"(?<![0-9A-Za-z.,+-])(?:"
    r"[2-6][0-9]{3}(?P<four>[ .-])[0-9]{4}(?P=four)[0-9]{4}(?P=four)[0-9]{4}(?:(?P=four)[0-9]{3}(?![0-9]))?"
    r"|3[47][0-9]{2}(?P<six>[ -])[0-9]{6}(?P=six)[0-9]{5}"
    r"|3[068][0-9]{2}(?P<diners>[ -])[0-9]{6}(?P=diners)[0-9]{4}"
    r"|[2-6][0-9]{12,18})(?![0-9A-Za-z]|[.,-][0-9])"
)
_ISSUED: Final = re.compile(
    r"4(?:[0-9]{15}|[0-9]{18})"  # Visa; its 13 digits ended long ago, and are those of German article numbers
    r"|5[1-5][0-9]{14}|2(?:22[1-9]|2[3-9][0-9]|[3-6][0-9]{2}|7[01][0-9]|720)[0-9]{12}"  # Mastercard
    r"|3[47][0-9]{13}"  # American Express
    r"|3(?:0[0-5]|[68][0-9])[0-9]{11}"  # Diners
    r"|6(?:011|4[4-9][0-9]|5[0-9]{2})[0-9]{12}|62[0-9]{14,17}"  # Discover, UnionPay
    r"|35(?:2[89]|[3-8][0-9])[0-9]{12}"  # JCB
)
_MAESTRO: Final = re.compile(r"(?:50|5[6-9]|6[0-9])[0-9]{10,17}")  # too many numbers look like it: needs a word
_WORDS: Final = any_of("card|cards|maestro|debit|credit|visa|mastercard|karte|carte|tarjeta|carta|cartão|kaart|karta")
_MARKS: Final = str.maketrans("", "", " .-")


def find_cards(text: str) -> Iterator[Finding]:
    for match in _CANDIDATE.finditer(text):
        digits = match.group().translate(_MARKS)
        if not luhn.is_valid(digits):
            continue
        if _ISSUED.fullmatch(digits) or (_MAESTRO.fullmatch(digits) and is_near(_WORDS, text, match.span())):
            yield Finding(kind="card", span=match.span())
