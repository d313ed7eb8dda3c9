"""Secrets of any length: private keys between PEM lines, JSON web tokens, passwords inside URLs.

These are looked for in the whole text, whatever its length, since a window could cut them in two. Each place in the
text is looked at a fixed number of times.
"""

import re
from collections.abc import Iterator
from typing import Final

from context0.privacy.report import Finding
from context0.privacy.secret_values import PLACEHOLDERS

_PEM_BEGIN: Final = re.compile(r"-----BEGIN (?:[A-Z0-9]{1,16} ){0,3}PRIVATE KEY(?: BLOCK)?-----")
_PEM_END: Final = re.compile(r"-----END (?:[A-Z0-9]{1,16} ){0,3}PRIVATE KEY(?: BLOCK)?-----")
_JWT: Final = re.compile(r"(?<![\w-])eyJ[\w-]{8,}+\.[\w-]{8,}+(?:\.[\w-]{8,}+|\.(?![\w-]))")
_URL_PASSWORD: Final = re.compile(r"://[^\s:/?#@]{0,64}+:([^\s/?#\"'<>]{1,256})@(?=[\w\[])")
_VARIABLE: Final = re.compile(r"[<${%*\[]|(?:password|passwd|pass|pwd|user)$", re.IGNORECASE)


def find_sealed_blocks(text: str) -> Iterator[Finding]:
    if "-----BEGIN" in text:
        yield from _private_keys(text)
    if "eyJ" in text:
        for match in _JWT.finditer(text):
            yield Finding(kind="jwt", span=match.span())
    if "://" in text:
        for match in _URL_PASSWORD.finditer(text):
            if match.group(1) not in PLACEHOLDERS and not _VARIABLE.match(match.group(1)):
                yield Finding(kind="password", span=match.span(1))


def _private_keys(text: str) -> Iterator[Finding]:
    """Yield each block; one without an end goes on to the end of the text."""
    place = 0
    while (begin := _PEM_BEGIN.search(text, place)) is not None:
        end = _PEM_END.search(text, begin.end())
        place = len(text) if end is None else end.end()
        yield Finding(kind="private_key", span=(begin.start(), place))
