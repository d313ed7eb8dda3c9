"""Finds a secret again where it is repeated without the words that gave it away."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from context0.privacy.report import Finding, FindingKind

MAX_SECRETS: Final = 16
"""Different secrets of one text that are looked for again; one search for all."""
_MIN_CHARACTERS: Final = 6
_SECRETS: Final[frozenset[FindingKind]] = frozenset({"password", "api_key", "token"})


def find_repeats(text: str, findings: Sequence[Finding]) -> Iterator[Finding]:
    """Yield every place of a secret that was found, when it has six characters or more and is not a plain word."""
    kinds: dict[str, FindingKind] = {}
    for finding in findings:
        value = text[slice(*finding.span)]
        if finding.kind in _SECRETS and len(value) >= _MIN_CHARACTERS and not value.isalpha():
            kinds.setdefault(value, finding.kind)
            if len(kinds) == MAX_SECRETS:
                break
    if not kinds:
        return
    alternatives = "|".join(map(re.escape, sorted(kinds, key=len, reverse=True)))
    for match in re.finditer(rf"(?<!\w)(?:{alternatives})(?!\w)", text):
        yield Finding(kind=kinds[match.group()], span=match.span())
