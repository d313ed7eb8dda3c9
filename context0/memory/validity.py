"""Which memories no longer hold, once others were said: pure. Facts lie in the relations of their memories."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from context0.memory.rules.fact import Fact
from context0.memory.rules.known_facts import Known, KnownFacts, family_of
from context0.memory.rules.relation_kinds import ANYTHING, INSTEAD_OF, PETS_AT_ALL, kind_of
from context0.memory.rules.supersede import against, edge_of, fact_of, fold, names_of, relation_of
from stores.records import MENTIONS, EdgePattern, MemoryId, Relation, Statement

ONLY_FACTS: Final = 4
"""Trait: the facts that were read are all that the text tells, so that it no longer holds when they do not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """How memories stand: new ones in the order given, and those of the stored ones that now stand otherwise."""

    new: Sequence[Statement]
    changed: Sequence[Statement]


class Standing:
    """How the facts of some memories stand, kept while more are said, so that these cost only whom they meet."""

    def __init__(self) -> None:
        self._known = KnownFacts()
        self._places = _Places()
        self._statements: dict[MemoryId, Statement] = {}

    def __len__(self) -> int:
        return len(self._statements)

    def take(self, stored: Iterable[Statement]) -> None:
        """Take over memories that are settled among themselves and with those that are here; known ones stay."""
        for statement in stored:
            if statement.id in self._statements:
                continue
            self._statements[statement.id] = statement
            for number, relation in _values_in(statement.relations):
                self._places.put(_placed(self._known, relation, statement), statement.id, number)

    def say(self, new: Sequence[Statement], *, about: Collection[str] | None = None) -> Settled:
        """Say the facts of `new`, and return how they stand, and which of those that were here now stand otherwise.

        about: only these subjects' facts are said; the others stand as they do. None means all.
        """
        self._known.ended.clear()
        after = {one.id: one for one in new}
        for statement in sorted(new, key=lambda one: (one.said_at, one.id)):
            after[statement.id] = _said(self._known, self._places, statement, about)
        settled_new = [self._places.settled(after[one.id]) for one in new]
        changed = []
        for memory_id in sorted(self._known.ended & self._statements.keys()):
            old = self._statements[MemoryId(memory_id)]
            if (one := self._places.settled(old)) != old:
                changed.append(one)
        self._statements.update((one.id, one) for one in (*settled_new, *changed))
        return Settled(new=settled_new, changed=changed)


def settle(stored: Iterable[Statement], new: Sequence[Statement], *, about: Collection[str] | None = None) -> Settled:
    """Return how everything stands after `new` was said, `stored` being settled among itself.

    about: as in `Standing.say`. Costs, for each new fact, the stored facts of the same subject and family of relations.
    """
    standing = Standing()
    standing.take(stored)
    return standing.say(new, about=about)


def resettle(stored: Sequence[Statement], about: Collection[str]) -> Sequence[Statement]:
    """Return those of `stored` that stand otherwise when all about these subjects is said again, in order.

    stored: every statement about them, and none that is to count no more.
    """
    afresh = settle((), [_unsettled(one, about) for one in stored], about=about).new
    return [one for one, old in zip(afresh, stored, strict=True) if one != old]


def subjects_of(statements: Iterable[Statement]) -> set[str]:
    """Return whom the facts are about."""
    return {relation.source for statement in statements for _, relation in _facts_in(statement.relations)}


def concerned(statements: Iterable[Statement]) -> set[EdgePattern]:
    """Return which stored edges these facts may end, or may be ended by: as `KnownFacts` and `closes` have it.

    What says the same as a new fact is not among them: it may be there ten thousand times.
    """
    return {
        pattern
        for statement in statements
        for _, relation in _facts_in(statement.relations)
        for pattern in _concerned_by(relation)
    }


def _concerned_by(edge: Relation) -> Iterator[EdgePattern]:
    source, name, key = edge.source, relation_of(edge), fold(edge.target)
    if name.startswith(INSTEAD_OF):
        key = fold(name.removeprefix(INSTEAD_OF))
        yield from (EdgePattern(source, target=target) for target in (key, f"{key}s"))
    elif name == PETS_AT_ALL:
        yield EdgePattern(source)
    elif not key or kind_of(name) == "single":
        for one in {*names_of(family_of(name)), *names_of(name)}:
            yield EdgePattern(source, one)
    else:
        same_value, ends = against(edge.relation, is_end=edge.invalid_at is not None and edge.closed_by is None)
        for one in same_value:
            for target in (key, f"{key}s", ANYTHING):
                yield EdgePattern(source, one, target)
        for one in ends:
            yield EdgePattern(source, one, over=True)


def standing_beside(statement: Statement, about: Collection[str]) -> Statement:
    """Return the statement with its facts about these subjects as ones that end nothing, and are ended by nothing."""
    relations = tuple(
        edge_of(replace(fact_of(opened(one)), beside=True), created_at=one.created_at)
        if one.source in about and one.relation != MENTIONS
        else one
        for one in statement.relations
    )
    return replace(statement, relations=relations)


def states_facts(relations: Iterable[Relation]) -> bool:
    return any(relation.relation != MENTIONS for relation in relations)


class _Places:
    """Where each known fact stands: in which memory, at which of its relations."""

    def __init__(self) -> None:
        self._of: defaultdict[MemoryId, dict[int, Known]] = defaultdict(dict)

    def put(self, known: Known, memory_id: MemoryId, number: int) -> None:
        self._of[memory_id][number] = known

    def settled(self, statement: Statement) -> Statement:
        """Return the statement with the validity of its facts; as it is if none of them is known here."""
        known = self._of.get(statement.id)
        if known is None:
            return statement
        relations = tuple(
            _ended(relation, known[number]) if number in known else relation
            for number, relation in enumerate(statement.relations)
        )
        return _with_validity(statement, relations)


def _facts_in(relations: Sequence[Relation]) -> Iterator[tuple[int, Relation]]:
    return ((n, relation) for n, relation in enumerate(relations) if relation.relation != MENTIONS)


def _values_in(relations: Sequence[Relation]) -> Iterator[tuple[int, Relation]]:
    """Yield the facts but corrections, which say nothing beside the value that they put in the place of another."""
    return (found for found in _facts_in(relations) if not relation_of(found[1]).startswith(INSTEAD_OF))


def opened(relation: Relation) -> Relation:
    """Return the edge as it was said: without the end that another memory gave it."""
    return relation if relation.closed_by is None else replace(relation, invalid_at=None, closed_by=None)


def _placed(known: KnownFacts, relation: Relation, statement: Statement) -> Known:
    one = known.place(fact_of(opened(relation)), statement.said_at, statement.id)
    one.valid_from, one.invalid_at, one.closed_by = relation.valid_from, relation.invalid_at, relation.closed_by or ""
    return one


def _said(known: KnownFacts, places: _Places, statement: Statement, about: Collection[str] | None) -> Statement:
    """Say what a memory states, and return it with the edges that its corrections made."""
    relations = list(statement.relations)
    for number, relation in _facts_in(statement.relations):
        if about is not None and relation.source not in about:
            continue
        fact = fact_of(relation)
        for one in known.say(fact, statement.said_at, statement.id):
            at = number
            if fact.relation.startswith(INSTEAD_OF):
                at = _derived(relations, one.fact, one, statement)
            places.put(one, statement.id, at)
    return statement if len(relations) == len(statement.relations) else replace(statement, relations=tuple(relations))


def _derived(relations: list[Relation], fact: Fact, known: Known, statement: Statement) -> int:
    """Return where the edge of a corrected fact stands among the relations, added if it is not there yet."""
    edge = edge_of(replace(fact, valid_from=known.valid_from), created_at=statement.said_at)
    if edge not in relations:
        relations.append(edge)
    return relations.index(edge)


def _ended(relation: Relation, known: Known) -> Relation:
    if known.fact.ended and not known.closed_by:
        return relation
    closer = MemoryId(known.closed_by) if known.closed_by else None
    if (relation.invalid_at, relation.closed_by) == (known.invalid_at, closer):
        return relation
    return replace(relation, invalid_at=known.invalid_at, closed_by=closer)


def _unsettled(statement: Statement, about: Collection[str]) -> Statement:
    relations = tuple(opened(one) if one.source in about else one for one in statement.relations)
    return replace(statement, relations=relations)


def _with_validity(statement: Statement, relations: tuple[Relation, ...]) -> Statement:
    """Return the statement with these relations, and the validity of the memory as a whole.

    It no longer holds when all its facts were ended by others and it tells nothing else. It holds since its earliest
    fact, where the text says since when.
    """
    facts = [relation for _, relation in _values_in(relations)]
    since = [one.valid_from for one in facts if one.valid_from is not None and one.valid_from != statement.said_at]
    closed = [(one.invalid_at, one.closed_by) for one in facts if one.closed_by and one.invalid_at]
    is_over = bool(facts) and len(closed) == len(facts) and statement.traits & ONLY_FACTS
    invalid_at, closer = max(closed) if is_over else (None, None)
    tells_since = bool(since) and statement.traits & ONLY_FACTS
    return replace(
        statement,
        relations=relations,
        valid_from=min(since) if tells_since else None,
        invalid_at=invalid_at,
        superseded_by=closer,
    )
