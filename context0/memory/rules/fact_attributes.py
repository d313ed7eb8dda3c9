"""What clauses say by naming: "my sister's name is Clara", "my favourite colour is teal", "Clara is my boss"."""

import re
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple

from context0.memory.rules import fact_names, fact_objects
from context0.memory.rules.fact_clauses import Clause, Tokens
from context0.memory.rules.fact_cuts import Rest
from context0.memory.rules.fact_objects import Reader
from context0.memory.rules.fact_readers import Found
from context0.memory.rules.fact_subjects import Subject, name_end, read_owned
from context0.memory.rules.fact_times import day_of_year
from context0.memory.rules.fact_words import ADVERBS, LEADS
from context0.memory.rules.relation_kinds import FAVOURITE, HAS_PET, RELATED_TO, Kind
from context0.memory.rules.word_set import word_set

_COPULA = word_set("is are 's 're :")
_NAMING = frozenset({"called", "named"})
_NO_MORE = re.compile(r"\b(?:anymore|any more|any longer)\b", re.IGNORECASE)
_DIED = re.compile(
    r"(?:(?:has|just|sadly|recently|had) )*(?:died|passed away|passed on|ran away|is dead|was put (?:down|to sleep))\b",
    re.IGNORECASE,
)
_TAILS = word_set("now and because in of anymore any since")
_READERS: MappingProxyType[str, Reader] = MappingProxyType(
    {
        "name": fact_names.whole_names,
        "nickname": fact_names.names,
        "works_as": fact_objects.jobs,
        "works_at": fact_names.employers,
        "studies": fact_objects.subjects_studied,
        "speaks": fact_objects.languages,
        "comes_from": fact_names.places,
    }
)


class _Copula(NamedTuple):
    """A "is" and how it is said; the words from `rest` on are the value."""

    rest: int
    over: bool = False
    denied: bool = False
    named: bool = False


def read_named(clause: Clause, subject: Subject, reference: datetime, *, loose: bool) -> tuple[Found, ...]:
    """Return what the clause says of "my X" itself: the value behind its "is", else the name beside it."""
    tokens, owner_relation = clause.tokens, subject.relation
    if owner_relation.startswith(HAS_PET) and _DIED.match(tokens.raw(subject.stop, clause.stop)):
        return (Found(owner_relation, subject.name or owner_relation.removeprefix(HAS_PET), was=True),)
    beside = (Found(owner_relation, subject.name, was=subject.over),) if subject.name else ()
    copula = _copula(tokens, subject.stop, clause.stop)
    if copula is None or (subject.name and not subject.is_name):
        return beside
    text = tokens.raw(copula.rest, clause.stop)
    denied = copula.denied and not (no_more := _NO_MORE.search(text) is not None)
    over = copula.over or subject.over or (copula.denied and no_more)
    values = _values(subject, Rest(text, loose), reference, named=copula.named or subject.is_name)
    kind: Kind | None = "multi" if subject.one_of or subject.plural or len(values) > 1 else None
    return tuple(Found(owner_relation, value, was=over, denied=denied, kind=kind) for value in values) or beside


def _copula(tokens: Tokens, at: int, stop: int) -> _Copula | None:
    words = tokens.words
    over = denied = False
    if words[at : at + 3] == ["used", "to", "be"]:
        over, at = True, at + 3
    elif at < stop and words[at] in _COPULA:
        at += 1
    else:
        return None
    named = False
    while at < stop:
        if words[at] in ("not", "n't"):
            denied = True
        elif words[at : at + 2] == ["no", "longer"]:
            over, at = True, at + 1
        elif words[at] in _NAMING:
            named = True
        elif words[at] not in ADVERBS and words[at] not in ("now", ":"):
            break
        at += 1
    return _Copula(rest=at, over=over, denied=denied, named=named)


def _values(subject: Subject, rest: Rest, reference: datetime, *, named: bool) -> tuple[str, ...]:
    relation = subject.relation
    if relation == "birthday":
        day = day_of_year(rest.text, reference)
        return (day,) if day else ()
    if relation == "lives_in":
        return fact_names.places(Rest(rest.text[3:], rest.loose)) if rest.text[:3].lower() == "in " else ()
    if relation.startswith(FAVOURITE):
        return fact_objects.thing_list(rest) if subject.plural else fact_objects.any_thing(rest)
    if relation.startswith((RELATED_TO, HAS_PET)):
        rest = Rest(rest.text, rest.loose and named)  # "my sister is clara" may say anything
        return fact_names.name_list(rest) if subject.plural else fact_names.whole_names(rest)
    read: Reader = _READERS[relation]
    return read(rest)


def read_inverse(clause: Clause, speaker: str, reference: datetime, *, loose: bool) -> tuple[str, tuple[Found, ...]]:
    """Return whose and what "Clara is my sister" or "Sushi is my favourite food" says; nothing of any other form."""
    tokens, stop = clause.tokens, clause.stop
    words = tokens.words
    start = clause.start
    while start < stop and (words[start] in LEADS or words[start] in ADVERBS or not words[start][0].isalnum()):
        start += 1
    at = next((at for at in range(clause.start + 1, stop - 1) if words[at] in ("my", "our")), 0)
    inverse = _inverse_copula(words, start, at)
    subject = read_owned(tokens, at + 1, stop, speaker) if inverse is not None else None
    if inverse is None or subject is None or subject.name or not _is_end(words, subject.stop, stop):
        return "", ()
    head = tokens.raw(start if start < inverse.rest else clause.start, inverse.rest)
    values: tuple[str, ...] = ()
    if subject.relation.startswith(FAVOURITE):
        values = fact_objects.any_thing(Rest(head, loose))
    elif subject.relation == "birthday":
        values = tuple(day for day in (day_of_year(head, reference),) if day)
    elif subject.relation.startswith(RELATED_TO) and name_end(tokens, start, inverse.rest) == inverse.rest > start:
        values = (head,)
    no_more = inverse.denied and _NO_MORE.search(tokens.raw(at, stop)) is not None
    over, denied = inverse.over or subject.over or no_more, inverse.denied and not no_more
    return subject.owner, tuple(Found(subject.relation, value, was=over, denied=denied) for value in values)


def _inverse_copula(words: list[str], start: int, at: int) -> _Copula | None:
    """Read the "is", "isn't", "was" or "used to be" that ends before word `at`; its `rest` is where it begins."""
    denied = words[at - 1] in ("not", "n't")
    end = at - denied
    if words[max(end - 3, 0) : end] == ["used", "to", "be"]:
        return _Copula(rest=end - 3, over=True)
    if end - 1 > start - 1 and words[end - 1] in ("is", "'s", "was"):
        return _Copula(rest=end - 1, over=words[end - 1] == "was", denied=denied)
    return None


def _is_end(words: list[str], at: int, stop: int) -> bool:
    return at >= stop or words[at] in ADVERBS or words[at] in _TAILS or not words[at][0].isalnum()
