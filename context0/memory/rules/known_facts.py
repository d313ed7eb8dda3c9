"""What is known after many facts were said, in any order: each with the time in which it holds, and what ended it."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from typing import Final, NamedTuple

from context0.memory.rules.fact import Fact
from context0.memory.rules.names import entity_key
from context0.memory.rules.relation_kinds import (
    ANYTHING,
    BONDS,
    HAS_PET,
    INSTEAD_OF,
    OPPOSITES,
    PETS_AT_ALL,
    RELATED_TO,
    kind_of,
)
from context0.memory.rules.supersede import Verdict, closes, fold, is_older_news

_ENDS: Final = ("closes", "contradicts")


class Stated(NamedTuple):
    """A fact and when it was said."""

    fact: Fact
    at: datetime


class Validity(NamedTuple):
    """A fact and the time in which it holds, [valid_from, invalid_at); None is open."""

    fact: Fact
    valid_from: datetime | None
    invalid_at: datetime | None


class Known:
    """A fact that is known: when it was said and by which source, when it holds, and which source ended it."""

    __slots__ = ("adds", "at", "closed_by", "ended", "fact", "invalid_at", "order", "source", "valid_from")

    def __init__(self, fact: Fact, at: datetime, source: str, order: int, ended: set[str]) -> None:
        self.fact, self.at, self.source, self.order, self.ended = fact, at, source, order, ended
        moment = fact.valid_from or at
        self.valid_from: datetime | None = None if fact.ended else moment
        self.invalid_at: datetime | None = moment if fact.ended else None
        self.closed_by = ""
        self.adds = True
        """False for what tells nothing new: a repeat, or the end of something known."""

    def close(self, moment: datetime, by: "Known") -> None:
        """End it at `moment`; where that lies before its beginning, when that was said, or before it began."""
        if self.valid_from is not None and moment <= self.valid_from:
            moment = max(by.at, self.valid_from)
        self.end(moment, by)

    def end(self, moment: datetime, by: "Known") -> None:
        self.invalid_at, self.closed_by = moment, by.source
        self.ended.add(self.source)

    def is_open(self, at: datetime) -> bool:
        return self.invalid_at is None or self.invalid_at > at


class KnownFacts:
    """Facts by subject and family of relations, so that a new one meets only those that it may concern.

    `say` costs what the family has: of a relation with many values at a time, only those of the same value.
    """

    def __init__(self) -> None:
        self._by_value: defaultdict[tuple[str, str], defaultdict[str, list[Known]]] = defaultdict(
            lambda: defaultdict(list)
        )
        self._families: defaultdict[str, set[str]] = defaultdict(set)
        self._numbers = count()
        self.ended: set[str] = set()
        """The sources of which a fact was ended since somebody last emptied this."""

    def place(self, fact: Fact, at: datetime, source: str) -> Known:
        """Take over a fact as it was settled before; the caller sets its validity."""
        known = Known(fact, at, source, next(self._numbers), self.ended)
        subject, family = entity_key(fact.subject), family_of(fact.relation)
        self._by_value[subject, family][fold(fact.object)].append(known)
        self._families[subject].add(family)
        return known

    def say(self, fact: Fact, at: datetime, source: str = "") -> list[Known]:
        """Add a fact that was said at `at`, and return it, or what it puts in the place of what it corrects.

        What it ends has its end then, and it has its own if something that was said later, or began later, ended it.
        """
        met = sorted(self._met_by(fact), key=lambda known: known.order)
        earlier = [known for known in met if known.at <= at and known.is_open(at)]
        verdicts = [(known, closes(fact, known.fact, at=at, old_at=known.at)) for known in earlier]
        ended = [known for known, verdict in verdicts if verdict in _ENDS]
        if fact.relation.startswith(INSTEAD_OF):
            return self._correct(ended, fact, at, source)
        new = self.place(fact, at, source)
        for known in ended:
            known.close(new.fact.valid_from or at, new)
        new.adds = not (ended if fact.ended else _has(verdicts, "repeats"))
        self._end_by_later(new, earlier, [known for known in met if known.at > at])
        return [new]

    def _correct(self, ended: Iterable[Known], fact: Fact, at: datetime, source: str) -> list[Known]:
        """Put the corrected value in the place of the old one, since when that held."""
        corrected = []
        for known in ended:
            since = None if known.valid_from == at else known.valid_from  # as it will be read again
            instead = self.place(replace(known.fact, object=fact.object, valid_from=since), at, source)
            instead.valid_from = known.valid_from
            known.end(at, instead)
            corrected.append(instead)
        return corrected

    def _end_by_later(self, new: Known, earlier: Iterable[Known], later: Iterable[Known]) -> None:
        """End `new` where something begins that came after it, though it was said first, or was said later."""
        if new.fact.ended:
            return
        ends = [known for known in earlier if _follows(known.fact, new)]
        ends += [known for known in later if closes(known.fact, new.fact, at=known.at, old_at=new.at) in _ENDS]
        if ends:
            first = min(ends, key=lambda known: (known.fact.valid_from or known.at, known.order))
            new.close(first.fact.valid_from or first.at, first)

    def _met_by(self, fact: Fact) -> Iterator[Known]:
        subject, family = entity_key(fact.subject), family_of(fact.relation)
        if fact.relation.startswith(INSTEAD_OF):
            for other in self._families[subject]:
                yield from _all(self._by_value[subject, other])
            return
        values = self._by_value[subject, family]
        if fact.object == ANYTHING or kind_of(fact.relation) == "single" or fact.relation == PETS_AT_ALL:
            yield from _all(values)
            return
        for value in {fold(fact.object), fold(ANYTHING)}:
            yield from values.get(value, ())


def family_of(relation: str) -> str:
    """Return the name that relations share whose facts may end each other."""
    if relation in OPPOSITES:
        return min(relation, OPPOSITES[relation])
    if relation.startswith(RELATED_TO) and relation.removeprefix(RELATED_TO) in BONDS:
        return RELATED_TO
    return PETS_AT_ALL if relation.startswith(HAS_PET) else relation


def apply_sequence(stated: Iterable[Stated]) -> tuple[Validity, ...]:
    """Return what is known after everything was said, in that order: each fact with the time in which it holds.

    A repeat adds nothing. An end that ends nothing known is kept as a fact of the past. A correction puts the new
    value in the place of the old one, since when that held.
    """
    known = KnownFacts()
    said = [one for fact, at in stated for one in known.say(fact, _aware(at))]
    return tuple(Validity(one.fact, one.valid_from, one.invalid_at) for one in said if one.adds)


def _has(verdicts: Iterable[tuple[Known, Verdict]], wanted: Verdict) -> bool:
    return any(verdict == wanted for _, verdict in verdicts)


def _all(values: defaultdict[str, list[Known]]) -> Iterator[Known]:
    for facts in values.values():
        yield from facts


def _follows(old: Fact, new: Known) -> bool:
    """Tell whether `old`, though said first, came after `new` and ended it."""
    return is_older_news(new.valid_from, old) and closes(old, new.fact) == "closes"


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
