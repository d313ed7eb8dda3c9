"""Links and images in an answer that remembered text may have ordered: made inert while the answer is streamed.

Nothing else can leave an answer: this product runs no tools and fetches no address that a model writes.
"""

import re
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace
from typing import Final

from context0.llm.protocol import Chunk, Prompt
from context0.trust.links import Links, decoded, defused

_MOST_HELD: Final = 2_048
"""Characters that wait for the end of a link; what is longer is no link that anybody needs."""
_PARTS: Final = re.compile(
    r"\](?P<join>[(:])(?P<gap>\s*)(?P<target><[^<>\n]*>?|[^\s()<>]+)"
    r"|(?P<tag><[a-z!/][^>]*>?)"
    r"|(?P<bare>(?:\b[a-z][a-z0-9+.-]{1,20}:(?=[^\s:])|\bwww\.)[^\s<>\"`\])]+)"
    r"|(?P<host>\b[\w-]+(?:\.[\w-]+)+(?:[:/?#][^\s<>\"`\])]*)?)",
    re.IGNORECASE,
)
_LEADS: Final = re.compile(r"[\].:<]")
"""In every such part: to look for it costs a tenth of looking for them."""
_UNFINISHED: Final = re.compile(
    r"(?:\](?:[(:]\s*(?:<[^<>\n]*|[^\s()<>]*))?|<(?:[a-z!/][^>]*)?|[\w+.\-:/@%&;\\~#?=]+)\Z", re.IGNORECASE | re.ASCII
)
_ATTRIBUTE: Final = re.compile(r"[\w:-]+\s*=\s*(?:\"([^\"]*)\"?|'([^']*)'?|([^\s\"'>]+))")
_AUTOLINK: Final = re.compile(r"<[a-z][a-z0-9+.-]{1,30}:[^\s<>]*>?\Z", re.IGNORECASE)
_ACTIVE: Final = re.compile(
    r"<\s*/?\s*(?:script|style|iframe|frame|object|embed|svg|math|base|meta|link|form|video|audio)\b", re.IGNORECASE
)


class InertLinks:
    """Takes an answer piece by piece, and gives it back without what may not live; holds back at most a link's length.

    What is inert can still be read: `[x](https://evil.example/?d=1)` becomes `[x] (https[:]//evil[.]example/?d=1)`.
    """

    def __init__(self, links: Links) -> None:
        self._links = links
        self._held = ""
        self._given = ""

    def feed(self, text: str) -> str:
        """Return what can be said for certain so far."""
        self._held += text
        open_part = _UNFINISHED.search(self._held, max(0, len(self._held) - 2 * _MOST_HELD))
        start = len(self._held) if open_part is None else open_part.start()
        if len(self._held) - start > _MOST_HELD:
            return self._give(len(self._held), cut=True)
        return self._give(start)

    def end(self) -> str:
        """Return the rest."""
        return self._give(len(self._held))

    def _give(self, end: int, *, cut: bool = False) -> str:
        """Give what is held up to `end`. cut: the last part goes on, so that nobody knows where it leads."""
        text, self._held = self._held[:end], self._held[end:]
        shown = text
        if _LEADS.search(text):
            shown = _PARTS.sub(lambda part: self._shown(part, is_cut=cut and part.end() == len(text)), text)
        self._given = (self._given + text)[-_MOST_HELD:]
        return shown

    def _shown(self, part: re.Match[str], *, is_cut: bool) -> str:
        if part["target"] is not None:
            loads = part["join"] == ":" or "![" in self._given or "![" in part.string[: part.start()]
            if not is_cut and self._links.may_live(part["target"], loads=loads):
                return part[0]
            return f"] {part['join']}{part['gap']}{defused(part['target'])}"
        if part["tag"] is not None:
            if not is_cut and self._is_harmless(part[0]):
                return part[0]
            return "‹" + _PARTS.sub(lambda inner: self._shown(inner, is_cut=is_cut), part[0][1:])
        if part["bare"] is not None:
            return part[0] if not is_cut and self._links.may_live(part[0], loads=False) else defused(part[0])
        is_quiet = not self._links.is_named(re.split(r"[:/?#]", part[0])[0]) or self._links.is_own(part[0])
        return part[0] if is_quiet and not is_cut else defused(part[0])

    def _is_harmless(self, tag: str) -> bool:
        if _ACTIVE.match(tag):
            return False
        if _AUTOLINK.match(tag):
            return self._links.may_live(tag, loads=False)
        values = (value for found in _ATTRIBUTE.findall(tag) for value in found if value)
        absolute = (value for value in values if re.search(r":|[\\/]{2}", decoded(value)))
        return all(self._links.is_own(value) for value in absolute)


async def inert(stream: AsyncIterator[Chunk], prompt: Prompt) -> AsyncGenerator[Chunk, None]:
    """Yield an answer whose links may not carry off what is remembered. Closing it closes the stream.

    An answer to a prompt without anything recalled passes as it is.
    """
    text = None if not prompt.recalled else InertLinks(Links(own=prompt.own, recalled=prompt.recalled))
    try:
        async for chunk in stream:
            if text is None:
                yield chunk
                continue
            is_last = bool(chunk.model or chunk.usage)
            shown = text.feed(chunk.text) + (text.end() if is_last else "")
            if is_last and shown and not chunk.text:  # the last one has no text: what was held comes before it
                yield Chunk(text=shown)
                shown = ""
            yield chunk if shown == chunk.text else replace(chunk, text=shown)
    except Exception:  # an answer that broke off: what came of it is shown
        if text is not None and (rest := text.end()):
            yield Chunk(text=rest)
        raise
    finally:
        close = getattr(stream, "aclose", None)
        if close is not None:
            await close()
