"""A newer fact ends an older one only for a reason; what was said of others or of many things stays."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from context0.memory.rules.fact import Fact
from context0.memory.rules.facts import extract_facts
from context0.memory.rules.known_facts import Stated, Validity, apply_sequence
from context0.memory.rules.names import entity_key
from context0.memory.rules.relation_kinds import kind_of
from context0.memory.rules.supersede import Verdict, closes, edge_of, fact_of

UPDATES: Final = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "data" / "fact_updates.jsonl").read_text("utf-8").splitlines()
]
DAY: Final = timedelta(days=1)
START: Final = datetime(2023, 1, 10, tzinfo=UTC)


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def fact(told: str, **changes: Any) -> Fact:
    """Make a fact of "relation object", "… no" or "… over", with "subject: " before it if it is not the speaker."""
    subject, _, rest = told.rpartition(": ")
    relation, _, value = rest.partition(" ")
    bare = value.removesuffix(" no").removesuffix(" over")
    values: dict[str, Any] = {
        "subject": subject or "self",
        "relation": relation,
        "object": bare,
        "kind": kind_of(relation),
        "text_span": (0, 1),
        "negated": value.endswith(" no"),
        "ended": value.endswith(" over"),
    }
    return Fact(**values | changes)


# --- update sequences


def _known(said: list[list[str]]) -> tuple[Validity, ...]:
    stated = [
        Stated(one, day(when)) for when, text in said for one in extract_facts(text, speaker=None, reference=day(when))
    ]
    return apply_sequence(stated)


def _holds(known: tuple[Validity, ...], relation: str, value: str, moment: datetime) -> bool:
    return any(
        (one.valid_from is None or one.valid_from <= moment) and (one.invalid_at is None or one.invalid_at > moment)
        for one in known
        if one.fact.relation == relation and entity_key(one.fact.object) == entity_key(value)
        if not one.fact.negated and not one.fact.ended
    )


def _counts() -> tuple[int, int]:
    """Return how many facts were wrongly ended, and how many wrongly left valid."""
    over = missed = 0
    for update in UPDATES:
        known = _known(update["said"])
        now = day(update["said"][-1][0])
        for relation, value, state in update["expected"]:
            holds = _holds(known, relation, value, now)
            over += state == "on" and not holds
            missed += state != "on" and holds
    return over, missed


def test_no_fact_is_ended_that_should_stay() -> None:
    over, _ = _counts()
    assert len(UPDATES) >= 50
    assert over == 0


def test_few_facts_stay_that_should_end() -> None:
    """The four known: a named dog that "died" unnamed, a country after another, "I got divorced", a new count."""
    _, missed = _counts()
    ending = sum(state == "off" for update in UPDATES for *_, state in update["expected"])
    assert ending >= 30
    assert missed <= 4


# --- single verdicts

VERDICTS: list[tuple[str, str, Verdict]] = [
    ("lives_in Graz", "lives_in Munich", "closes"),
    ("lives_in graz", "lives_in Graz", "repeats"),
    ("lives_in Graz", "ben: lives_in Munich", "independent"),
    ("lives_in Munich over", "lives_in Munich", "closes"),
    ("lives_in Paris over", "lives_in Munich", "independent"),
    ("lives_in Munich no", "lives_in Munich", "contradicts"),
    ("lives_in Munich", "lives_in Munich no", "contradicts"),
    ("lives_in Paris no", "lives_in Munich", "independent"),
    ("lives_in Munich no", "lives_in Munich no", "repeats"),
    ("lives_in Graz", "lives_in Munich over", "independent"),
    ("works_at * over", "works_at Siemens", "closes"),
    ("works_at * over", "works_as nurse", "independent"),
    ("likes tea", "likes coffee", "independent"),
    ("likes tea", "dislikes tea", "closes"),
    ("dislikes tea", "likes tea", "closes"),
    ("dislikes tea", "likes coffee", "independent"),
    ("likes peanuts", "likes peanut", "repeats"),
    ("favourite:colour teal", "favourite:colour red", "closes"),
    ("favourite:colour teal", "favourite:food ramen", "independent"),
    ("birthday 4 March", "birthday 3 March", "contradicts"),
    ("birthday 3 March", "birthday 3 March 1990", "repeats"),
    ("birthday 3 March 1990", "birthday 3 March", "closes"),
    ("has_pet * no", "has_pet:dog Rex", "contradicts"),
    ("has_pet:dog Rex", "has_pet * no", "contradicts"),
    ("has_pet:cat Mia", "has_pet:dog Rex", "independent"),
    ("related_to:sister Eva", "related_to:sister Clara", "independent"),
    ("related_to:wife Eva", "related_to:wife Clara", "closes"),
    ("related_to:spouse Eva", "related_to:fiance Eva", "closes"),
    ("related_to:partner Eva", "related_to:wife Eva", "repeats"),
    ("related_to:partner Eva over", "related_to:girlfriend Eva", "closes"),
    ("related_to:partner Eva over", "related_to:friend Eva", "independent"),
    ("instead_of:munich Graz", "lives_in Munich", "closes"),
    ("instead_of:munich Graz", "lives_in Rome", "independent"),
    ("remember_that a", "remember_that b", "independent"),
]


@pytest.mark.parametrize(("new", "old", "verdict"), VERDICTS)
def test_a_verdict_is_given_on_facts_and_on_edges(new: str, old: str, verdict: Verdict) -> None:
    assert closes(fact(new), fact(old)) == verdict
    assert closes(fact(new), edge_of(fact(old), created_at=START)) == verdict


def test_what_stands_beside_ends_nothing_and_is_ended_by_nothing() -> None:
    beside = fact("works_as guide", kind="multi")
    assert closes(beside, fact("works_as nurse")) == "independent"
    assert closes(fact("works_as nurse"), beside) == "independent"
    assert closes(fact("works_as nurse"), edge_of(beside, created_at=START)) == "independent"


def test_older_news_ends_nothing_newer() -> None:
    late = fact("lives_in Graz", valid_from=day("2015-01-01"))
    assert closes(late, fact("lives_in Munich", valid_from=day("2021-01-01"))) == "independent"
    assert closes(fact("lives_in Graz"), fact("lives_in Oslo", valid_from=day("2024-08-01")), at=START) == "independent"


def test_an_end_long_ago_was_another_time_of_the_same() -> None:
    ended = fact("lives_in Rome over", valid_from=day("2011-01-01"))
    assert closes(ended, fact("lives_in Rome"), old_at=START) == "independent"
    recent = fact("lives_in Rome over", valid_from=day("2023-01-01"))
    assert closes(recent, fact("lives_in Rome"), old_at=START) == "closes"


# --- sequences of facts


def test_the_older_value_ends_where_the_newer_begins() -> None:
    moved = fact("lives_in Graz", valid_from=day("2023-04-01"))
    known = apply_sequence([Stated(fact("lives_in Munich"), START), Stated(moved, day("2023-05-02"))])
    assert [one[1:] for one in known] == [(START, day("2023-04-01")), (day("2023-04-01"), None)]


def test_a_plan_begins_later_and_holds_against_what_is_said_before_it_begins() -> None:
    plan = fact("lives_in Oslo", valid_from=day("2023-08-01"))
    known = apply_sequence([Stated(plan, day("2023-04-01")), Stated(fact("lives_in Rome"), day("2023-05-01"))])
    assert [one[1:] for one in known] == [
        (day("2023-08-01"), None),
        (day("2023-05-01"), day("2023-08-01")),
    ]


def test_a_correction_takes_the_place_and_the_time_of_what_it_corrects() -> None:
    known = apply_sequence(
        [Stated(fact("lives_in Munich"), START), Stated(fact("instead_of:munich Graz"), START + DAY)]
    )
    assert [(one.fact.object, *one[1:]) for one in known] == [
        ("Munich", START, START + DAY),
        ("Graz", START, None),
    ]


def test_a_repeat_adds_nothing_and_an_end_of_the_unknown_is_kept_as_past() -> None:
    again = [Stated(fact("likes tea"), START), Stated(fact("likes Tea"), START + DAY)]
    assert len(apply_sequence(again)) == 1
    ((_, since, until),) = apply_sequence([Stated(fact("lives_in Rome over"), START)])
    assert (since, until) == (None, START)


def test_taking_the_newer_fact_back_restores_the_older() -> None:
    said = [Stated(fact("lives_in Munich"), START), Stated(fact("lives_in Graz"), START + DAY)]
    assert apply_sequence(said)[0].invalid_at is not None
    assert apply_sequence(said[:1])[0].invalid_at is None


# --- any facts

RELATIONS = ["lives_in", "likes", "dislikes", "has_pet:dog", "speaks", "birthday", "works_at", "related_to:wife", "age"]
FACTS = st.builds(
    Fact,
    subject=st.sampled_from(["self", "ben"]),
    relation=st.sampled_from(RELATIONS),
    object=st.sampled_from(["a", "b", "c", "*"]),
    kind=st.sampled_from(["single", "multi"]),
    text_span=st.just((0, 1)),
    negated=st.booleans(),
    ended=st.booleans(),
    valid_from=st.none() | st.integers(-900, 900).map(lambda days: START + days * DAY),
)


@given(FACTS, FACTS)
def test_other_subjects_and_many_valued_relations_never_end_each_other(new: Fact, old: Fact) -> None:
    verdict = closes(new, old, at=START + DAY, old_at=START)
    apart = kind_of(new.relation) == "multi" and "*" not in (new.object, old.object) and new.object != old.object
    if apart or new.subject != old.subject:
        assert verdict == "independent"


@given(st.lists(st.tuples(FACTS, st.integers(0, 400)), max_size=12))
def test_no_fact_ends_before_it_begins(said: list[tuple[Fact, int]]) -> None:
    stated = [Stated(one, START + days * DAY) for one, days in sorted(said, key=lambda pair: pair[1])]
    for _, since, until in apply_sequence(stated):
        assert since is None or until is None or since <= until


@given(FACTS)
def test_an_edge_keeps_what_ends_and_repeats_it(one: Fact) -> None:
    kept = fact_of(edge_of(one, created_at=START - 1000 * DAY))
    assert (kept.subject, kept.relation, kept.negated, kept.ended) == (
        one.subject,
        one.relation,
        one.negated,
        one.ended,
    )
    assert kind_of(one.relation) == "multi" or kept.kind == one.kind
    if not one.ended:
        assert kept.valid_from == one.valid_from
        assert closes(one, kept) == "repeats"
