"""D2: a session's summary is made of its own sentences, grows to a bound, and costs the same at any length."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from context0.context.summary import (
    BATCH,
    MAX_CHARACTERS,
    WINDOW,
    Fold,
    needs_summary,
    open_questions,
    read_lines,
    summarise,
)
from stores.records import Message, Session
from tests.context_records import NOW, SESSION, message

TALK = (
    "I moved to Munich in May. Thanks!",
    "Great, noted.",
    "Where does Tom live?",
    "I don't know where Tom lives.",
    "We decided to rent the flat on Elm Street. My budget is 1500 euros.",
    "Noted.",
    "My new mail is [email], by the way.",
    "ok",
    "When is my flight?",
    "On Friday at nine.",
)


def said(*texts: str) -> list[Message]:
    return [message(at, text) for at, text in enumerate(texts, 1)]


def test_a_summary_has_what_was_stated_decided_and_left_open() -> None:
    assert summarise("", said(*TALK)) == (
        "Stated:\n- I moved to Munich in May.\n- My budget is 1500 euros.\n- My new mail is [email], by the way.\n"
        "Decided:\n- We decided to rent the flat on Elm Street.\n"
        "Open questions:\n- Where does Tom live?"
    )


def test_batch_by_batch_gives_the_same_as_all_at_once() -> None:
    messages = said(*TALK)
    for cut in range(0, len(messages), 2):
        assert summarise(summarise("", messages[:cut]), messages[cut:]) == summarise("", messages)


def test_a_question_leaves_when_it_is_answered_later() -> None:
    former = summarise("", said(*TALK))
    answered = summarise(former, said("Where does Tom live?", "In Oslo."))
    assert "Open questions:" not in answered


def test_the_answer_of_a_model_that_was_down_settles_nothing() -> None:
    told = [message(1, "When is my flight?"), message(2, "Sorry, try later.", state="fallback")]
    assert open_questions(told) == ("When is my flight?",)
    assert open_questions(said("When is my flight?")) == ("When is my flight?",)


def test_what_is_said_again_stands_once_and_last() -> None:
    told = summarise("", said("I live in Graz.", "ok", "My dog is called Biscuit.", "ok", "I live in Graz."))
    assert [line.text for line in read_lines(told)] == ["My dog is called Biscuit.", "I live in Graz."]


def test_a_models_summary_is_carried_on() -> None:
    told = summarise("Anna plans a move.", said("My budget is 1500 euros."))
    assert [line.text for line in read_lines(told)] == ["Anna plans a move.", "My budget is 1500 euros."]


@settings(deadline=None)
@given(st.lists(st.one_of(st.sampled_from(TALK), st.text(max_size=300)), max_size=30), st.text(max_size=2_000))
def test_a_summary_is_bounded_whatever_goes_in_and_reads_back_as_it_is(texts: list[str], former: str) -> None:
    told = summarise(former, said(*texts))
    assert len(told) <= MAX_CHARACTERS
    assert summarise(told, []) == told


def test_the_newest_lines_stay() -> None:
    told = summarise("", said(*(f"My locker number in gym {at} is {at}." for at in range(1, 200))))
    assert "gym 199 is 199" in told
    assert "gym 1 is 1." not in told


def test_messages_are_folded_in_before_they_leave_the_window() -> None:
    summary_seq = 0
    for last in range(1, 500):
        fold = needs_summary(session(next_seq=last + 1, summary_seq=summary_seq))
        if fold is not None:
            assert fold == Fold(after=summary_seq, up_to=last - WINDOW + BATCH)
            summary_seq = fold.up_to
        assert last - summary_seq <= WINDOW


def test_folds_are_rare_and_each_message_is_in_one() -> None:
    summary_seq, folds = 0, []
    for last in range(2, 2_001, 2):
        fold = needs_summary(session(next_seq=last + 1, summary_seq=summary_seq))
        if fold is not None:
            folds.append(fold)
            summary_seq = fold.up_to
    assert len(folds) <= 1_000 / 2
    assert all(first.up_to == second.after for first, second in pairwise(folds))


def session(**changes: int) -> Session:
    return Session(id=SESSION, created_at=NOW, updated_at=NOW, **changes)
