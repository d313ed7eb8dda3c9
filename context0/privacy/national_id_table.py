"""The national identity numbers that are known: their form, their check digits, and the words that name them."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from stdnum.be import nn as be_nn
from stdnum.br import cpf as br_cpf
from stdnum.ca import sin as ca_sin
from stdnum.ch import ssn as ch_ssn
from stdnum.de import idnr as de_idnr
from stdnum.es import dni as es_dni
from stdnum.es import nie as es_nie
from stdnum.fi import hetu as fi_hetu
from stdnum.fr import nir as fr_nir
from stdnum.gb import nhs as gb_nhs
from stdnum.in_ import aadhaar as in_aadhaar
from stdnum.in_ import pan as in_pan
from stdnum.it import codicefiscale as it_codicefiscale
from stdnum.mx import curp as mx_curp
from stdnum.nl import bsn as nl_bsn
from stdnum.pl import pesel as pl_pesel
from stdnum.se import personnummer as se_personnummer
from stdnum.us import itin as us_itin

from context0.privacy.nearby import any_of


@dataclass(frozen=True, slots=True, kw_only=True)
class IdForm:
    """One way to write one country's number. words: needed nearby; None where form and check digits say enough."""

    name: str
    pattern: re.Pattern[str]
    is_valid: Callable[[str], bool]
    words: re.Pattern[str] | None = None


_NO_NINO: Final = frozenset({"BG", "GB", "NK", "KN", "TN", "NT", "ZZ"})
_NINO: Final = re.compile(r"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z][0-9]{6}[A-D]")


def _is_nino(text: str) -> bool:
    """British National Insurance numbers have no check digit: prefixes that are never given out are refused."""
    compact = text.replace(" ", "").upper()
    return _NINO.fullmatch(compact) is not None and compact[:2] not in _NO_NINO


def _is_ssn(text: str) -> bool:
    """No check digit: only what is never given out is refused. Numbers known from advertisements count as numbers."""
    digits = "".join(filter(str.isdigit, text))
    return digits[:3] not in ("000", "666") and digits[3:5] != "00" and digits[5:] != "0000"


def _form(pattern: str, *, flags: int = 0) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w.+-])(?:{pattern})(?![\w-]|\.[0-9])", flags)


_US_WORDS: Final = "ssn|social security|social security number|social|itin|taxpayer|tax id"
_NINE: Final = r"[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{3}"
_ELEVEN: Final = r"[0-9]{11}|[0-9]{2} [0-9]{3} [0-9]{3} [0-9]{3}"

SPEAKING_FOR_THEMSELVES: Final[tuple[IdForm, ...]] = (
    IdForm(name="us_ssn", pattern=_form(r"[0-8][0-9]{2}-[0-9]{2}-[0-9]{4}"), is_valid=_is_ssn),
    IdForm(name="us_itin", pattern=_form(r"9[0-9]{2}-[0-9]{2}-[0-9]{4}"), is_valid=us_itin.is_valid),
    IdForm(
        name="fr_nir",
        pattern=_form(
            r"[12][0-9]{4}(?:[0-9]{2}|2[AB])[0-9]{8}"
            r"|[12] [0-9]{2} [0-9]{2} (?:[0-9]{2}|2[AB]) [0-9]{3} [0-9]{3} [0-9]{2}"
        ),
        is_valid=fr_nir.is_valid,
    ),
    IdForm(name="br_cpf", pattern=_form(r"[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}"), is_valid=br_cpf.is_valid),
    IdForm(name="be_nn", pattern=_form(r"[0-9]{2}\.[0-9]{2}\.[0-9]{2}-[0-9]{3}\.[0-9]{2}"), is_valid=be_nn.is_valid),
    IdForm(name="ch_ssn", pattern=_form(r"756[. ]?[0-9]{4}[. ]?[0-9]{4}[. ]?[0-9]{2}"), is_valid=ch_ssn.is_valid),
)
WITH_LETTERS: Final[tuple[IdForm, ...]] = (
    IdForm(
        name="gb_nino",
        pattern=_form(r"[A-Z]{2} ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D]", flags=re.IGNORECASE),
        is_valid=_is_nino,
    ),
    IdForm(name="es_dni", pattern=_form(r"[0-9]{8}[ -]?[A-Z]"), is_valid=es_dni.is_valid),
    IdForm(name="es_nie", pattern=_form(r"[XYZ][ -]?[0-9]{7}[ -]?[A-Z]"), is_valid=es_nie.is_valid),
    IdForm(
        name="it_codicefiscale",
        pattern=_form(r"[A-Z]{6}[0-9LMNP-V]{2}[A-EHLMPR-T][0-9LMNP-V]{2}[A-Z][0-9LMNP-V]{3}[A-Z]", flags=re.IGNORECASE),
        is_valid=it_codicefiscale.is_valid,
    ),
    IdForm(name="mx_curp", pattern=_form(r"[A-Z]{4}[0-9]{6}[HMX][A-Z]{5}[0-9A-Z][0-9]"), is_valid=mx_curp.is_valid),
    IdForm(name="fi_hetu", pattern=_form(r"[0-9]{6}[-+A-FU-Y][0-9]{3}[0-9A-FHJ-NPR-Y]"), is_valid=fi_hetu.is_valid),
    IdForm(
        name="in_pan",
        pattern=_form(r"[A-Z]{5}[0-9]{4}[A-Z]"),
        is_valid=in_pan.is_valid,
        words=any_of("pan|pan card|income tax|permanent account"),
    ),
)
NAMED_BY_A_WORD: Final[tuple[IdForm, ...]] = (
    IdForm(
        name="us_ssn",
        pattern=_form(r"[0-8][0-9]{8}|[0-8][0-9]{2} [0-9]{2} [0-9]{4}"),
        is_valid=_is_ssn,
        words=any_of(_US_WORDS),
    ),
    IdForm(
        name="de_idnr",
        pattern=_form(_ELEVEN),
        is_valid=de_idnr.is_valid,
        words=any_of(
            "steuer-?id|steuer-?idnr|steueridentifikationsnummer|steuernummer|idnr|identifikationsnummer|tax|tin"
        ),
    ),
    IdForm(
        name="pl_pesel",
        pattern=_form(r"[0-9]{11}"),
        is_valid=pl_pesel.is_valid,
        words=any_of("pesel|numer pesel|polish id|national id|id number"),
    ),
    IdForm(name="br_cpf", pattern=_form(r"[0-9]{11}"), is_valid=br_cpf.is_valid, words=any_of("cpf")),
    IdForm(
        name="nl_bsn",
        pattern=_form(rf"{_NINE}|[0-9]{{4}}[ .][0-9]{{2}}[ .][0-9]{{3}}"),
        is_valid=nl_bsn.is_valid,
        words=any_of("bsn|burgerservicenummer|sofinummer|dutch id|citizen service number"),
    ),
    IdForm(
        name="ca_sin",
        pattern=_form(_NINE),
        is_valid=ca_sin.is_valid,
        words=any_of("sin|social insurance|social insurance number|canadian"),
    ),
    IdForm(
        name="gb_nhs",
        pattern=_form(r"[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{4}"),
        is_valid=gb_nhs.is_valid,
        words=any_of("nhs|nhs number|health service"),
    ),
    IdForm(
        name="in_aadhaar",
        pattern=_form(r"[2-9][0-9]{3}[ -]?[0-9]{4}[ -]?[0-9]{4}"),
        is_valid=in_aadhaar.is_valid,
        words=any_of("aadhaar|aadhar|adhaar|uidai|uid|आधार"),
    ),
    IdForm(
        name="se_personnummer",
        pattern=_form(r"(?:[0-9]{2})?[0-9]{6}[-+]?[0-9]{4}"),
        is_valid=se_personnummer.is_valid,
        words=any_of("personnummer|personal number|swedish|samordningsnummer|social security"),
    ),
    IdForm(
        name="fr_nir",
        pattern=_form(r"[12](?:[ .-]?[0-9]){12}[ .-]?[0-9]{2}"),
        is_valid=fr_nir.is_valid,
        words=any_of("nir|sécu|sécurité sociale|securite sociale|insee|carte vitale"),
    ),
    IdForm(
        name="be_nn",
        pattern=_form(r"[0-9]{11}"),
        is_valid=be_nn.is_valid,
        words=any_of("rijksregister|rijksregisternummer|registre national|national register|niss"),
    ),
)
ANY_WORD: Final = any_of(
    "|".join(
        form.words.pattern.removeprefix(r"(?<![^\W_])(?:").removesuffix(r")(?![^\W_])")
        for form in NAMED_BY_A_WORD
        if form.words is not None
    )
)
"""One search says that no form of `NAMED_BY_A_WORD` can be in a text."""
