"""From a clause to its facts: subject, predicate and rule joined, with negation, end and date."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from context0.memory.rules.fact import Fact
from context0.memory.rules.fact_attributes import read_inverse, read_named
from context0.memory.rules.fact_clauses import Clause
from context0.memory.rules.fact_patterns import RULES, Aspect, Rule
from context0.memory.rules.fact_predicates import Predicate, read_predicate
from context0.memory.rules.fact_readers import Found
from context0.memory.rules.fact_subjects import Subject, names_beside_roles, read_subject
from context0.memory.rules.fact_times import beginning, day_of_year, ending, standing_since, year_of_birth
from context0.memory.rules.relation_kinds import EATS, OPPOSITES, RELATED_TO, kind_of
from context0.memory.rules.word_set import word_set

_REPORTING = word_set("says said mentions mentioned told tells")
_BETWEEN = word_set("me us that")
_PRONOUNS = word_set("he she they")
_NO_MORE = re.compile(r"\b(?:anymore|any more|any longer)\b", re.IGNORECASE)
_BESIDE = re.compile(r"\b(?:too|as well|part-time|on the side|(?:on|at) weekends|in the evenings)\b", re.IGNORECASE)
_NOT_TAIL = re.compile(
    r"[^.;!?]*?,?\s(?:and |but )?not (?:(?:in|at|as|for|a|an|to) )*(?P<object>[^,.;!?]+)", re.IGNORECASE
)
_CORRECTABLE = word_set("lives_in works_at works_as age studies_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What the clauses of a text share. loose: the text is all in small letters."""

    speaker: str
    reference: datetime
    loose: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What a clause gave, and what the next may go on from. person: of whom it spoke, if not the speaker."""

    facts: tuple[Fact, ...] = ()
    subject: Subject | None = None
    predicate: Predicate | None = None
    person: str = ""


NOTHING = Read()


def read_clause(clause: Clause, context: Context, before: Read) -> Read:
    """Return the facts of `clause`; `before` is what the clause before it in the text gave."""
    if clause.bare:
        return _read_bare(clause, context, before)
    owner, inverse = read_inverse(clause, context.speaker, context.reference, loose=context.loose)
    if inverse:
        return Read(facts=tuple(_plain(owner, found, clause, context) for found in inverse))
    subject = read_subject(clause, speaker=context.speaker, last=before.person)
    if subject is None:
        return Read(facts=tuple(_beside(clause, context, clause.start)))
    named: tuple[Fact, ...] = ()
    person = subject.key
    if subject.relation:
        found = read_named(clause, subject, context.reference, loose=context.loose)
        named = tuple(_plain(subject.owner, one, clause, context) for one in found)
        if len(named) == 1 and subject.relation.startswith(RELATED_TO):
            person = _key_of(named[0])
    facts: tuple[Fact, ...] = ()
    predicate = None
    if subject.key and not (named and not subject.name):
        reported = _reported(clause, subject)
        predicate = read_predicate(clause.tokens, reported or subject.stop, clause.stop)
        if predicate is not None:
            facts = tuple(_facts(clause, context, subject.key, predicate))
    beside = tuple(_beside(clause, context, subject.stop))
    return Read(
        facts=named + facts + beside,
        subject=subject if predicate else None,
        predicate=predicate,
        person=person if person != context.speaker and (named or facts) else "",
    )
