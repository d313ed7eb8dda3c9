"""From a clause to its facts: subject, predicate and rule joined, with negation, end and date."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from context0.memory.rules import fact_objects as objects
from context0.memory.rules.fact import Fact
from context0.memory.rules.fact_attributes import owned_facts, read_inverse
from context0.memory.rules.fact_clauses import Clause, Tokens
from context0.memory.rules.fact_patterns import RULES, Aspect, Rule
from context0.memory.rules.fact_predicates import Predicate, read_predicate
from context0.memory.rules.fact_readers import Found
from context0.memory.rules.fact_subjects import Subject, read_subject
from context0.memory.rules.fact_times import beginning, day_of_year, ending, standing_since, year_of_birth
from context0.memory.rules.relation_kinds import EATS, OPPOSITES, kind_of
from context0.memory.rules.word_set import word_set

_REPORTED = word_set("says said mentions mentioned told tells")
_BETWEEN_REPORTED = word_set("me us that")
_PRONOUNS = word_set("he she they")
_NO_MORE = re.compile(r"\b(?:anymore|any more|any longer)\b", re.IGNORECASE)
_BESIDE = re.compile(
    r"\b(?:too|as well|part-time|on the side|on weekends|at weekends|in the evenings)\b", re.IGNORECASE
)
_NOT_TAIL = re.compile(r",?\s(?:and |but )?not (?:in |at |as |a |an |to )*(?P<object>[^,.;!?]+)", re.IGNORECASE)
_CORRECTED = frozenset({"lives_in", "works_at", "works_as", "age", "studies_at"})


@dataclass(frozen=True, slots=True)
class Context:
    """What a text's clauses share. last: the person of whom the clause before spoke, "" if nobody."""

    speaker: str
    reference: datetime
    loose: bool
    last: str = ""


@dataclass(frozen=True, slots=True)
class Read:
    """What one clause gave: its facts, and what the next one may go on from."""

    facts: tuple[Fact, ...]
    subject: Subject | None = None
    predicate: Predicate | None = None


NOTHING = Read(())


def read_clause(clause: Clause, context: Context, before: Read, since: int) -> Read:
    """Return the facts of `clause`.

    before: what the clause before it gave.  since: the place in the text from where dates count for it.
    """
    if clause.bare:
        if before.subject is None or before.predicate is None:
            return NOTHING
        inherited = before.predicate
        if clause.joint == "but":
            inherited = replace(inherited, denied=False, over=False)
        return _read_predicate(clause, context, before.subject, clause.start, (since, inherited))
    if inverse := read_inverse(clause, context.speaker, context.reference):
        return Read(tuple(_facts_about(inverse, clause)))
    subject = read_subject(clause, speaker=context.speaker, last=context.last)
    if subject is None:
        return NOTHING
    if subject.relation:
        owned = owned_facts(clause, subject, context.reference, loose=context.loose)
        facts = tuple(_facts_about(owned.found, clause, owned.when))
        if owned.complete or not subject.key:
            return Read(facts, replace(subject, key=owned.person) if owned.person else None)
        read = _read_predicate(clause, context, subject, subject.stop, (since, None))
        return replace(read, facts=facts + read.facts)
    return _read_predicate(clause, context, subject, subject.stop, (since, None))
