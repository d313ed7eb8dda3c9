"""Reading names from the words behind a verb: of people and pets, of places to live, of employers and schools."""

import re

from context0.memory.rules.capitals import is_calendar_word, is_common, never_a_name
from context0.memory.rules.fact_cuts import DEICTIC, EDGES, Rest, clean, cut, cut_place, fits, items_of
from context0.memory.rules.fact_words import COUNTRIES, NATIONALITIES, NOT_PLACES, ROLES
from context0.memory.rules.time_words import MONTHS, QUANTITIES, SEASONS, TRIGGERS
from context0.memory.rules.word_set import word_set

_MAX_NAMES = 4
_OWNERS = ("a ", "an ", "my ", "our ", "the ", "his ", "her ", "their ")
_WITHIN = re.compile(r"\b(?:in|outside|near) ((?:the )?[^\W\d_a-z][\w'.-]*(?: [^\W\d_a-z][\w'.-]*){0,3})")
_NEVER_PLACES = NOT_PLACES | frozenset(MONTHS) | frozenset(SEASONS)
_NO_EMPLOYERS = (
    word_set("""
home night nights noon midnight least first last all it them him her you me us myself yourself free food money weekends
once living years hours days ages weeks months work this that these those my your peace everyone people what which
moment office
""")
    | (frozenset(QUANTITIES) - {"a", "an"})
    | TRIGGERS
)
_AFTER_NAME = re.compile(
    r"\s*(?:$|[^\w\s'’]|\b(?:and|but|now|btw|by|who|which|not|so|too|though|actually|again|because|since)\b)"
)
_LEFT_TODAY = re.compile(
    r"\b(?:today|yesterday|tonight|morning|evening|afternoon|night|ago|at \d|early|late|again|alone|for)\b"
)
_SCHOOL = re.compile(r"[^\W\d_a-z]|\b(?:university|college|school|uni)\b")


def names(rest: Rest) -> tuple[str, ...]:
    """One name of a person or a pet: up to four capitalised words."""
    kept: list[str] = []
    for word in rest.text.strip(EDGES).split()[:_MAX_NAMES]:
        bare = word.strip(EDGES)
        if not bare or not bare[0].isalpha() or not (bare[0].isupper() or (rest.loose and not kept)):
            break
        if not kept and not _may_be_name(bare, loose=rest.loose):
            return ()
        if kept and (bare == "I" or is_calendar_word(bare)):
            break
        kept.append(bare.removesuffix("'s"))
        if bare != word.rstrip('"') and not word.endswith("."):
            break
    return (" ".join(kept),) if kept else ()


def _may_be_name(word: str, *, loose: bool) -> bool:
    if never_a_name(word) or is_calendar_word(word):
        return False
    low = word.lower()
    return low not in NATIONALITIES and low not in ROLES and not (loose and is_common(word))


def whole_names(rest: Rest) -> tuple[str, ...]:
    """One name with nothing behind it that would make it something else: not "Clara's best friend"."""
    found = names(rest)
    return found if found and _AFTER_NAME.match(rest.text, rest.text.find(found[0]) + len(found[0])) else ()


def name_list(rest: Rest) -> tuple[str, ...]:
    """Several names: "Tom and Max"."""
    found: list[str] = []
    for item in items_of(cut(rest.text)):
        name = names(Rest(item, rest.loose))
        if not name:
            break
        found += name
    return tuple(found)


def places(rest: Rest) -> tuple[str, ...]:
    """Where somebody lives: "Graz", "the Netherlands"; of "a flat in Lisbon" it is Lisbon."""
    text = cut(rest.text).strip()
    if text.lower().startswith(_OWNERS) and not text[4:5].isupper():
        within = _WITHIN.search(text)
        if within is None:
            return ()
        text = within.group(1)
    place = cut_place(text).strip(EDGES)
    return (place,) if _is_place(place, loose=rest.loose) else ()


def _is_place(place: str, *, loose: bool) -> bool:
    words = place.lower().split()
    if not words or not fits(place) or words[0] in QUANTITIES or words[0] in DEICTIC:
        return False
    if not _NEVER_PLACES.isdisjoint(words) or not words[0][0].isalpha():
        return False
    if place[0].isupper() or (words[0] == "the" and place[4:5].isupper()):
        return True
    return loose and len(words) <= 2 and place.replace(" ", "").isalpha() and words[0] != "the"


def is_region(place: str) -> bool:
    """Tell whether `place` is a country or larger, so that a town in it is no other place."""
    return place.lower().removeprefix("the ") in COUNTRIES


def employers(rest: Rest) -> tuple[str, ...]:
    """Where or for whom somebody works: "Siemens", "a hospital"; neither "home" nor "six years"."""
    text = cut_place(rest.text)
    words = text.lower().split()
    if not words or words[0] in _NO_EMPLOYERS or words[0][0].isdecimal():
        return ()
    name = clean(text)
    return (name,) if fits(name) and name.lower().split()[0] not in _NO_EMPLOYERS else ()


def left_employers(rest: Rest) -> tuple[str, ...]:
    """Whom somebody left for good: a name, and no hour or day at which one leaves a place."""
    return () if not rest.text[:1].isupper() or _LEFT_TODAY.search(rest.text) else employers(rest)


def left_schools(rest: Rest) -> tuple[str, ...]:
    """What somebody dropped out of: a name or a school, not a race."""
    return tuple(school for school in employers(rest) if _SCHOOL.search(school))
