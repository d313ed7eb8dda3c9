"""Which facts a question asks for: "where do I live?" asks for where the owner lives. By rules, English, linear."""

import re
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache
from typing import Final

from context0.memory.rules.fact_words import PETS, PLURAL_PETS, PLURAL_ROLES, ROLES
from context0.memory.rules.relation_kinds import FAVOURITE, HAS_PET, PETS_AT_ALL, RELATED_TO
from stores.records import MENTIONS, Relation

SELF: Final = "self"
MAX_READ_CHARACTERS: Final = 300
_KEY: Final = "fact\x1f{}\x1f{}"

_SPACES: Final = re.compile(r"[^\w'’:-]+")
_CONTRACTED: Final = re.compile(r"\b(what|where|who|when|how)['’]s\b")
_POSSESSIVE: Final = re.compile(r"['’]s?$")
_OWN: Final = frozenset({"my", "our", "mine", "her", "his", "their"})
_SPEAKER: Final = frozenset({"i", "me", "we", "us", "she", "he", "they", "him", "them", "user"})
_BE: Final = r"(?:am|is|are|was|were)"
_DO: Final = r"(?:do|does|did|can|should|would)"
_PLACE: Final = r"(?:city|town|country|place|village|area)"
_NOW: Final = r"(?: (?:now|currently|nowadays|today|still|actually|again))*"

_PATTERNS: Final[tuple[tuple[re.Pattern[str], tuple[str, ...]], ...]] = tuple(
    (re.compile(pattern), tuple(relations.split()))
    for relations, patterns in (
        (
            "lives_in",
            (
                rf"\bwhere {_DO}{_NOW} S{_NOW} (?:live|reside|stay|dwell)\b",
                rf"\bwhere {_BE}{_NOW} S{_NOW}(?: (?:living|based|located|at home))?{_NOW}$",
                rf"\b(?:which|what) {_PLACE} (?:{_BE} S\b|{_DO}{_NOW} S{_NOW} (?:live|reside)\b)",
                r"\bS's (?:home ?town|home city|(?:home )?address|home|city|(?:place of )?residence)\b",
                r"\bwhere did S move\b",
            ),
        ),
        (
            "works_at works_as",
            (
                rf"\bwhere {_DO}{_NOW} S{_NOW} work\b",
                rf"\bwhom? {_DO} S{_NOW} work for\b|\bwho {_DO} S{_NOW} work for\b",
                rf"\b(?:which|what) (?:company|firm|employer) {_DO} S\b",
                r"\bS's (?:employer|company|workplace|office)\b",
                rf"\bwhat {_DO} S{_NOW} do(?: for (?:a living|work))?{_NOW}$",
                rf"\bwhat {_DO} S{_NOW} work as\b|\bwhat (?:job|kind of work|profession) {_DO} S\b",
                r"\bS's (?:job|profession|occupation|work|role|career|job title)\b",
            ),
        ),
        ("age birth_year birthday", (rf"\bhow old {_BE} S\b", r"\bS's age\b")),
        (
            "birthday birth_year",
            (r"\bS's (?:birthday|birthdate|birth date|date of birth)\b", rf"\bwhen {_BE} S born\b"),
        ),
        ("born_in", (rf"\bwhere {_BE} S born\b", r"\bS's (?:birthplace|place of birth)\b")),
        (
            "name",
            (r"\bS's (?:full |first |last |real )?name\b", rf"\bwhat {_BE} S called\b", rf"\bwho {_BE} S$"),
        ),
        (
            "studies studies_at",
            (
                rf"\b(?:what|where) {_DO}{_NOW} S{_NOW} study\b",
                r"\bS's (?:major|subject|field of study|studies|university|school|college)\b",
                rf"\b(?:which|what) (?:university|school|college) {_DO} S\b",
            ),
        ),
        (
            "likes",
            (
                rf"\bwhat {_DO} S{_NOW} (?:really )?(?:like|love|enjoy|prefer)\b",
                r"\bS's (?:likes|hobbies|hobby|interests|preferences)\b",
            ),
        ),
        ("dislikes", (rf"\bwhat {_DO} S (?:hate|dislike|not like)\b", r"\bS's dislikes\b")),
        (
            "speaks",
            (rf"\b(?:which|what) languages? {_DO} S\b", r"\bS's (?:languages|mother tongue|native language)\b"),
        ),
        (
            "allergic_to diet",
            (
                r"\bS allergic\b|\bS's (?:allergy|allergies|diet)\b",
                rf"\bwhat {_DO} S (?:not )?eat\b|\b{_BE} S (?:a )?(?:vegan|vegetarian|pescatarian)\b",
            ),
        ),
        ("plays", (rf"\bwhat {_DO} S play\b", rf"\b(?:which|what) (?:instruments?|sports?|games?) {_DO} S play\b")),
        (
            "comes_from nationality grew_up_in",
            (
                rf"\bwhere (?:{_BE} S|{_DO} S come) from\b|\bwhere did S grow up\b",
                r"\bS's (?:nationality|home country|origin)\b",
            ),
        ),
        (
            PETS_AT_ALL,
            (rf"\b{_DO} S (?:have|own) (?:a |any |some )?pets?\b", rf"\bS's pets?\b|\bwhat pets? {_DO} S\b"),
        ),
    )
    for pattern in patterns
)
_FAVOURITE_OF: Final = re.compile(r"\bS's favou?rite (?P<thing>[\w-]+(?: [\w-]+)?)")
_OWNED: Final = re.compile(r"\bS's (?:\w+ )?(?P<noun>[\w-]+)(?:'s)?\b")
_HAVING: Final = re.compile(
    rf"\b{_DO} S have (?:a |an |any |some )?(?P<noun>[\w-]+)|\bhow many (?P<many>[\w-]+) {_DO} S have\b"
)


def fact_key(relation: str, subject: str) -> str:
    """Return the name under which memories that state this are found."""
    return _KEY.format(relation, subject)


def keys_of(relations: Iterable[Relation]) -> list[str]:
    """Return the names of what the edges of a memory state; what is denied or over is not asked for like that."""
    keys: dict[str, None] = {}
    for edge in relations:
        if edge.relation == MENTIONS or edge.relation.startswith("not:") or (edge.invalid_at and not edge.closed_by):
            continue
        relation = edge.relation.removeprefix("also:")
        keys[fact_key(relation, edge.source)] = None
        if relation.startswith(HAS_PET):
            keys[fact_key(PETS_AT_ALL, edge.source)] = None
    return list(keys)


def facts_asked(question: str, names: Collection[str] = ()) -> tuple[tuple[str, str], ...]:
    """Return (relation, subject) of the facts that a question asks for; none for most questions. About 60 us, once.

    names: entity keys of the people whom it names. "I", and "she" where nobody is named, are the owner.
    """
    return _asked(question[:MAX_READ_CHARACTERS], tuple(names))


@lru_cache(maxsize=2_048)
def _asked(question: str, names: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    text = _CONTRACTED.sub(r"\1 is", question.casefold())
    text = " ".join(_SPACES.sub(" ", text).split())
    asked = ((relation, subject) for subject, told in _told_of(text, names) for relation in _relations_in(told))
    return tuple(dict.fromkeys(asked))


def _told_of(text: str, names: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Yield whom the question is about, and the question with S in the place of whoever that is."""
    for name in names:
        if name in text:
            yield name, _with_subject(text.replace(name, "\0"), frozenset())
    if not names:
        told = _with_subject(text, _SPEAKER)
        yield SELF, told
        for match in re.finditer(r"\bS's (?P<role>[\w-]+)", told):
            role = ROLES.get(match["role"])
            if role:
                yield f"{role} of {SELF}", f"{told[: match.start()]}S{told[match.end() :]}"


def _with_subject(text: str, speakers: frozenset[str]) -> str:
    words = []
    for word in text.split():
        bare = _POSSESSIVE.sub("", word)
        if bare == "\0" or bare in speakers:
            words.append("S" if bare == word else "S's")
        elif speakers and word in _OWN:
            words.append("S's")
        else:
            words.append(word)
    return " ".join(words)


def _relations_in(told: str) -> Iterator[str]:
    if "S" not in told:
        return
    for pattern, relations in _PATTERNS:
        if pattern.search(told):
            yield from relations
    for match in _FAVOURITE_OF.finditer(told):
        for thing in (match["thing"], match["thing"].split()[0]):
            yield FAVOURITE + thing
            yield FAVOURITE + thing.replace("color", "colour")
    for match in _OWNED.finditer(told):
        yield from _of_noun(match["noun"])
    for match in _HAVING.finditer(told):
        yield from _of_noun(match["noun"] or match["many"])


def _of_noun(noun: str) -> Iterator[str]:
    species = PETS.get(noun) or PLURAL_PETS.get(noun)
    role = ROLES.get(noun) or PLURAL_ROLES.get(noun)
    if species:
        yield HAS_PET + species
    if role:
        yield RELATED_TO + role
