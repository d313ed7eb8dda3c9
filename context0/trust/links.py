"""Which addresses an answer may hold as living links: those that stand in the user's own words, and harmless ones."""

import html
import re
from collections.abc import Iterable
from functools import cached_property
from typing import Final
from urllib.parse import unquote

from context0.trust.disguise import undisguised

_HOST: Final = re.compile(r"[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
_ABSOLUTE: Final = re.compile(r"(?:([a-z][a-z0-9+.-]{0,20}):)?([\\/]{0,8})([^\\/?#\s]{0,300})", re.IGNORECASE)
_WEB: Final = ("http", "https", "")
_ESCAPED: Final = re.compile(r"\\([!-/:-@\[-`{-~])")
_ELSEWHERE: Final = 2
"""Slashes from which an address without a scheme leads to another host."""
_TRAILING: Final = ".,;:!?)\"'*_~]"


class Links:
    """Judges addresses for one answer. own: what the user said himself; recalled: what else the prompt remembers.

    An image is loaded without a click, and what is behind a question mark travels along: those must stand in the
    user's own words, letter by letter. Another link must not lead to a host that only recalled text names.
    """

    def __init__(self, *, own: Iterable[str], recalled: Iterable[str]) -> None:
        self._own = "\n".join(own)
        self._recalled = tuple(recalled)

    @cached_property
    def _named(self) -> frozenset[str]:
        """The hosts that recalled text names; looked for when an answer names one, as few do: 0.3 ms."""
        texts = [reading for text in self._recalled for reading in (text.casefold(), *undisguised(text))]
        return frozenset(host for text in texts for host in _HOST.findall(text))

    def may_live(self, address: str, *, loads: bool) -> bool:
        """Tell whether `address`, as it stands in an answer, may be a link. loads: it is fetched without a click."""
        plain = decoded(address)
        scheme, slashes, place = _parts(plain)
        if not scheme and len(slashes) < _ELSEWHERE and not plain.casefold().startswith("www."):
            return True  # relative: it leads to where the answer is shown
        if self._is_said(plain):
            return True
        if loads or scheme not in _WEB or "@" in place or "?" in plain or "#" in plain:
            return False
        return not self.is_named(place)

    def is_named(self, host: str) -> bool:
        """Tell whether recalled text names the host, one above it, or one below it."""
        host = unquote(host).casefold().partition(":")[0].strip(".")
        return any(host == name or host.endswith(f".{name}") or name.endswith(f".{host}") for name in self._named)

    def is_own(self, text: str) -> bool:
        return self._is_said(decoded(text))

    def _is_said(self, address: str) -> bool:
        bare = address.rstrip(_TRAILING)
        place = self._own.find(bare) if bare else -1
        while place >= 0:
            after = self._own[place + len(bare) : place + len(bare) + 1]
            if not after or after.isspace() or after in _TRAILING or after in "/)>]}":
                return True
            place = self._own.find(bare, place + 1)
        return False


def decoded(address: str) -> str:
    """Return an address as a browser sees it behind the escapes of Markdown and HTML."""
    return _ESCAPED.sub(r"\1", html.unescape(address.strip("<>"))).strip()


def defused(address: str) -> str:
    """Return an address that people can read and no program takes for one: https[:]//evil[.]example/x"""
    plain = decoded(address)
    scheme, slashes, place = _parts(plain)
    if scheme:
        start = len(scheme) + 1 + len(slashes)
        return f"{scheme}[:]{slashes}{place.replace('.', '[.]')}{plain[start + len(place) :]}"
    start = len(slashes)
    return f"{slashes}{place.replace('.', '[.]')}{plain[start + len(place) :]}"


def _parts(address: str) -> tuple[str, str, str]:
    """Return (scheme, slashes, host) as leniently as browsers read them."""
    match = _ABSOLUTE.match(address)
    if match is None:
        return "", "", ""
    return (match[1] or "").casefold(), match[2], match[3]
