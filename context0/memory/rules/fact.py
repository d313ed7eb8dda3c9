"""A fact as the rules read it from a text: who, what relation, what, since when, and whether it is over or denied."""

from dataclasses import dataclass
from datetime import datetime

from context0.memory.rules.relation_kinds import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One statement about one subject.

    subject: an entity key: the speaker's ("self" without one), a named person's, or "sister of self" where no name is
    given.  relation: see `relation_kinds`.  object: as written, without article; birthdays as "3 May 1990", ages in
    digits, "*" for whatever it was.  kind: "single" if a newer value replaces it; a fact may be "multi" though its
    relation is single ("I also work as …").
    negated: it is said not to be so.  ended: it is said to have been so and to be over.
    beside: a person said that it holds beside what seems to exclude it.
    valid_from: since when it holds, or when it ended; None if the text does not say.
    text_span: where it stands in the text, as characters [start, end).
    """

    subject: str
    relation: str
    object: str
    kind: Kind
    text_span: tuple[int, int]
    negated: bool = False
    ended: bool = False
    beside: bool = False
    valid_from: datetime | None = None
