"""E-mail addresses."""

import re
from collections.abc import Iterator
from typing import Final

from context0.privacy.report import Finding

# The first character that may begin an address is the only one tried in a run of such characters: linear time.
_ADDRESS: Final = re.compile(
    r"(?<![\w.+%'-])['-]?(?P<local>[\w.+%'-]{1,64}+)@(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,6}(?:xn--[\w-]{2,58}|[^\W\d_]{2,24})(?![\w@])"
)
_SPELLED: Final = re.compile(  # jane (at) example (dot) com
    r"(?<![\w.+%-])[\w.+%-]{1,64}+ ?[(\[] ?(?:at|AT) ?[)\]] ?[\w-]{1,63}+"
    r"(?: ?[(\[] ?(?:dot|DOT) ?[)\]] ?[\w-]{1,63}+|\.[\w-]{1,63}+){1,4}"
)
_LOGINS: Final = frozenset({"git", "hg", "svn"})  # git@github.com:owner/name is the address of no person
_AUTHORITY_CHARACTERS: Final = 200


def find_emails(text: str) -> Iterator[Finding]:
    if "@" in text:
        for match in _ADDRESS.finditer(text):
            start = match.start("local")
            if match["local"] not in _LOGINS and not _is_user_of_url(text, start):
                yield Finding(kind="email", span=(start, match.end()))
    if "(at)" in text or "[at]" in text or " at ]" in text or "(AT)" in text or "[AT]" in text:
        for match in _SPELLED.finditer(text):
            yield Finding(kind="email", span=match.span())


def _is_user_of_url(text: str, start: int) -> bool:
    """Say whether `start` lies in the user or password of a URL: postgres://user:password@host."""
    before = text[max(0, start - _AUTHORITY_CHARACTERS) : start]
    scheme = before.rfind("://")
    return scheme >= 0 and not any(character in "/@ \t\n" for character in before[scheme + 3 :])
