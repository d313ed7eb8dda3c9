"""From a clause to its facts: subject, predicate and rule joined, with negation, end and date."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from context0.memory.rules.fact import Fact
from context0.memory.rules.fact_attributes import read_inverse, read_named
from context0.memory.rules.fact_clauses import Clause
from context0.memory.rules.fact_cuts import Rest
from context0.memory.rules.fact_patterns import Rule, rules_for
from context0.memory.rules.fact_predicates import Predicate, read_predicate
from context0.memory.rules.fact_readers import Found
from context0.memory.rules.fact_subjects import Subject, names_beside_roles, read_subject
from context0.memory.rules.fact_times import beginning, day_of_year, ending, standing_since, year_of_birth
from context0.memory.rules.names import entity_key
from context0.memory.rules.relation_kinds import ANYTHING, EATS, HAS_PET, OPPOSITES, RELATED_TO, kind_of
from context0.memory.rules.word_set import word_set

_REPORTING = word_set("says said mentions mentioned told tells")
_BETWEEN = word_set("me us that")
_PRONOUNS = word_set("he she they")
_NO_MORE = re.compile(r"\b(?:anymore|any more|any longer)\b", re.IGNORECASE)
_BESIDE = re.compile(r"\b(?:too|as well|part-time|on the side|(?:on|at) weekends|in the evenings)\b", re.IGNORECASE)
_NOT_TAIL = re.compile(r",?\s(?:and |but )?not (?:(?:in|at|as|for|a|an|to) )*(?P<object>[^,.;!?]+)", re.IGNORECASE)
_EARNING = frozenset({"work", "be", "start", "get"})
_PARTING = frozenset({"break", "divorce"})
_LASTING = re.compile(r"\b(?:since|for|life|always)\b", re.IGNORECASE)
_EXPERIENCES = word_set("lives_in works_at works_as studies studies_at")
_CORRECTABLE = word_set("lives_in works_at works_as age studies_at name")


class Context(NamedTuple):
    """What the clauses of a text share. loose: the text is all in small letters."""

    speaker: str
    reference: datetime
    loose: bool


class Read(NamedTuple):
    """What a clause gave, and what the next may go on from. person: of whom it spoke, if not the speaker."""

    facts: tuple[Fact, ...] = ()
    subject: Subject | None = None
    predicate: Predicate | None = None
    person: str = ""


NOTHING = Read()


def read_clause(clause: Clause, context: Context, before: Read) -> Read:
    """Return the facts of `clause`; `before` is what the clause before it in the text gave."""
    return _read_bare(clause, context, before) if clause.bare else _read_full(clause, context, before)


def _read_bare(clause: Clause, context: Context, before: Read) -> Read:
    """Read "and work at Siemens", which goes on from the clause before it."""
    if before.subject is None or before.predicate is None:
        return NOTHING
    inherited = before.predicate
    if clause.joint in ("but", "yet"):
        inherited = inherited._replace(denied=False, over=False)
    predicate = read_predicate(clause.tokens, clause.start, clause.stop, inherited)
    if predicate is None or predicate.verb == inherited.verb != "be":
        return NOTHING  # "the hope and love theme" goes on with a noun
    facts = (*_predicated(clause, context, before.subject.key, predicate), *_beside(clause, context, clause.start))
    return Read(facts=facts, subject=before.subject, predicate=predicate, person=before.person)


def _read_full(clause: Clause, context: Context, before: Read) -> Read:
    words = clause.tokens.words
    if "my" in words or "our" in words:
        owner, inverse = read_inverse(clause, context.speaker, context.reference, loose=context.loose)
        if inverse:
            return Read(facts=tuple(_named(owner, found, clause, context) for found in inverse))
    subject = read_subject(clause, speaker=context.speaker, last=before.person)
    if subject is None:
        return Read(facts=tuple(_beside(clause, context, clause.start)))
    named: tuple[Fact, ...] = ()
    person = subject.key
    if subject.relation:
        found = read_named(clause, subject, context.reference, loose=context.loose)
        named = tuple(_named(subject.owner, one, clause, context) for one in found)
        if len(found) == 1 and subject.relation.startswith(RELATED_TO):
            person = subject.key if subject.name else entity_key(found[0].object)
    facts: tuple[Fact, ...] = ()
    predicate = None
    if subject.key and (subject.name or not named):
        predicate = read_predicate(clause.tokens, _reported(clause, subject) or subject.stop, clause.stop)
        if predicate is not None:
            facts = tuple(_predicated(clause, context, subject.key, predicate))
    parted = predicate is not None and predicate.verb in _PARTING
    facts = (*named, *facts, *(() if parted else _beside(clause, context, subject.stop)))
    told_of = person if person != context.speaker and facts else ""
    return Read(facts=facts, subject=subject if predicate else None, predicate=predicate, person=told_of)


def _reported(clause: Clause, subject: Subject) -> int:
    """Return where "lives in Rome" begins in "Ben says (that) he lives in Rome"; 0 for no such report."""
    words, at = clause.tokens.words, subject.stop
    if at >= clause.stop or words[at] not in _REPORTING or words[at - 1] in ("i", "we"):
        return 0
    at += 1
    while at < clause.stop and words[at] in _BETWEEN:
        at += 1
    return at + 1 if at < clause.stop and words[at] in _PRONOUNS else 0


def _beside(clause: Clause, context: Context, start: int) -> Iterator[Fact]:
    """Yield what "my cousin Farid" tells in passing."""
    for subject in names_beside_roles(clause.tokens, start, clause.stop, context.speaker):
        yield _named(subject.owner, Found(subject.relation, subject.name, was=subject.over), clause, context)


def _predicated(clause: Clause, context: Context, key: str, predicate: Predicate) -> Iterator[Fact]:
    """Yield what the rules of the verb read behind it."""
    rest = clause.tokens.raw(predicate.rest, clause.stop)
    if predicate.verb == "be" and rest.startswith("born"):
        yield from _born(clause, context, key, rest)
    told = _Told(
        predicate,
        no_more="any" in rest and _NO_MORE.search(rest) is not None,
        beside=predicate.also or (predicate.verb in _EARNING and _BESIDE.search(rest) is not None),
        lasting=predicate.tense != "perfect" or _LASTING.search(rest) is not None,
    )
    for rule in rules_for(predicate.verb, rest):
        for found in rule.read(Rest(rest, context.loose)):
            settled = _settled(found, rule, told)
            if settled is None or (found.relation == "name" and key != context.speaker):
                continue
            since = _dated(settled, rule, predicate, clause, context)
            if rule.aspect == "begin" and predicate.tense == "progressive" and not _lies_ahead(since, context):
                continue
            yield plain_fact(key, settled, clause.span, since)
            if not predicate.denied and found.relation in _CORRECTABLE and (tail := _NOT_TAIL.search(rest)):
                for other in rule.find(Rest(tail.group("object"), context.loose)):
                    if other.relation == found.relation:
                        yield plain_fact(key, other._replace(denied=True), clause.span, None)


class _Told(NamedTuple):
    """How a predicate is told. no_more: with "anymore".  beside: with "also" or "on weekends".

    lasting: not merely as something once done, "I've lived in Rome".
    """

    predicate: Predicate
    no_more: bool
    beside: bool
    lasting: bool


def _settled(found: Found, rule: Rule, told: _Told) -> Found | None:
    """Join what was found with tense and negation; None where together they say nothing."""
    if told.beside and found.relation.startswith("works"):
        found = found._replace(kind="multi")
    if rule.aspect == "always":
        return None if told.predicate.denied else found
    if rule.aspect == "state" and not told.predicate.begun:
        return _settled_state(found, rule, told)
    is_done = told.predicate.tense in ("past", "perfect") or told.predicate.begun
    if told.predicate.denied or told.predicate.over:
        return None
    if rule.aspect == "end":
        return found._replace(was=True) if is_done else None
    return found if is_done or told.predicate.tense == "progressive" else None


def _settled_state(found: Found, rule: Rule, told: _Told) -> Found | None:
    predicate = told.predicate
    opposite = OPPOSITES.get(found.relation)
    if opposite and predicate.tense == "progressive":
        return None  # "I'm loving the view" is of the moment
    if found.relation == EATS:
        avoids = predicate.denied or (predicate.over and predicate.tense == "present")
        return Found("diet", f"no {found.object.lower()}", kind="multi") if avoids else None
    if predicate.over or (predicate.denied and told.no_more):
        return found._replace(was=True)
    if predicate.tense == "past":
        if predicate.never and found.relation == "likes":
            return found._replace(relation="dislikes")
        return found._replace(was=True) if rule.past and not predicate.denied else None
    if predicate.never and predicate.tense == "perfect":
        return found._replace(relation="dislikes") if found.relation == "likes" else None
    if not predicate.denied:
        if found.relation in _EXPERIENCES and not told.lasting:
            return None
        return None if found.object == ANYTHING and not found.denied else found
    if opposite:  # who does not hate jazz need not like it
        return found._replace(relation="dislikes") if found.relation == "likes" else None
    return found._replace(denied=not found.denied)


def _dated(found: Found, rule: Rule, predicate: Predicate, clause: Clause, context: Context) -> datetime | None:
    """Return since when `found` holds, or when it ended."""
    text = clause.text
    if rule.aspect == "begin" and predicate.tense == "progressive":
        return beginning(f"will {text}", context.reference)  # so that "in August" means the next one
    if rule.aspect != "state" or predicate.begun:
        return None if rule.aspect == "always" and not found.was else beginning(text, context.reference)
    if found.was and predicate.tense == "past":
        return ending(text, context.reference)
    return standing_since(text, context.reference, perfect=predicate.tense == "perfect")


def _lies_ahead(moment: datetime | None, context: Context) -> bool:
    now = context.reference if context.reference.tzinfo else context.reference.replace(tzinfo=UTC)
    return moment is not None and moment > now


def _born(clause: Clause, context: Context, key: str, rest: str) -> Iterator[Fact]:
    """Yield the birthday or the year of birth."""
    when = rest.removeprefix("born").lstrip()
    year = year_of_birth(when, context.reference)
    day = "" if year else day_of_year(when, context.reference)
    if year or day:
        yield plain_fact(key, Found("birth_year" if year else "birthday", year or day), clause.span, None)


def _named(owner: str, found: Found, clause: Clause, context: Context) -> Fact:
    died = found.was and found.relation.startswith(HAS_PET)
    return plain_fact(owner, found, clause.span, beginning(clause.text, context.reference) if died else None)


def plain_fact(key: str, found: Found, span: tuple[int, int], valid_from: datetime | None = None) -> Fact:
    """Make a fact about `key` of what was found at `span`."""
    return Fact(
        subject=key,
        relation=found.relation,
        object=found.object,
        kind=found.kind or kind_of(found.relation),
        text_span=span,
        negated=found.denied and not found.was,
        ended=found.was,
        valid_from=valid_from,
    )
