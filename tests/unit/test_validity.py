"""Which memories no longer hold: settled as they come, or all anew, the outcome is the same (A10)."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from context0.memory.rules.fact import Fact
from context0.memory.rules.known_facts import KnownFacts
from context0.memory.rules.relation_kinds import kind_of
from context0.memory.rules.supersede import edge_of
from context0.memory.validity import ONLY_FACTS, concerned, resettle, settle, standing_beside, subjects_of
from stores.records import MENTIONS, MemoryId, Relation, Statement
from tests.contracts.builders import named

START = datetime(2023, 1, 1, tzinfo=UTC)
RELATIONS = [
    "lives_in",
    "likes",
    "dislikes",
    "has_pet:dog",
    "has_pet:cat",
    "has_pet",
    "birthday",
    "related_to:wife",
    "instead_of:a",
]


def fact(relation: str, value: str, **changes: Any) -> Fact:
    values: dict[str, Any] = {"subject": "self", "kind": kind_of(relation), "text_span": (0, 0)}
    return Fact(relation=relation, object=value, **values | changes)


def statement(number: int, *facts: Fact, traits: int = ONLY_FACTS) -> Statement:
    said_at = START + timedelta(days=number)
    edges = tuple(edge_of(one, created_at=said_at) for one in facts)
    return Statement(id=MemoryId(f"m{number:03d}"), said_at=said_at, traits=traits, relations=edges)


def met(stored: Sequence[Statement], new: Sequence[Statement]) -> list[Statement]:
    """Return what a store has to return before `new` is added: see `DocumentStore.statements`."""
    patterns, since = concerned(new), min(one.said_at for one in new)

    def is_meant(edge: Relation) -> bool:
        matters = edge.invalid_at is None or edge.invalid_at >= since or edge.created_at >= since
        return matters and any(pattern.fits(edge) for pattern in patterns)

    return [one for one in stored if any(map(is_meant, one.relations))]


def in_batches(batches: Sequence[Sequence[Statement]], read: Callable[..., list[Statement]] = met) -> list[Statement]:
    """Settle each batch behind those before it, as they are added."""
    stored: list[Statement] = []
    for new in batches:
        settled = settle(read(stored, new), new)
        changed = {one.id: one for one in settled.changed}
        stored = [*(changed.get(one.id, one) for one in stored), *settled.new]
    return stored


def one_by_one(statements: Sequence[Statement]) -> list[Statement]:
    return in_batches([[one] for one in statements])


FACTS = st.builds(
    fact,
    st.sampled_from(RELATIONS),
    st.sampled_from(["a", "b", "c", "*"]),
    negated=st.booleans(),
    ended=st.booleans(),
    beside=st.booleans(),
    valid_from=st.none() | st.integers(-60, 60).map(lambda days: START + timedelta(days=days)),
)
FACTS = FACTS.filter(
    lambda one: (
        one.relation != "instead_of:a" or (one.object, one.negated, one.ended, one.beside) == ("b", False, False, False)
    )
)
SEQUENCES = st.lists(st.lists(FACTS, min_size=1, max_size=2), max_size=8).map(
    lambda said: [statement(number, *facts) for number, facts in enumerate(said)]
)


DAYS = st.tuples(st.integers(0, 400), st.lists(FACTS, min_size=1, max_size=2))
BATCHES = st.lists(st.lists(DAYS, min_size=1, max_size=3), max_size=6)
"""Said in any order: the day, and the facts."""


@given(BATCHES)
@settings(max_examples=200, deadline=None)
def test_what_is_not_read_would_have_changed_nothing(said: list[list[tuple[int, list[Fact]]]]) -> None:
    numbers = count()
    batches = [[replace(statement(day, *facts), id=named(next(numbers))) for day, facts in batch] for batch in said]
    assert in_batches(batches) == in_batches(batches, read=lambda stored, _: stored)


def test_what_says_the_same_is_not_read() -> None:
    """It may be there ten thousand times: each batch of them would read all those before it."""
    stored = [
        statement(0, fact("likes", "tea")),
        statement(1, fact("dislikes", "tea")),
        statement(2, fact("owns", "a")),
    ]
    assert met(stored, [statement(3, fact("likes", "tea"), fact("owns", "a"))]) == [stored[1]]


@given(SEQUENCES)
@settings(max_examples=200, deadline=None)
def test_settled_one_by_one_or_in_one_batch_is_the_same(said: list[Statement]) -> None:
    assert one_by_one(said) == list(settle((), said).new)


def test_what_a_correction_puts_in_a_place_is_since_then_also_when_it_is_read_again() -> None:
    since = fact("lives_in", "a", valid_from=START)
    corrected = statement(2, fact("lives_in", "a"), fact("instead_of:a", "b"))
    said = [statement(0, since), statement(1, fact("lives_in", "a")), corrected, statement(3, since)]
    assert one_by_one(said) == list(settle((), said).new)


@given(SEQUENCES)
@settings(max_examples=200, deadline=None)
def test_what_is_settled_stays_as_it_is_when_it_is_said_again(said: list[Statement]) -> None:
    if any(edge.relation.startswith("instead_of") for one in said for edge in one.relations):
        return  # what a correction has put in the place of the old one is then a fact like any other
    settled = one_by_one(said)
    assert resettle(settled, subjects_of(settled)) == []


def test_a_memory_holds_as_long_as_one_of_its_facts() -> None:
    both = statement(0, fact("lives_in", "munich"), fact("works_at", "siemens"))
    first = settle([both], [statement(1, fact("lives_in", "graz"))]).changed
    assert [one.invalid_at for one in first] == [None]
    second = settle(first, [statement(2, fact("works_at", "bosch"))]).changed
    assert [(one.invalid_at, one.superseded_by) for one in second] == [(START + timedelta(days=2), "m002")]


def test_a_memory_that_tells_more_than_its_facts_goes_on_holding() -> None:
    told = statement(0, fact("lives_in", "munich"), traits=0)
    (changed,) = settle([told], [statement(1, fact("lives_in", "graz"))]).changed
    assert (changed.invalid_at, changed.relations[0].closed_by) == (None, "m001")


def test_mentions_and_other_subjects_stay_when_facts_are_said_again() -> None:
    mention = Relation(source="self", relation=MENTIONS, target="lena", created_at=START)
    sister = edge_of(fact("lives_in", "rome", subject="sister of self"), created_at=START)
    closed = replace(sister, invalid_at=START, closed_by=MemoryId("elsewhere"))
    mixed = replace(statement(0, fact("lives_in", "munich")), relations=(mention, closed))
    assert resettle([mixed], {"self"}) == []


def test_what_stands_beside_ends_nothing_and_is_not_ended() -> None:
    munich, graz = one_by_one([statement(0, fact("lives_in", "munich")), statement(1, fact("lives_in", "graz"))])
    beside = standing_beside(graz, {"self"})
    (again,) = resettle([munich, beside], {"self"})
    assert (again.id, again.invalid_at) == (munich.id, None)
    assert settle([again, beside], [statement(2, fact("lives_in", "rome"))]).changed[0].id == munich.id


def test_a_liking_meets_only_those_of_the_same_thing() -> None:
    """Of 10,000 facts of one family: otherwise a batch of them would cost 50 million comparisons."""
    known = KnownFacts()
    for number in range(10_000):
        known.say(fact("likes", f"thing {number}"), START)
    assert [one.fact.object for one in known._met_by(fact("dislikes", "thing 7"))] == ["thing 7"]
