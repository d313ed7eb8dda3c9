"""Tags that the writer marked: "#garden", or a line "Tags: garden, summer"."""

import re
import unicodedata

MAX_TAGS = 16

_HASHTAG = re.compile(r"#(?<![\w&/#]#)(\w{1,50})(?!\w)")  # the mark leads, so that the engine skips to it
_TAG_LINE = re.compile(
    r"^[ \t]{0,8}(?:tags?|topics?|labels?|stichworte|mots-clés|etiquetas):[ \t]?([^\n]{1,400})",
    re.IGNORECASE | re.MULTILINE,
)
_HEX_COLOUR = re.compile(r"(?=[a-f]*\d)(?:[\da-f]{3}|[\da-f]{6}|[\da-f]{8})")
_MAX_TAG_CHARACTERS = 50


def extract_tags(text: str) -> tuple[str, ...]:
    """Return the tags of `text`, casefolded, in order of appearance, each once, at most 16.

    Numbers (#12) and colours (#ff8800) are none. No other topic is guessed.
    """
    if ":" in text and (line := _TAG_LINE.search(text)):
        listed = [part.strip(" \t#.;") for part in re.split(r"[,;]", line.group(1))]
    elif "#" in text:
        listed = []
    else:
        return ()
    found: dict[str, None] = {}
    for raw in [*_HASHTAG.findall(text), *listed]:
        tag = " ".join(unicodedata.normalize("NFKC", raw).casefold().split())
        if tag and len(tag) <= _MAX_TAG_CHARACTERS and not tag.isdecimal() and not _HEX_COLOUR.fullmatch(tag):
            found[tag] = None
            if len(found) == MAX_TAGS:
                break
    return tuple(found)
