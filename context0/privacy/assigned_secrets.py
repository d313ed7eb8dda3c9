"""Secrets that the words before them give away: "my password is …", `API_KEY=…`, "PIN: …"."""

import re
from collections.abc import Iterator
from typing import Final

from context0.privacy.report import Finding, FindingKind
from context0.privacy.secret_values import is_plain, is_uuid, looks_random, starts_with_placeholder
from context0.privacy.secret_words import NAMES_OF_CODES, NAMES_OF_KEYS, NAMES_OF_PASSWORDS, ORDINARY_WORDS

_GATE: Final = re.compile(
    r"pass|pwd|kennwort|contraseña|clave|senha|wachtwoord|hasło|пароль|pin|cv[vc]|code|otp|token|secret|key|credential",
    re.IGNORECASE,
)
_SAID: Final = re.compile(
    rf"(?<![^\W_])(?:(?P<password>{NAMES_OF_PASSWORDS})|(?P<digits>{NAMES_OF_CODES})|(?P<keyed>{NAMES_OF_KEYS})|(?P<key>key))(?![^\W_])(?!\])"
    r"(?P<joined>(?P<filler>[\"'`]?(?:[ \t_][A-Za-z'’-]{1,20}){0,5}?[\"'`]?)"
    r"(?:[ \t]{0,3}(?P<mark>[:=]{1,2}>?|->|→)|[ \t](?P<verb>is|was|be|to|ist|war|lautet|est|es|é)(?=[ \t:]):?)"
    r"(?:[ \t]{1,2}(?:now|still|currently|just|set to))?[ \t]{0,4}(?:\n[ \t]{0,8})?|[ \t])"
    r"(?:\"(?P<double>[^\"\n]{4,128})\"|'(?P<single>[^'\n]{4,128})'|[`“„](?P<tick>[^`”“\n]{4,128})[`”“]|[\"'`]?(?P<bare>[^\s\"'`“”,;&]{3,512}))",
    re.IGNORECASE,
)
_BEARER: Final = re.compile(r"\b(?:bearer|basic)[ \t]{1,3}([A-Za-z0-9._~+/-]{12,}+={0,2})", re.IGNORECASE)
_TRAILING: Final = ".,;:!?)]}"
_ORDINARY_ENDINGS: Final = ("ed", "ing", "able", "ible", "ive", "ly", "ous", "ful", "less", "ment", "tion")
_MIN_PASSWORD: Final = 4
_MIN_WORD: Final = 5


def find_assigned_secrets(text: str) -> Iterator[Finding]:
    if "earer" in text or "asic " in text:
        for match in _BEARER.finditer(text):
            if looks_random(match.group(1), min_characters=12):
                yield Finding(kind="token", span=match.span(1))
    if _GATE.search(text) is None:
        return
    for match in _SAID.finditer(text):
        if (finding := _read(text, match)) is not None:
            yield finding


def _read(text: str, match: re.Match[str]) -> Finding | None:
    quoted = match.lastgroup != "bare"
    name = match.lastgroup or "bare"
    start = match.start(name)
    value = match[name] if quoted else match[name].rstrip(_TRAILING)
    if not value or starts_with_placeholder(value):
        return None
    kind = _kind_of(text, match, value, quoted=quoted)
    return None if kind is None else Finding(kind=kind, span=(start, start + len(value)))


def _kind_of(text: str, match: re.Match[str], value: str, *, quoted: bool) -> FindingKind | None:
    joined = bool(match["mark"] or match["verb"])
    if match["digits"]:
        return (
            "password" if value.isdigit() and 3 <= len(value) <= 8 and (joined or len(value) >= _MIN_PASSWORD) else None
        )
    if match["password"]:
        return "password" if _is_password(text, match, value, quoted=quoted) else None
    if match["key"]:
        random = looks_random(value, min_characters=16) and not is_uuid(value)
        return "api_key" if random and (joined or not _is_hex(value)) else None
    if looks_random(value, min_characters=8 if match["mark"] else 12):
        return "token" if "token" in match["keyed"].lower() else "api_key"
    return None


def _is_password(text: str, match: re.Match[str], value: str, *, quoted: bool) -> bool:
    if len(value) < _MIN_PASSWORD or _is_template(value):
        return False
    if quoted and (match["mark"] or match["verb"]):
        return True
    if is_plain(value) and not (value.isdigit() and not match["filler"]):
        return False
    marked = any(map(str.isdigit, value)) or any(
        not (character.isalnum() or character in "-'’./") for character in value
    )
    if match["mark"] or match["verb"]:
        if marked:
            return True
        return _is_chosen_word(text, match, value)
    mixed = value != value.lower() or any(not character.isalnum() for character in value)
    return marked and mixed and any(map(str.isalpha, value)) and any(map(str.isdigit, value))


def _is_template(value: str) -> bool:
    return value[0] in "<{$%" or set(value) <= set("*•xX.…_-")


def _is_chosen_word(text: str, match: re.Match[str], value: str) -> bool:
    """Say whether a plain word is a password: the last of its line, said of the password itself, no usual word."""
    if value != value.lower() and value[1:] != value[1:].lower() and value != value.upper():
        return True  # correctHorse
    ends = text[match.end() : match.end() + 1] in ("", "\n", "\r")
    word = value.lower()
    plain = word in ORDINARY_WORDS or word.endswith(_ORDINARY_ENDINGS)
    return ends and not match["filler"].strip("\"'`") and len(word) >= _MIN_WORD and not plain


def _is_hex(value: str) -> bool:
    return all(character in "0123456789abcdefABCDEF" for character in value)
