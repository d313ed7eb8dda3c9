"""Reading whole findings, relation and object, from the words behind a verb: homes, jobs, ages, diets, names."""

import re
from collections.abc import Callable
from typing import NamedTuple

from context0.memory.rules.capitals import is_common
from context0.memory.rules.fact_cuts import Rest
from context0.memory.rules.fact_names import employers, is_region, names, places
from context0.memory.rules.fact_objects import Reader, professions, things
from context0.memory.rules.fact_words import AVOIDED, DIETS, DIETS_BESIDE, FAITHS_AND_SIGNS, INTOLERANCES, NUMBERS
from context0.memory.rules.relation_kinds import EATS, Kind


class Found(NamedTuple):
    """A relation and an object as read from words.

    was: the words themselves say that it is over.  denied: they say that it is not so.  kind: None for the relation's.
    """

    relation: str
    object: str
    was: bool = False
    denied: bool = False
    kind: Kind | None = None


Finder = Callable[[Rest], tuple[Found, ...]]

_OLDEST = 120

_AGE = re.compile(
    r"(\d{1,3}|[a-z]{3,7}(?:-[a-z]{3,5})?)(?:[ -]years?[ -]old|\s?yrs?(?: old)?|\s?y/?o)?"
    r"(?=\s*(?:$|[.,!;:)…]|(?:now|today|already|and|but|not|last|this|next|yesterday|on|in (?!the|line|a\b))\b))",
    re.IGNORECASE,
)
_AFTER_OWN_NAME = re.compile(r"\s*(?:$|[,.!;:)(–—-]|\b(?:and|from|by the way|btw|but|not)\b)")
_DIET = re.compile(
    rf"(?:(?:on )?an? )?(?:(?:strict|committed|proud|lifelong|pretty much|mostly|fully) )*"
    rf"({'|'.join(sorted(DIETS | DIETS_BESIDE))})s?(?: diet)?(?!-)"
    r"(?=\s*(?:$|[.,!;:)…]|(?:now|and|but|or|for|since|again|anymore|in|last|"
    r"this|by|as|when|because|so|who|too|these|at (?!heart)|not|any|ever)\b))",
    re.IGNORECASE,
)
_INTOLERANT = re.compile(rf"({'|'.join(sorted(INTOLERANCES))})[ -]intolerant\b", re.IGNORECASE)
_OVER = frozenset({"former", "ex", "retired", "one-time"})
_TO_COME = frozenset({"future", "aspiring", "prospective", "soon-to-be", "would-be", "budding", "hopeful"})
_WHERE = re.compile(r"\s(?:at|for)\s(.+)")


def valued(relation: str, read: Reader) -> Finder:
    """Make a finder that gives `relation` to every object that `read` sees."""
    return lambda rest: tuple(Found(relation, value) for value in read(rest))


def found(*findings: Found) -> Finder:
    """Make a finder of what the words say by themselves, whatever stands behind them."""
    return lambda _: findings


def homes(rest: Rest) -> tuple[Found, ...]:
    """Where somebody is said to live; a country stands beside the town in it that was named before."""
    return tuple(Found("lives_in", place, kind="multi" if is_region(place) else None) for place in places(rest))


def employment(rest: Rest) -> tuple[Found, ...]:
    """A job and where: "software engineer at Siemens"; where a student is, is where they study."""
    job = "".join(professions(rest))
    quality, _, bare = job.partition(" ")
    if not job or quality.lower() in _TO_COME:
        return ()
    if quality.lower() in _OVER:
        return (Found("works_as", bare, was=True),)
    where = _WHERE.search(rest.text)
    relation = "studies_at" if job.lower().endswith("student") else "works_at"
    employer = employers(Rest(where.group(1), rest.loose)) if where else ()
    return (Found("works_as", job), *(Found(relation, name) for name in employer))


def age(rest: Rest) -> tuple[Found, ...]:
    """An age in years: neither minutes nor pages."""
    match = _AGE.match(rest.text)
    years = number_of(match.group(1)) if match else 0
    return (Found("age", str(years)),) if 0 < years <= _OLDEST else ()


def number_of(word: str) -> int:
    """Return the number that `word` writes in digits or letters (thirty-four), or 0."""
    if word.isascii() and word.isdecimal():
        return int(word)
    tens, _, ones = word.lower().partition("-")
    return NUMBERS.get(tens, 0) + NUMBERS.get(ones, 0)


def own_name(rest: Rest) -> tuple[Found, ...]:
    """The name in "I'm Priya": with its capital, no ordinary word, nothing behind it that makes it something else."""
    name = "".join(names(Rest(rest.text)))
    if not name or name.isupper() or not _AFTER_OWN_NAME.match(rest.text, rest.text.find(name) + len(name)):
        return ()
    first = name.split()[0]
    return () if is_common(first) or first.lower() in FAITHS_AND_SIGNS else (Found("name", name),)


def diets(rest: Rest) -> tuple[Found, ...]:
    """Vegetarian, vegan and so on exclude each other; kosher or gluten-free stands beside them."""
    match = _DIET.match(rest.text)
    if match is None:
        return ()
    diet = match.group(1).lower()
    return (Found("diet", diet, kind=None if diet in DIETS else "multi"),)


def intolerances(rest: Rest) -> tuple[Found, ...]:
    """Lactose intolerant and the like: a diet, not an allergy."""
    match = _INTOLERANT.match(rest.text)
    return (Found("diet", f"{match.group(1).lower()} intolerant", kind="multi"),) if match else ()


def avoided(rest: Rest) -> tuple[Found, ...]:
    """What is eaten, which says something only when it is denied."""
    return tuple(Found(EATS, item) for item in things(rest) if item.lower() in AVOIDED)
