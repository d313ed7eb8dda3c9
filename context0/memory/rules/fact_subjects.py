"""Of whom or what a clause speaks: the speaker, "Ben", "my sister", "my dog's name", "Ben's favourite band"."""

from collections.abc import Iterator
from typing import NamedTuple

from context0.memory.rules.capitals import is_calendar_word, is_common, never_a_name
from context0.memory.rules.fact_clauses import Clause, Tokens
from context0.memory.rules.fact_patterns import VERBS
from context0.memory.rules.fact_words import (
    ADVERBS,
    GROUPS,
    LEADS,
    NEVER_PERSONS,
    PETS,
    PLURAL_PETS,
    PLURAL_ROLES,
    ROLES,
)
from context0.memory.rules.names import entity_key
from context0.memory.rules.relation_kinds import FAVOURITE, HAS_PET, RELATED_TO
from context0.memory.rules.word_set import word_set

_FAVOURITES = word_set("favourite favorite fav fave favourites favorites")
_VAGUE_FAVOURITES = word_set("part moment memory thing bit scene line quote one ones aspect place way time")
_TAILS_OF_THINGS = (["right", "now"], ["so", "far"], ["of", "all", "time"], ["ever"], ["currently"], ["these", "days"])
_PRONOUNS = frozenset({"i", "we", "he", "she"})
_OF_SPEAKER = frozenset({"i", "we", "my", "our"})
_POSSESSIVES = frozenset({"my", "our", "his", "her"})
_BY_ROLE = word_set("mum mom mommy mummy mama dad daddy papa grandma grandpa granny nana")
_SPELLINGS = {"color": "colour", "flavor": "flavour", "film": "movie"}
_ATTRIBUTES = {
    "name": "name",
    "full name": "name",
    "real name": "name",
    "nickname": "nickname",
    "birthday": "birthday",
    "bday": "birthday",
    "birthdate": "birthday",
    "job": "works_as",
    "profession": "works_as",
    "occupation": "works_as",
    "employer": "works_at",
    "major": "studies",
    "home": "lives_in",
    "hometown": "comes_from",
    "native language": "speaks",
    "mother tongue": "speaks",
    "first language": "speaks",
}
_TWO_WORDS = frozenset({"full", "real", "native", "first", "mother"})
_OVER = frozenset({"ex", "former", "previous", "old"})
_PLAIN = word_set("""
new dear lovely beloved own late current all-time absolute very personal favorite wonderful amazing sweet poor best
""")
_TELLING_APART = word_set(
    "younger older elder eldest youngest oldest little big twin other second first middle step half"
)
_COPULA = word_set("is are 's used isn't was were 're")
_FRONTS = word_set("""
in on at after before since during last this yesterday today for from until over back by about around tonight once
throughout years months weeks
""")
_NOT_BEFORE_I = word_set("that which who what where when how than and if whom because like as")
_LONGEST_FRONT, _LONGEST_NAME, _LONGEST_THING = 8, 3, 3
_LONGEST_TAIL = 3
_DEPTH = 3


class Subject(NamedTuple):
    """Who or what a clause speaks of, up to the word `stop`.

    key: the entity of the person, "" if it is none.  owner and relation: of whom it is what ("my sister": the speaker,
    related_to:sister; "my dog's name": the speaker, has_pet:dog); relation is "" for a plain name or pronoun.
    name: the name that stands beside it ("my sister Clara").  over: it is said to be past ("my ex-wife").
    """

    key: str
    stop: int
    owner: str = ""
    relation: str = ""
    name: str = ""
    over: bool = False
    plural: bool = False
    one_of: bool = False
    is_name: bool = False


def read_subject(clause: Clause, *, speaker: str, last: str) -> Subject | None:
    """Return the subject at the head of `clause`; None if it is nobody that facts are kept of.

    speaker: the key of whoever speaks.  last: the key of the person whom "she" or "he" can mean, or "".
    """
    tokens, stop = clause.tokens, clause.stop
    words = tokens.words
    at = clause.start
    while at < stop and (words[at] in LEADS or words[at] in ADVERBS or not words[at][0].isalnum()):
        at += 1
    if at == stop:
        return None
    word = words[at]
    owner = speaker if word in _OF_SPEAKER else last
    if word in _PRONOUNS:
        return Subject(key=owner, stop=at + 1) if owner else None
    if word in _POSSESSIVES:
        return _noun_phrase(tokens, at + 1, stop, owner) if owner else None
    if word in _BY_ROLE or (word in ("name", "nickname") and words[at + 1 : at + 2] == ["'s"]):
        return _noun_phrase(tokens, at, stop, speaker)
    if words[at : at + 3] == ["one", "of", "my"]:
        favourite = _noun_phrase(tokens, at + 3, stop, speaker)
        return favourite._replace(one_of=True) if favourite else None
    return _behind_front(words, at, stop, speaker) if word in _FRONTS else _named(tokens, at, stop)


def read_owned(tokens: Tokens, at: int, stop: int, owner: str) -> Subject | None:
    """Return what the words from `at` on, those behind "my", name: a relative, a pet, a favourite, an attribute."""
    return _noun_phrase(tokens, at, stop, owner)


def names_beside_roles(tokens: Tokens, at: int, stop: int, speaker: str) -> Iterator[Subject]:
    """Yield every "my cousin Farid" among the words [at, stop)."""
    if "my" not in tokens.words and "our" not in tokens.words:
        return
    for place in range(at, stop - 2):
        if tokens.words[place] in ("my", "our"):
            subject = _noun_phrase(tokens, place + 1, stop, speaker, _DEPTH)
            if subject is not None and subject.name:
                yield subject


def _behind_front(words: list[str], at: int, stop: int, speaker: str) -> Subject | None:
    """Find "I" behind "After ten years in Paris"."""
    for place in range(at + 1, min(stop, at + _LONGEST_FRONT)):
        if words[place] in ("i", "we"):
            return Subject(key=speaker, stop=place + 1)
        if words[place] in _NOT_BEFORE_I:
            return None
    return None


def _named(tokens: Tokens, at: int, stop: int) -> Subject | None:
    """Read a name: "Ben", "Clara Schmidt", "Ben's wife"."""
    end = name_end(tokens, at, stop)
    if end == at:
        return None
    name = tokens.raw(at, end)
    if end - at == 1 and (is_common(name) or name.lower() in NEVER_PERSONS):
        return None
    key = entity_key(name)
    if end < stop and tokens.words[end] == "'s":
        owned = _noun_phrase(tokens, end + 1, stop, key)
        if owned is not None:
            return owned
    return Subject(key=key, stop=end, name=name)


def name_end(tokens: Tokens, at: int, stop: int) -> int:
    """Return where the name that begins at word `at` ends; `at` itself for no name."""
    end = at
    while end < stop and end - at < _LONGEST_NAME and tokens.is_capital(end):
        word = tokens.raws[end]
        if never_a_name(word) or is_calendar_word(word) or (end > at and tokens.words[end] in VERBS):
            break
        end += 1
    return end


def _noun_phrase(tokens: Tokens, at: int, stop: int, owner: str, depth: int = 0) -> Subject | None:
    """Read what stands behind "my" or "Ben's"."""
    words = tokens.words
    apart = ""
    over = False
    while (
        at < stop
        and words[at] not in _FAVOURITES
        and (words[at] in _PLAIN or words[at] in _TELLING_APART or words[at] in _OVER)
    ):
        if words[at] == "best" and words[at + 1 : at + 2] == ["friend"]:
            break
        if words[at] in _TWO_WORDS and " ".join(words[at : at + 2]) in _ATTRIBUTES:
            break
        apart = words[at] + " " if words[at] in _TELLING_APART else apart
        over = over or words[at] in _OVER
        at += 1
    if at >= stop:
        return None
    if words[at] in _FAVOURITES:
        return _favourite(words, at + 1, stop, owner)
    two = " ".join(words[at : at + 2])
    for head, end in ((two, at + 2), (words[at], at + 1)):
        if head in _ATTRIBUTES and end <= stop:
            return Subject(key="", stop=end, owner=owner, relation=_ATTRIBUTES[head], over=over)
    subject = _pet(tokens, at, stop, owner) or _person(tokens, at, stop, owner, apart)
    if subject is None:
        return None
    subject = subject._replace(over=subject.over or over)
    return _possessive(tokens, subject, stop, depth)


def _possessive(tokens: Tokens, subject: Subject, stop: int, depth: int) -> Subject | None:
    """Go on from "my sister" to "my sister's name" or "my sister's favourite band"."""
    words, at = tokens.words, subject.stop
    if at >= stop or words[at] != "'s" or depth == _DEPTH:
        return subject
    if words[at + 1 : at + 2] == ["name"]:
        return subject._replace(stop=at + 2, is_name=True)
    inner = _noun_phrase(tokens, at + 1, stop, subject.key, depth + 1) if subject.key else None
    return inner or subject


def _favourite(words: list[str], at: int, stop: int, owner: str) -> Subject | None:
    """Read the thing behind "favourite", up to the verb."""
    end = at
    while (
        end < stop
        and end - at <= _LONGEST_THING + _LONGEST_TAIL
        and words[end] not in _COPULA
        and words[end] not in (",", ":")
    ):
        end += 1
    thing = words[at:end]
    for tail in _TAILS_OF_THINGS:
        if thing[-len(tail) :] == tail:
            thing = thing[: -len(tail)]
    if not thing or len(thing) > _LONGEST_THING or thing[0] in _VAGUE_FAVOURITES or "of" in thing:
        return None
    plural = thing[-1].endswith("s") and words[end : end + 1] == ["are"]
    if plural or words[at - 1].endswith("s") or thing[-1].endswith("s"):
        thing[-1] = _singular(thing[-1])
    thing[-1] = _SPELLINGS.get(thing[-1], thing[-1])
    return Subject(key="", stop=end, owner=owner, relation=FAVOURITE + " ".join(thing), plural=plural)


def _singular(word: str) -> str:
    if word.endswith("ies") and word not in ("movies", "cookies", "series"):
        return word[:-3] + "y"
    if word.endswith(("ss", "us", "is", "series")) or not word.endswith("s"):
        return word
    return word[:-2] if word.endswith(("shes", "ches", "xes")) else word[:-1]


def _pet(tokens: Tokens, at: int, stop: int, owner: str) -> Subject | None:
    word = tokens.words[at]
    species = PETS.get(word) or PLURAL_PETS.get(word)
    if species is None:
        return None
    name, end = _beside(tokens, at + 1, stop)
    return Subject(key="", stop=end, owner=owner, relation=HAS_PET + species, name=name, plural=word not in PETS)


def _person(tokens: Tokens, at: int, stop: int, owner: str, apart: str) -> Subject | None:
    words = tokens.words
    word = words[at]
    over = word.startswith("ex-")
    word = word.removeprefix("ex-")
    role, end = ROLES.get(word, ""), at + 1
    if word == "best" and words[at + 1 : at + 2] == ["friend"]:
        role, end = "best friend", at + 2
    if role and words[at + 1 : at + 3] == ["in", "law"]:
        role, end = f"{role}-in-law", at + 3
    plural = not role and word in PLURAL_ROLES and word not in GROUPS
    role = role or PLURAL_ROLES.get(word, "")
    if not role or (end < stop and words[end] in ROLES):
        return None
    name, end = _beside(tokens, end, stop)
    key = entity_key(name) if name else f"{apart}{role} of {owner}"
    return Subject(
        key="" if plural else key,
        stop=end,
        owner=owner,
        relation=RELATED_TO + role,
        name=name,
        over=over,
        plural=plural,
    )


def _beside(tokens: Tokens, at: int, stop: int) -> tuple[str, int]:
    """Return the name beside a role, "Clara" or ", Clara,", and where it ends."""
    words = tokens.words
    opening = at + 1 if words[at : at + 1] in ([","], ["("]) else at
    end = name_end(tokens, opening, stop)
    if end == opening:
        return "", at
    if opening > at:
        return (tokens.raw(opening, end), end + 1) if words[end : end + 1] in ([","], [")"]) else ("", at)
    return tokens.raw(at, end), end
