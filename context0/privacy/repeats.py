"""Finds a secret again where it is repeated without the words that gave it away."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from context0.privacy.report import Finding, FindingKind

MAX_SECRETS: Final = 16
"""Different secrets of one text that are looked for again."""
_MIN_CHARACTERS: Final = 6
_MAX_CHARACTERS: Final = 512
_SECRETS: Final[frozenset[FindingKind]] = frozenset({"password", "api_key", "token"})


def secrets_in(text: str, findings: Sequence[Finding]) -> Mapping[str, FindingKind]:
    """Return the first 16 secrets of six characters or more that are no plain word, with their kinds."""
    kinds: dict[str, FindingKind] = {}
    for finding in findings:
        start, end = finding.span
        if finding.kind in _SECRETS and _MIN_CHARACTERS <= end - start <= _MAX_CHARACTERS:
            value = text[start:end]
            if not value.isalpha():
                kinds.setdefault(value, finding.kind)
                if len(kinds) == MAX_SECRETS:
                    break
    return kinds


def find_again(secrets: Mapping[str, FindingKind], text: str, start: int, end: int) -> Iterator[Finding]:
    """Yield each place of a secret that begins in [start, end) and is not part of a longer word, found before or not.

    By plain search: a pattern made of a secret would stay in the cache of `re`.
    """
    for value, kind in secrets.items():
        stop = min(len(text), end + len(value) - 1)
        place = text.find(value, start, stop)
        while place >= 0:
            behind = place + len(value)
            if not (text[max(0, place - 1) : place].isalnum() or text[behind : behind + 1].isalnum()):
                yield Finding(kind=kind, span=(place, behind))
            place = text.find(value, behind, stop)
