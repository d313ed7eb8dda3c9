"""C1, C2: what a message means behind the last answer: an answer to its question, the same once more, a follow-up."""

from typing import Any

import pytest

from context0.agents.follow_up import understood
from context0.context.built import BuiltContext, ContextKey, History
from tests.chat_bench import ANNA, build_turn
from tests.context_records import message


def behind(*texts: str, state: Any = "complete") -> BuiltContext:
    """Return a talk; the last text is the assistant's where their number is even."""
    messages = [message(seq, text) for seq, text in enumerate(texts, start=1)]
    if texts and not len(texts) % 2:
        messages[-1] = message(len(texts), texts[-1], state=state)
    return BuiltContext(key=ContextKey(scope=ANNA), history=History(messages=tuple(messages)))


def query(text: str, built: BuiltContext | None, **changes: Any) -> str:
    return understood(build_turn(text, **changes), built).query


@pytest.mark.parametrize("built", [None, BuiltContext(key=ContextKey(scope=ANNA)), behind()])
@pytest.mark.parametrize("text", ["yes", "And why there?", "and now?", "Where does she live?"])
def test_without_a_talk_at_hand_a_message_is_judged_by_itself(text: str, built: BuiltContext | None) -> None:
    turn = understood(build_turn(text), built)
    assert (turn.query, turn.operation, turn.tier) == (text, build_turn(text).operation, build_turn(text).tier)


@pytest.mark.parametrize("text", ["yes", "Yes, please", "no", "ja", "да", "okay"])
def test_a_bare_reply_to_a_question_is_searched_for_with_the_question(text: str) -> None:
    talk = behind("Hello!", "Good morning. Shall I look up your bread oven?")
    turn = understood(build_turn(text), talk)
    assert (turn.operation, turn.query) == ("moderate", f"Shall I look up your bread oven?\n{text}")


@pytest.mark.parametrize("answer", ["Good morning.", "You asked: why? I do not know."])
def test_a_bare_reply_to_no_question_is_small_talk(answer: str) -> None:
    turn = understood(build_turn("yes"), behind("Hello!", answer))
    assert (turn.operation, turn.query) == ("trivial", "yes")


@pytest.mark.parametrize(
    "text", ["Where does she live?", "Why?", "And in May?", "What about the other one?", "Who told you that?"]
)
def test_a_follow_up_is_searched_for_with_the_question_before(text: str) -> None:
    talk = behind("What is Clara's job?", "She is a baker.")
    assert query(text, talk) == f"What is Clara's job?\n{text}"


@pytest.mark.parametrize(
    "text",
    [
        "Where does Ben live?",
        "Tell me about the harbour",
        "I live in Munich",
        "Hello!",
        "They told us at the meeting that the market moves to the harbour in May, and that nobody asked us before",
    ],
)
def test_what_names_its_subject_or_tells_enough_is_searched_for_alone(text: str) -> None:
    assert query(text, behind("What is Clara's job?", "She is a baker.")) == text


def test_of_what_was_asked_before_only_a_part_is_taken() -> None:
    long = "Tell me about the harbour and the market " * 100
    assert len(query("Why is it there?", behind(long, "No."))) < 1_000


@pytest.mark.parametrize("state", ["partial", "fallback"])
def test_after_an_answer_that_failed_and_now_asks_for_it_once_more(state: Any) -> None:
    turn = understood(build_turn("and now?"), behind("Where do I live?", "In Mun", state=state))
    assert turn.tier is not None
    assert turn.tier.recalls
    whole = understood(build_turn("and now?"), behind("Where do I live?", "In Munich."))
    assert whole.tier is not None
    assert not whole.tier.recalls


def test_a_question_that_got_no_answer_has_failed_too() -> None:
    turn = understood(build_turn("and now?"), behind("Hello!", "Hello.", "Where do I live?"))
    assert turn.tier is not None
    assert turn.tier.recalls


def test_in_the_mode_redact_what_was_said_before_is_masked_in_the_search() -> None:
    talk = behind("Is anna@example.com my mail?", "Yes.")
    assert query("And since when is it?", talk, mode="redact") == "Is [email] my mail?\nAnd since when is it?"
