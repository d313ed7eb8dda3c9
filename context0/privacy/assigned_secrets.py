"""Secrets that the words before them give away: "my password is …", `API_KEY=…`, "PIN: …"."""

import re
from collections.abc import Iterator
from typing import Final

from context0.privacy.claimed_values import Claim, kind_of
from context0.privacy.report import Finding
from context0.privacy.secret_values import looks_random, starts_with_placeholder
from context0.privacy.secret_words import NAMES_OF_CODES, NAMES_OF_KEYS, NAMES_OF_PASSWORDS

_HINTS: Final = (
    *("pass", "key", "token", "secret", "code", "pin", "pwd", "cvv", "cvc", "otp", "credential"),
    *("kennwort", "contraseña", "clave", "senha", "wachtwoord", "hasło", "пароль"),
)
"""One is in every name below; eighteen plain searches cost a tenth of one for the names."""
_SAID: Final = re.compile(
    rf"(?<![^\W_])(?:(?P<password>{NAMES_OF_PASSWORDS})|(?P<code>{NAMES_OF_CODES})|(?P<keyed>{NAMES_OF_KEYS})|(?P<key>key))(?![^\W_])(?!\])"
    r"(?P<joined>(?P<filler>[\"'`]?(?:[ \t_][A-Za-z'’-]{1,20}){0,5}?[\"'`]?)"
    r"(?:[ \t]{0,3}(?P<mark>[:=]{1,2}>?|->|→)|[ \t](?P<verb>is|was|be|to|ist|war|lautet|est|es|é)(?=[ \t:]):?)"
    r"(?:[ \t]{1,2}(?:now|still|currently|just|set to))?[ \t]{0,4}(?:\n[ \t]{0,8})?|[ \t])"
    r"(?:\"(?P<double>[^\"\n]{4,128})\"|'(?P<single>[^'\n]{4,128})'|[`“„](?P<tick>[^`”“\n]{4,128})[`”“]|[\"'`]?(?P<bare>[^\s\"'`“”,]{3,512}))",
    re.IGNORECASE,
)
_BEARER: Final = re.compile(r"\b(?:bearer|basic)[ \t]{1,3}([A-Za-z0-9._~+/-]{12,}+={0,2})", re.IGNORECASE)
_TRAILING: Final = ".,;:)]}"  # not "!" and "?": passwords often end so
_NEXT_FIELD: Final = re.compile(r"[&;](?=[\w.-]{1,40}=)")  # name=value&name=value
_USED_AS: Final = re.compile(
    rf"(?<!\w)(?:use|used|using|take|set|with) (\S{{6,128}}) as (?:my|the|a|his|her|our|your)(?: [a-z]{{1,12}})?"
    rf" (?:{NAMES_OF_PASSWORDS})",
    re.IGNORECASE,
)


def find_assigned_secrets(text: str) -> Iterator[Finding]:
    if "earer" in text or "asic " in text or "BEARER" in text:
        for match in _BEARER.finditer(text):
            if looks_random(match.group(1), min_characters=12):
                yield Finding(kind="token", span=match.span(1))
    lowered = text.lower()
    if not any(map(lowered.__contains__, _HINTS)):
        return
    yield from _announced(text)
    for match in _USED_AS.finditer(text):
        if not match.group(1).isalpha() and not starts_with_placeholder(match.group(1)):
            yield Finding(kind="password", span=match.span(1))


def _announced(text: str) -> Iterator[Finding]:
    """Yield the values that follow a name. What is no secret is read on, as it may hold the next name."""
    place = 0
    while (match := _SAID.search(text, place)) is not None:
        claim = _claim(text, match)
        kind = None if claim is None else kind_of(claim)
        if claim is None or kind is None:
            place = match.start("joined")
            continue
        place = match.start(match.lastgroup or "bare") + len(claim.value)
        yield Finding(kind=kind, span=(place - len(claim.value), place))


def _claim(text: str, match: re.Match[str]) -> Claim | None:
    """Return what the match says, or None where the value was masked before."""
    style = match.lastgroup or "bare"
    value = match[style]
    if starts_with_placeholder(value):
        return None
    if style == "bare":
        value = _NEXT_FIELD.split(value, maxsplit=1)[0].rstrip(_TRAILING)
    return Claim(
        value=value,
        name=next(name for name in ("password", "code", "keyed", "key") if match[name]),
        called=next(match[name] for name in ("password", "code", "keyed", "key") if match[name]).lower(),
        quoted=style != "bare",
        marked=bool(match["mark"]),
        said=bool(match["verb"]),
        direct=not (match["filler"] or "").strip("\"'`"),
        ends=text[match.end() : match.end() + 1] in ("", "\n", "\r"),
    )
