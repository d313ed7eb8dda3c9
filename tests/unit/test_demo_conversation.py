"""The sample conversation of the demo is whole."""

from datetime import timedelta
from itertools import groupby, pairwise

import pytest

from context0.demo.conversation import KINDS, Demo, load_demo


@pytest.fixture(scope="module")
def demo() -> Demo:
    return load_demo()


def test_the_conversation_is_of_two_people_over_several_months(demo: Demo) -> None:
    assert len(demo.turns) >= 72
    assert {turn.speaker for turn in demo.turns} == set(demo.people)
    assert len(demo.people) == 2
    assert len({turn.session for turn in demo.turns}) >= 8
    assert demo.turns[-1].at - demo.turns[0].at > timedelta(days=200)


def test_turns_have_own_ids_and_texts_and_ascending_dates_with_offset(demo: Demo) -> None:
    assert len({turn.id for turn in demo.turns}) == len(demo.turns)
    assert len({turn.text for turn in demo.turns}) == len(demo.turns)
    assert all(turn.at.tzinfo is not None for turn in demo.turns)
    assert all(earlier.at < later.at for earlier, later in pairwise(demo.turns))
    assert demo.turns[-1].at < demo.asked_at


def test_sessions_are_not_interleaved_and_last_less_than_a_day(demo: Demo) -> None:
    runs = [(session, list(turns)) for session, turns in groupby(demo.turns, key=lambda turn: turn.session)]
    assert len(runs) == len({session for session, _ in runs})
    assert all(turns[-1].at - turns[0].at < timedelta(days=1) for _, turns in runs)


def test_ten_questions_of_every_kind_point_to_turns_that_exist(demo: Demo) -> None:
    known = {turn.id for turn in demo.turns}
    assert len(demo.questions) == 10
    assert {question.kind for question in demo.questions} == set(KINDS)
    assert all(question.turns and known.issuperset(question.turns) for question in demo.questions)


def test_the_expected_turn_of_an_updated_fact_is_not_its_first_mention(demo: Demo) -> None:
    position = {turn.id: place for place, turn in enumerate(demo.turns)}
    updated = [question for question in demo.questions if question.kind == "updated fact"]
    assert all(position[turn] > len(demo.turns) // 2 for question in updated for turn in question.turns)
