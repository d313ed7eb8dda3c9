"""Reading whole findings, relation and object, from the words behind a verb: pets, relatives, jobs, diets, ages."""

import re
from collections.abc import Callable
from typing import NamedTuple

from context0.memory.rules import fact_objects as objects
from context0.memory.rules.capitals import is_common
from context0.memory.rules.fact_words import (
    AVOIDED,
    DIETS,
    DIETS_BESIDE,
    FAITHS_AND_SIGNS,
    FAMILY,
    INTOLERANCES,
    NUMBERS,
    PETS,
    PLURAL_PETS,
    PLURAL_ROLES,
    ROLES,
)
from context0.memory.rules.relation_kinds import ANYTHING, EATS, HAS_PET, RELATED_TO, Kind
from context0.memory.rules.word_set import word_set


class Found(NamedTuple):
    """A relation and an object as read from words.

    was: the words themselves say that it is over.  denied: they say that it is not so.  kind: None for the relation's.
    """

    relation: str
    object: str
    was: bool = False
    denied: bool = False
    kind: Kind | None = None


Finder = Callable[[str, bool], tuple[Found, ...]]

_OLDEST = 120
_MOST_HOLDINGS = 6

_AGE = re.compile(
    r"(\d{1,3}|[a-z]{3,7}(?:-[a-z]{3,5})?)(?:[ -]years?[ -]old|\s?yrs?(?: old)?|\s?y/?o)?"
    r"(?=\s*(?:$|[.,!;:)…]|(?:now|today|already|and|but|not|last|this|next|yesterday|on|in (?!the|line|a\b))\b))",
    re.IGNORECASE,
)
_AFTER_OWN_NAME = re.compile(r"\s*(?:$|[,.!;:)(–—-]|\b(?:and|from|by the way|btw|but|not)\b)")
_DIET = re.compile(
    rf"(?:(?:on )?an? )?(?:(?:strict|committed|proud|lifelong|pretty much|mostly|fully) )*"
    rf"({'|'.join(sorted(DIETS | DIETS_BESIDE))})s?(?: diet)?(?!-)(?=\s*(?:$|[.,!;:)…]|(?:now|and|but|or|for|since|again|"
    r"anymore|in|last|this|by|as|when|because|so|who|too|these|at (?!heart)|not|any|ever)\b))",
    re.IGNORECASE,
)
_INTOLERANT = re.compile(rf"({'|'.join(sorted(INTOLERANCES))})[ -]intolerant\b", re.IGNORECASE)
_HOLDING = re.compile(
    r"(?P<count>an?|one|two|three|four|five|six|seven|\d{1,2}|several|no|any|some|another|my|our|the)\s"
    r"(?P<plain>(?:[\w-]+\s){0,2}?)(?P<noun>[\w'-]+)"
    r"(?P<named>(?:,? (?:named|called)|,? whose names? (?:is|are)|:|,)?\s)?",
    re.IGNORECASE,
)
_JOINT = re.compile(r"\s*(?:,\s*(?:and\s)?|and\s|&\s|plus\s)(?:also\s)?", re.IGNORECASE)
_ENDS_NOUN = re.compile(
    r"\s*(?:$|[^\w\s]|(?:and|or|who|which|that|with|at|in|on|now|too|but|as|since|for|from|whose|when|so|because|last|"
    r"next|this|yesterday|today|again|anymore|any|living|ago|to|back|recently|already|together|here|there)\b)"
)
_NO_COUNTS = word_set("no any some my our the")
_OVER = frozenset({"former", "ex", "retired", "one-time"})
_TO_COME = frozenset({"future", "aspiring", "prospective", "soon-to-be", "would-be", "budding", "hopeful"})
_QUALITY = word_set("""
new little big small old young older younger cute lovely rescue pet male female black white brown ginger grey gray tabby
golden german border french siamese persian maine guinea baby twin elder wonderful beautiful adorable tiny best close
""")


def valued(relation: str, read: objects.Reader) -> Finder:
    """Make a finder that gives `relation` to every object that `read` sees."""
    return lambda text, loose: tuple(Found(relation, value) for value in read(text, loose))


def homes(text: str, loose: bool) -> tuple[Found, ...]:
    """Where somebody is said to live. A country does not exclude the town that was named before, so it stands beside."""
    return tuple(
        Found("lives_in", place, kind="multi" if objects.is_region(place) else None)
        for place in objects.places(text, loose)
    )


def employment(text: str, loose: bool) -> tuple[Found, ...]:
    """A job and where: "software engineer at Siemens"; where a student is, is where they study."""
    job = objects.professions(text, loose)
    if not job:
        return ()
    quality, _, bare = job[0].partition(" ")
    if quality.lower() in _OVER:
        return (Found("works_as", bare, was=True),)
    if quality.lower() in _TO_COME:
        return ()
    where = re.search(r"\s(?:at|for)\s(.+)", text)
    relation = "studies_at" if job[0].lower().endswith("student") else "works_at"
    return (
        Found("works_as", job[0]),
        *(Found(relation, place) for place in (objects.employers(where.group(1), loose) if where else ())),
    )


def lost_work(text: str, loose: bool) -> tuple[Found, ...]:
    return (Found("works_at", ANYTHING, was=True),)


def retirement(text: str, loose: bool) -> tuple[Found, ...]:
    return (Found("works_at", ANYTHING, was=True), Found("works_as", ANYTHING, was=True))


def age(text: str, loose: bool) -> tuple[Found, ...]:
    match = _AGE.match(text)
    years = number_of(match.group(1)) if match else 0
    return (Found("age", str(years)),) if 0 < years <= _OLDEST else ()


def number_of(word: str) -> int:
    """Return the number that `word` writes in digits or letters (thirty-four), or 0."""
    if word.isascii() and word.isdecimal():
        return int(word)
    tens, _, ones = word.lower().partition("-")
    return NUMBERS.get(tens, 0) + (NUMBERS.get(ones, 0) if ones else 0)


def own_name(text: str, loose: bool) -> tuple[Found, ...]:
    """The name in "I'm Priya": with its capital, no ordinary word, nothing behind it that makes it something else."""
    name = objects.names(text, loose=False)
    if not name or name[0].isupper() or not _AFTER_OWN_NAME.match(text, text.find(name[0]) + len(name[0])):
        return ()
    first = name[0].split()[0]
    return () if is_common(first) or first.lower() in FAITHS_AND_SIGNS else (Found("name", name[0]),)


def diets(text: str, loose: bool) -> tuple[Found, ...]:
    match = _DIET.match(text)
    if match is None:
        return ()
    diet = match.group(1).lower()
    return (Found("diet", diet, kind=None if diet in DIETS else "multi"),)


def intolerances(text: str, loose: bool) -> tuple[Found, ...]:
    match = _INTOLERANT.match(text)
    return (Found("diet", f"{match.group(1).lower()} intolerant", kind="multi"),) if match else ()


def avoided(text: str, loose: bool) -> tuple[Found, ...]:
    """What is eaten, which says something only when it is denied."""
    return tuple(Found(EATS, item) for item in objects.things(text, loose) if item.lower() in AVOIDED)


def pets(text: str, loose: bool) -> tuple[Found, ...]:
    """ "a dog", "two cats named Tom and Jerry", "no pets"; the object is the name or, without one, the species."""
    return _holdings(text, loose, _pet)


def relatives(text: str, loose: bool) -> tuple[Found, ...]:
    """ "a sister", "two brothers, Tom and Max"; without a name only the family counts."""
    return _holdings(text, loose, _relative)


def _pet(noun: str) -> tuple[str, str]:
    """Return the relation that `noun` has and what it is called without a name."""
    species = PETS.get(noun) or PLURAL_PETS.get(noun, "")
    return (HAS_PET + species, species) if species else ("", "")


def _relative(noun: str) -> tuple[str, str]:
    role = ROLES.get(noun) or PLURAL_ROLES.get(noun, "")
    return (RELATED_TO + role, role if role in FAMILY else "") if role else ("", "")


def _holdings(text: str, loose: bool, kind_of_noun: Callable[[str], tuple[str, str]]) -> tuple[Found, ...]:
    found: list[Found] = []
    at = 0
    while len(found) < _MOST_HOLDINGS:
        match = _HOLDING.match(text, at)
        if match is None:
            break
        count, noun = match.group("count").lower(), match.group("noun").lower()
        qualities = match.group("plain").lower().split()
        if noun == "pets" and count in ("no", "any"):
            return (Found(HAS_PET.rstrip(":"), ANYTHING, denied=count == "no"),)
        relation, unnamed = kind_of_noun(noun)
        if not relation or not _QUALITY.issuperset(qualities):
            break
        plural = noun in PLURAL_PETS or noun in PLURAL_ROLES
        names, at = _names_behind(text, match, plural=plural, loose=loose)
        if not names:
            if not _ENDS_NOUN.match(text, match.end("noun")):
                break
            at = match.end("noun")
            names = (f"{count} {noun}" if plural and count not in _NO_COUNTS else unnamed,)
        found += (Found(relation, name, denied=count == "no") for name in names if name and unnamed or name)
        joint = _JOINT.match(text, at)
        if joint is None:
            break
        at = joint.end()
    return tuple(found)


def _names_behind(text: str, match: re.Match[str], *, plural: bool, loose: bool) -> tuple[tuple[str, ...], int]:
    """Return the names behind a noun, and where they end."""
    named = (match.group("named") or "").strip(" ,:")
    rest = text[match.end() :]
    if not match.group("named") or (not named and not rest[:1].isupper()):
        return (), match.end()
    names = objects.name_list(rest, loose) if plural else objects.names(rest, loose)
    end = match.end()
    for name in names:
        end = text.find(name, end) + len(name)
    return names, end
