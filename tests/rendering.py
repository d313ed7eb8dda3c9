"""What a page would load or lead to, were an answer shown on it: by a Markdown renderer, and bare addresses."""

import re
from html.parser import HTMLParser
from typing import Final

from markdown_it import MarkdownIt

_BARE: Final = re.compile(r"(?:\b[a-z][a-z0-9+.-]{1,20}://|\bwww\.)[^\s<>\"`]+", re.IGNORECASE)
_LOADING: Final = frozenset({"src", "srcset", "href", "data", "poster", "action", "background"})


class _Addresses(HTMLParser):
    """Collects the addresses of a page: those of its tags, and those that stand in its text."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if name in _LOADING and value]

    def handle_data(self, data: str) -> None:
        self.found += _BARE.findall(data)


def living_addresses(answer: str) -> list[str]:
    """Return what is a link or is loaded: Markdown, HTML in it, and addresses that a page makes links of."""
    renderer = MarkdownIt("commonmark", {"html": True})
    renderer.validateLink = lambda _: True  # type: ignore[method-assign]  # a careless one, that takes every scheme
    page = _Addresses()
    page.feed(renderer.render(answer))
    page.close()
    return page.found
