"""Text without its disguises: what was hidden, spelled oddly or encoded, in the forms that rules can read. Pure."""

import base64
import binascii
import codecs
import html
import re
import unicodedata
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote

_TAGS: Final = re.compile("[\U000e0020-\U000e007e]{4,}")
_FLAG: Final = "\U0001f3f4"  # a flag of a region is a black flag and its letters as tags
_OVERRIDE: Final = re.compile("[\u202d\u202e]")
_INVISIBLE: Final = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff"
    "\ufff0-\ufffb\U000e0000-\U000e0fff]"
)
_SPLIT_WORDS: Final = re.compile("[a-zA-Z][\u200b\u200c\u2060\ufeff\u00ad][a-zA-Z]")
_MOST_SPLIT: Final = 8
"""A word that was copied from a page may be split; nobody splits so many by accident."""
_LOOKALIKES: Final = str.maketrans(
    "авекмнорстухіјѕԁһԛԝѵүӏαβεηικνοπρτυχωлгдп", "abekmhopctyxijsdhqwvyiaβenikvonptuxwлгдп"
)
_LATIN: Final = re.compile("[a-z]")
_LOOKALIKE: Final = re.compile("[\u0370-\u03ff\u0400-\u052f]")
_LEET: Final = str.maketrans("013457@$!", "oieastasi")
_MIXED: Final = re.compile(r"\b(?=\w{0,20}[a-z])(?=\w{0,20}[013457])\w{2,21}\b")
_MIXTURE: Final = re.compile("[a-z][013457]|[013457][a-z]")
_MAY_BE_MIXED: Final = re.compile("[013457](?:(?<=[a-z].)|(?=[a-z]))")
"""In every mixture; the digit leads, so that the regex engine skips to the next (2.0 -> 0.8 us)."""
_SPACED: Final = re.compile(r"\b(?:[a-z][ .\-_]){2,40}[a-z]\b")
_MAY_BE_SPACED: Final = re.compile(r"[ .\-_][a-z][ .\-_][a-z](?:_|\b)")
"""In every such word; the mark leads, so that the regex engine skips to the next (3.4 -> 1.4 us)."""
_BASE64: Final = re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{16,4096}={0,2}")
_HEX: Final = re.compile(r"\b(?:[0-9a-fA-F]{2}[ :]?){12,4096}")
_HEX_BLANK: Final = "20"
"""What says something holds a blank."""
_ESCAPES: Final = re.compile(r"(?:%[0-9A-Fa-f]{2}){3}|(?:&#x?[0-9A-Fa-f]{2,6};){3}")
_TURNED: Final = tuple(
    turned
    for word in ("ignore", "disregard", "instruction", "system prompt", "guideline", "the user", "memory")
    for turned in (codecs.encode(word, "rot13"), word[::-1])
)
_PRINTABLE_SHARE: Final = 0.9


def is_hidden(text: str) -> bool:
    """Tell whether text hides letters: as unicode tags, behind a change of direction, or split by invisible marks."""
    if text.isascii():
        return False
    tags = _TAGS.search(text)
    if tags is not None and text[tags.start() - 1 : tags.start()] != _FLAG:
        return True
    return _OVERRIDE.search(text) is not None or len(_SPLIT_WORDS.findall(text)) >= _MOST_SPLIT


def folded(text: str) -> str:
    """Return text in lower case, without accents, invisible marks and other forms of letters; line breaks stay."""
    if not text.isascii():
        text = _INVISIBLE.sub("", _TAGS.sub("", text))
        letters = unicodedata.normalize("NFKD", text)
        text = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return text.casefold().replace("’", "'")


def latin(text: str) -> str:
    """Return text with other forms of Latin letters, and letters that look like them, as these: one for one."""
    if text.isascii():
        return text
    plain = (found if len(found := unicodedata.normalize("NFKC", letter)) == 1 else letter for letter in text)
    return "".join(plain).translate(_LOOKALIKES)


def undisguised(text: str, plain: str | None = None) -> Iterator[str]:
    """Yield other readings of text, folded: only such as its letters give reason for. Each costs its length.

    plain: text folded, where that was done before.
    """
    plain = folded(text) if plain is None else plain
    if not text.isascii():
        hidden = "".join(chr(ord(letter) - 0xE0000) for run in _TAGS.findall(text) for letter in run)
        if hidden:
            yield folded(hidden)
        if _LOOKALIKE.search(plain) and _LATIN.search(plain):
            yield plain.translate(_LOOKALIKES)
    if _MAY_BE_MIXED.search(plain) and len(_MIXTURE.findall(plain)) > 2 and len(_MIXED.findall(plain)) > 1:
        yield _MIXED.sub(lambda word: word[0].translate(_LEET), plain)
    if _MAY_BE_SPACED.search(plain) and _SPACED.search(plain):
        yield _SPACED.sub(lambda word: re.sub(r"[ .\-_]", "", word[0]), plain)
    if _holds_turned(plain):
        yield codecs.encode(plain, "rot13")
        yield plain[::-1]
    yield from map(folded, _decoded(text))


def _holds_turned(plain: str) -> bool:
    for word in _TURNED:  # noqa: SIM110 - `any` over a generator takes twice as long
        if word in plain:
            return True
    return False


def _decoded(text: str) -> Iterator[str]:
    if ("%" in text or "&#" in text) and _ESCAPES.search(text):
        yield unquote(html.unescape(text))
    for match in _BASE64.finditer(text):
        yield from _readable(_unbase64(match[0]))
    for match in _HEX.finditer(text) if _HEX_BLANK in text else ():
        digits = re.sub(r"[ :]", "", match[0])
        yield from _readable(bytes.fromhex(digits[: len(digits) // 2 * 2]))


def _unbase64(text: str) -> bytes:
    bare = text.rstrip("=").translate(str.maketrans("-_", "+/"))
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4))
    except binascii.Error:
        return b""


def _readable(data: bytes) -> Iterator[str]:
    """Yield what bytes say, if they say something: text of more than a word."""
    text = data.decode("utf-8", "ignore")
    shown = sum(letter.isprintable() for letter in text)
    if " " in text and shown >= _PRINTABLE_SHARE * max(1, len(data)):
        yield text
