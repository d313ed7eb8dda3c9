"""Where the object of a fact begins and ends in the words behind a verb, and what items it lists."""

import re
from collections.abc import Collection
from types import MappingProxyType
from typing import NamedTuple

from context0.memory.rules.time_words import QUANTITIES, TRIGGERS
from context0.memory.rules.word_set import word_set

MAX_READ, MAX_ITEMS = 240, 8
_MAX_CHARACTERS, _MAX_WORDS = 80, 8

# Where any object ends: at a mark, at one of these words, or at one that another follows.
_PIECE = re.compile(r"[\w'-]+|[.;!?()\[\]\n…—–|:]|\s-+\s")
_ENDING = word_set("""
because cause cuz 'cause when whenever where which who whose that so if though although while until now anymore
nowadays again too either instead lately currently together every each last next yesterday today tonight tomorrow ago
lol haha btw but especially particularly please actually during than however not recently already just like unless
except besides always often since i i'm i've we he she they
""")
_ENDING_BEFORE = MappingProxyType(
    {
        "any": word_set("more longer"),
        "all": word_set("my the year"),
        "these": word_set("days"),
        "at": word_set("the"),
        "right": word_set("now"),
        "as": word_set("well"),
        "a": word_set("lot year month week day few couple"),
        "an": word_set("hour"),
        "very": word_set("much"),
        "the": word_set("most"),
        "more": word_set("than"),
        "better": word_set("than"),
        "less": word_set("than"),
        "ever": word_set("since"),
        "this": word_set("week month year morning evening afternoon summer winter spring autumn fall weekend"),
        "for": frozenset(QUANTITIES) | word_set("the about over almost many several now years months weeks days ages"),
    }
)
_SPANS_OF_TIME = word_set("year years month months week weeks day days hour hours")
_JOINED = re.compile(r"\s*,\s*(?:and\s|or\s|&\s)?\s*|\s+(?:and|or|nor|&)\s+", re.IGNORECASE)
_JOINT = re.compile(r"\s(?:and|or|nor|&)\s", re.IGNORECASE)
_PREPOSITION = re.compile(r"\s(?:with|about|in|of|for|to|from|on|into|between|at)\s")
_PAIRS = re.compile(
    r"\b(?:fish and chips|rock and roll|mac and cheese|salt and pepper|dungeons and dragons|black and white|"
    r"peanut butter and jelly|bed and breakfast|arts and crafts|country and western|track and field|drum and bass|"
    r"bread and butter)\b",
    re.IGNORECASE,
)
_DETERMINER = re.compile(
    r"(?:a|an|the|my|our|some|any|all|both|his|her|their|lots of|a lot of|a little|a bit of)\s+", re.IGNORECASE
)
WORD = re.compile(r"[\w'-]+")
EDGES = " \t\r\n,.;:!?\"'“”„«»()[]{}*_~-–—"
DEICTIC = word_set("""
it that this these those you your yours him her them me us myself yourself how what when where why who everything
anything nothing something someone everyone one ones both here there mine his hers its their each other such neither
""")
_NEVER_INSIDE = word_set("""
is are was were am be been can can't cannot will won't would wouldn't could should might may do does did don't doesn't
i i'm i've it you you're it's that's he she they we we're they're n't not need think guess hope them him me us myself
""")
_PLACE_STOP = re.compile(r",|\s(?:and|or|with|for|from|near|by|after|before|on|at|to|in|as|over|around|about|alone)\b")
_THING_TIME = re.compile(r"\s(?:in|on|at) (?:the )?([a-z]+)", re.IGNORECASE)


class Rest(NamedTuple):
    """The words behind a verb as written. loose: the text is all in small letters, so that a name needs no capital."""

    text: str
    loose: bool = False


def cut(text: str) -> str:
    """Return `text` up to where any object ends, at most 240 characters of it."""
    text = text[:MAX_READ]
    before, start = "", 0
    for piece in _PIECE.finditer(text):
        word = piece.group().lower()
        if (before in _ENDING_BEFORE and word in _ENDING_BEFORE[before]) or (
            word in _SPANS_OF_TIME and (before in QUANTITIES or before.isdecimal())
        ):
            return text[:start].rstrip(", ")
        if word in _ENDING or not (word[0].isalnum() or word[0] == "'"):
            if word == ":" and text[piece.end() : piece.end() + 1].strip():
                continue
            return text[: piece.start()].rstrip(", ")
        before, start = word, piece.start()
    return text


def cut_place(text: str) -> str:
    """Return `text` up to where a name of a place, an employer or a job ends: before any preposition too."""
    text = cut(text)
    stop = _PLACE_STOP.search(text)
    return text[: stop.start()] if stop else text


def clean(text: str) -> str:
    """Return `text` without the article or possessive at its head and the marks at its edges."""
    text = text.strip(EDGES)
    while found := _DETERMINER.match(text):
        text = text[found.end() :].lstrip()
    return text


def fits(text: str) -> bool:
    return 0 < len(text) <= _MAX_CHARACTERS and text.count(" ") < _MAX_WORDS


def points(words: Collection[str]) -> bool:
    """Tell words that only point, "that one", or are a clause of their own, "how it is", from a thing."""
    return not (DEICTIC.isdisjoint(words) and _NEVER_INSIDE.isdisjoint(words))


def items_of(text: str) -> list[str]:
    """Split "tea, coffee and milk" in its items; parts with nothing but commas between them are no list.

    In "trips with friends and family" the preposition holds both nouns, so it is one item.
    """
    if " " not in text.strip():
        return [text]
    if " and " in text and _PAIRS.search(text):
        text = _PAIRS.sub(lambda pair: pair.group().replace(" ", "\0"), text)
    parts = [part.replace("\0", " ") for part in _JOINED.split(text, MAX_ITEMS)][:MAX_ITEMS]
    if len(parts) > 1 and not _JOINT.search(text):
        return [] if _is_adjective(parts[0].split(), parts[1].split()) else parts[:1]
    if len(parts) == 2 and _PREPOSITION.search(parts[0]) and not parts[1].split(" ")[0].endswith("ing"):
        return [text.replace("\0", " ")]
    return parts


def _is_adjective(first: list[str], second: list[str]) -> bool:
    """Tell the head of "simple, small parts" and of "making a safe, open place" from a thing and a remark."""
    if len(second) <= 1:
        return False
    return len(first) == 1 or (len(first) > 2 and first[-2].lower() in ("a", "an"))


def without_time(text: str) -> str:
    """Cut "skiing in winter" before its time."""
    found = _THING_TIME.search(text)
    return text[: found.start()] if found and found.group(1).lower().rstrip("s") in TRIGGERS else text
