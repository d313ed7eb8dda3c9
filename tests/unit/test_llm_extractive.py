"""Answers by rules from memories (B5, B10): what is quoted, what is said when nothing is there, and never more."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from context0.llm.extractive import ExtractiveLLM, reply_to
from context0.llm.extractive_words import kind_of, sentences_of, wanted_by
from context0.llm.protocol import Prompt, PromptMessage, Source

MUNICH = Source(
    memory_id="munich",
    content="I moved to Munich in May. The weather was great.",
    score=0.9,
    speaker="Anna",
    said_at=datetime(2026, 5, 3, tzinfo=UTC),
)
BERLIN = Source(
    memory_id="berlin",
    content="I live in Berlin.",
    score=0.95,
    speaker="Anna",
    said_at=datetime(2025, 3, 1, tzinfo=UTC),
    invalid_at=datetime(2026, 5, 3, tzinfo=UTC),
)
DOG = Source(memory_id="dog", content="My dog Rex is three years old and loves the park.", score=0.4)
DENTIST = Source(memory_id="dentist", content="Der Termin beim Zahnarzt ist am 4. Juni.", score=0.3)
TEA = Source(memory_id="tea", content="Tom drinks green tea. He hates coffee.", score=0.5, speaker="Ben")
ALL = (BERLIN, MUNICH, DOG, DENTIST, TEA)


def reply(question: str, sources=ALL) -> tuple[str, list[str]]:
    text, quotes = reply_to(Prompt(messages=(), question=question, sources=sources))
    return text, [quote.source.memory_id for quote in quotes]


@pytest.mark.parametrize(
    ("question", "quoted", "cited"),
    [
        ("Where does Anna live?", "“I moved to Munich in May.” (Anna, 3 May 2026) [2]", "munich"),
        ("Which city am I in?", "“I moved to Munich in May.”", "munich"),
        (
            "Where did I live before?",
            "“I live in Berlin.” (Anna, 1 March 2025, no longer true since 3 May 2026) [1]",
            "berlin",
        ),
        ("How old is my dog?", "“My dog Rex is three years old and loves the park.” [3]", "dog"),
        ("Wann ist der Zahnarzt?", "“Der Termin beim Zahnarzt ist am 4. Juni.” [4]", "dentist"),
        ("What does Tom hate?", "“Tom drinks green tea. He hates coffee.” (Ben) [5]", "tea"),
        ("tell me about the weather", "“The weather was great.”", "munich"),
    ],
)
def test_a_question_is_answered_by_the_sentence_that_says_it_with_who_when_and_where_from(question, quoted, cited):
    text, ids = reply(question)
    assert text.startswith("From your memories: ")
    assert quoted in text
    assert ids[0] == cited


def test_what_no_longer_holds_is_quoted_only_where_nothing_else_is_there_and_is_marked():
    assert reply("Where do I live?")[1] == ["munich"]
    text, ids = reply("Where do I live?", (BERLIN,))
    assert ids == ["berlin"]
    assert "no longer true since 3 May 2026" in text


def test_of_two_that_say_the_same_the_newer_comes_first():
    older = Source(
        memory_id="old", content="My favourite colour is red.", score=0.5, said_at=datetime(2024, 1, 1, tzinfo=UTC)
    )
    newer = Source(
        memory_id="new", content="My favourite colour is blue.", score=0.5, said_at=datetime(2026, 1, 1, tzinfo=UTC)
    )
    assert reply("What is my favourite colour?", (older, newer))[1] == ["new", "old"]


def test_memory_that_holds_nothing_is_said_plainly():
    text, ids = reply("Where do I live?", ())
    assert text == "Your memories hold nothing on that, and without a language model I can only quote them."
    assert ids == []


def test_what_is_only_near_is_not_sold_as_an_answer():
    text, ids = reply("What is the capital of France?")
    assert text.startswith("I find nothing in your memories that surely answers this. The nearest: “")
    assert len(ids) == 1


@pytest.mark.parametrize(
    ("message", "answer"),
    [
        ("I bought a boat yesterday.", "Thanks for telling me."),
        ("hi there!", "Hello! Ask me, and I look in your memories."),
        ("Good morning", "Hello! Ask me, and I look in your memories."),
        ("Thanks a lot", "You're welcome."),
        ("good night", "Goodbye!"),
    ],
)
def test_statements_and_greetings_get_a_short_reply(message, answer):
    assert reply(message) == (answer, [])


def test_a_statement_may_bring_up_what_memory_holds_on_it_but_not_itself():
    text, ids = reply("My dog is sick")
    assert text.startswith("Thanks for telling me. Your memories hold on this: “My dog Rex")
    assert ids == ["dog"]
    assert reply("My dog Rex is three years old and loves the park.")[1] == []


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        *(("where is it", "question"), ("It is here, isn't it?", "question"), ("Erinnerst du dich?", "question")),
        *(("remind me of the date", "question"), ("hello, I moved", "statement"), ("", "statement")),
        *(("thanks, hi", "statement"), ("Danke!", "thanks"), ("どこですか？", "question")),
    ],
)
def test_what_a_message_is(message, kind):
    assert kind_of(message) == kind


def test_sentences_are_not_cut_at_titles_initials_and_ordinals():
    assert sentences_of("Dr. Who met J. Smith. On 4. June! Yes") == ["Dr. Who met J. Smith.", "On 4. June!", "Yes"]


def test_what_is_wanted():
    asked = ["When is it?", "Where is it?", "Who is it?", "How many are there?", "What is it?"]
    assert list(map(wanted_by, asked)) == ["time", "place", "person", "number", "any"]


async def test_without_a_question_the_last_message_is_answered_and_ids_are_told_at_the_end():
    prompt = Prompt(messages=(PromptMessage(role="user", content="How old is my dog?"),), sources=ALL)
    *pieces, last = [chunk async for chunk in ExtractiveLLM().stream(prompt)]
    assert len(pieces) > 2
    assert "three years" in "".join(piece.text for piece in pieces)
    assert last.cited == ("dog",)
    assert last.model == "extractive:rules"


SOURCES = st.lists(
    st.builds(
        Source,
        memory_id=st.uuids().map(str),
        content=st.text(min_size=1, max_size=80),
        score=st.floats(-1, 10, allow_nan=False),
        speaker=st.none() | st.text(max_size=8),
        said_at=st.none() | st.datetimes(timezones=st.just(UTC)),
        invalid_at=st.none() | st.datetimes(timezones=st.just(UTC)),
    ),
    max_size=6,
)


@given(st.text(max_size=60), SOURCES)
def test_every_quote_is_of_its_source_and_every_citation_stands_in_the_text(question, sources):
    text, quotes = reply_to(Prompt(messages=(), question=question, sources=tuple(sources)))
    assert text
    for quote in quotes:
        assert sources[quote.number - 1] is quote.source
        assert quote.text in quote.source.content
        assert f"[{quote.number}]" in text


@given(SOURCES)
def test_the_same_prompt_has_the_same_answer(sources):
    prompt = Prompt(messages=(), question="where do I live?", sources=tuple(sources))
    assert reply_to(prompt) == reply_to(prompt)


def test_a_memory_that_could_not_be_looked_up_is_not_taken_for_an_empty_one():
    asked = Prompt(messages=(), question="Where do I live?", missing=("memory_retrieval",))
    assert "right now" in reply_to(asked)[0]
    assert "hold nothing" not in reply_to(asked)[0]
    known = Source(memory_id="m1", content="I live in Munich.", score=1.0)
    in_part, _ = reply_to(Prompt(messages=(), question="Where do I live?", sources=(known,), missing=("history",)))
    assert "Munich" in in_part
    assert "Not all of your memories" in in_part


def test_what_states_the_fact_answers_without_a_common_word():
    moved = Source(memory_id="m1", content="I moved to Berlin, which is quite stressful.", score=0.2, answers=True)
    near = Source(memory_id="m2", content="I live for jazz.", score=1.0)
    text, (quote, *_) = reply_to(Prompt(messages=(), question="Where do I live?", sources=(near, moved)))
    assert (quote.source.memory_id, text.startswith("From your memories")) == ("m1", True)
