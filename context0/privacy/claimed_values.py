"""Decides whether a value is the secret that the words before it announce."""

import re
from dataclasses import dataclass
from typing import Final, Literal

from context0.privacy.report import FindingKind
from context0.privacy.secret_values import is_plain, is_uuid, looks_random
from context0.privacy.secret_words import ORDINARY_WORDS

AnnouncedBy = Literal["password", "code", "keyed", "key"]
"""keyed: "API key", "token", "client secret". key: the bare word, which means many other things too."""

_ENDINGS: Final = ("ed", "ing", "able", "ible", "ive", "ly", "ous", "ful", "less", "ment", "tion")
_TEMPLATE: Final = re.compile(r"[<{$%]|(?:os\.environ|process\.env|env\.|getenv|config\.|settings\.)")
_MASKS: Final = frozenset("*•xX.…_-")
_HARMLESS_SIGNS: Final = frozenset("-'’./")
_MIN_PASSWORD: Final = 4
_MIN_WORD: Final = 5
_MIN_FIGURES: Final = 6
_CODE_FIGURES: Final = (3, 8)
_CARD_CODES: Final = ("cv", "security")


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A value with a name before it. called: the name as written, in lower case.

    marked: joined to it by ":" or "="; said: by "is" or the like; neither: it only follows. direct: no words between
    name and joint. ends: nothing follows on the line.
    """

    value: str
    name: AnnouncedBy
    called: str
    quoted: bool
    marked: bool
    said: bool
    direct: bool
    ends: bool

    @property
    def joined(self) -> bool:
        return self.marked or self.said


def kind_of(claim: Claim) -> FindingKind | None:
    """Return what the value is, or None for anything but a secret."""
    match claim.name:
        case "code":
            return "password" if _is_code(claim) else None
        case "password":
            return "password" if _is_password(claim) else None
        case "key":
            random = looks_random(claim.value, min_characters=16) and not is_uuid(claim.value)
            return "api_key" if random and (claim.joined or not _is_hex(claim.value)) else None
        case "keyed":
            kind: FindingKind = "token" if "token" in claim.called else "api_key"
            return kind if looks_random(claim.value, min_characters=8 if claim.marked else 12) else None


def _is_code(claim: Claim) -> bool:
    least, most = _CODE_FIGURES
    if not claim.joined and not claim.called.startswith(_CARD_CODES):
        least = _MIN_PASSWORD
    return claim.value.isdigit() and least <= len(claim.value) <= most


def _is_password(claim: Claim) -> bool:
    value = claim.value
    if len(value) < _MIN_PASSWORD or _TEMPLATE.match(value) or set(value) <= _MASKS:
        return False
    if claim.quoted and claim.joined:
        return True
    if value.isdigit():
        return claim.direct and (claim.joined or len(value) >= _MIN_FIGURES)
    if is_plain(value):
        return False
    figures = any(map(str.isdigit, value))
    signs = any(not (character.isalnum() or character in _HARMLESS_SIGNS) for character in value.rstrip("!?"))
    if claim.joined:
        return figures or signs or _is_chosen_word(claim)
    mixed = value != value.lower() or not value.isalnum()
    return figures and mixed and any(map(str.isalpha, value))


def _is_chosen_word(claim: Claim) -> bool:
    """Say whether a plain word is a password: mixed like correctHorse, or the last of its line and no usual word."""
    word = claim.value.rstrip("!?")
    if word not in (word.lower(), word.upper(), word.capitalize()):
        return True
    usual = word.lower() in ORDINARY_WORDS or word.lower().endswith(_ENDINGS)
    return claim.ends and claim.direct and len(word) >= _MIN_WORD and not usual


def _is_hex(value: str) -> bool:
    return all(character in "0123456789abcdefABCDEF" for character in value)
