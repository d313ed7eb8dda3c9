"""A question is understood by rules: its intent, its names, its time, and its words without the speakers."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from context0.memory.rules.intents import Intent, intent_of, is_question
from context0.memory.rules.names import NameTable
from context0.memory.rules.query import analyse_query

REFERENCE = datetime(2023, 5, 25, tzinfo=UTC)
SPEAKERS = ("Ingrid Solberg", "Tomasz")

INTENTS: list[tuple[str, Intent]] = [
    # chitchat
    ("hi", "chitchat"),
    ("Hello there!", "chitchat"),
    ("Good morning :)", "chitchat"),
    ("how are you?", "chitchat"),
    ("Hey, how's it going?", "chitchat"),
    ("thanks a lot!", "chitchat"),
    ("See you later", "chitchat"),
    ("Danke, guten Abend", "chitchat"),
    ("ok cool", "chitchat"),
    ("👋", "chitchat"),
    ("Hi, where did I park?", "fact"),
    # when
    ("When did Tomasz move to Gdańsk?", "when"),
    ("Do you remember when the roof leaked?", "when"),
    ("Since when does she play the cello?", "when"),
    ("What year was the bakery opened?", "when"),
    ("In which month is the fair?", "when"),
    ("What is the date of the wedding?", "when"),
    ("What time does the train leave?", "when"),
    ("What was the exact day of the accident?", "when"),
    ("How long have they been married?", "when"),
    ("How many weeks did the repair take?", "when"),
    ("How old is his daughter?", "when"),
    ("Wann war der Umzug?", "when"),
    ("Quand est le concert ?", "when"),
    ("¿Cuándo es la boda?", "when"),
    ("What did he do when the roof leaked?", "fact"),
    ("What time management method does she use?", "fact"),
    # list
    ("How many cats does Ingrid have?", "list"),
    ("How often does he swim?", "list"),
    ("List all her brothers", "list"),
    ("Name the cities that we saw.", "list"),
    ("What instruments does Tomasz play?", "list"),
    ("Which countries has Ingrid visited?", "list"),
    ("What are my allergies?", "list"),
    ("Who else came to the party?", "list"),
    ("What people did he meet in Oslo?", "list"),
    # opinion
    ("What does Ingrid think about the new office?", "opinion"),
    ("How did Tomasz feel after the race?", "opinion"),
    ("What is her opinion on electric cars?", "opinion"),
    ("What are his thoughts about moving?", "opinion"),
    ("How does she feel about dogs?", "opinion"),
    # preference
    ("What is my favourite colour?", "preference"),
    ("Does Tomasz prefer tea or coffee?", "preference"),
    ("What food does Ingrid like?", "preference"),
    ("Would she rather walk or drive?", "preference"),
    ("What does he enjoy on Sundays?", "preference"),
    ("Can you recommend a restaurant?", "preference"),
    ("What do I hate most?", "preference"),
    # fact
    ("Where does Ingrid live?", "fact"),
    ("Who is Tomasz's sister?", "fact"),
    ("What does her house look like?", "fact"),
    ("Why did he quit?", "fact"),
    ("What is the name of her dog?", "fact"),
    ("Which song motivates Tomasz?", "fact"),
    ("Is the shop open?", "fact"),
    ("my wifi password", "fact"),
    ("Wo wohnt Anna?", "fact"),
    ("我的生日是什么时候？", "fact"),
    ("Где живёт Анна?", "fact"),
    ("", "fact"),
]


@pytest.mark.parametrize(("question", "intent"), INTENTS)
def test_the_intent_of_a_question(question: str, intent: Intent) -> None:
    assert intent_of(question) == intent


@pytest.mark.parametrize(
    "text",
    [
        "Where is it?",
        "where is it",
        "tell me about Oslo",
        "Is she home",
        "¿Dónde está",
        "wo ist er",
        "list my books",
        "好吗？",
    ],
)
def test_questions_and_requests_ask(text: str) -> None:
    assert is_question(text)


@pytest.mark.parametrize("text", ["I live in Oslo.", "She wonders a lot", "", "ok", "Ich wohne in Berlin"])
def test_statements_do_not_ask(text: str) -> None:
    assert not is_question(text)


STRIPPED: list[tuple[str, tuple[str, ...], str]] = [
    ("What is Tomasz's job?", ("Tomasz",), "What is job?"),
    ("What is tomasz’s job?", ("Tomasz",), "What is job?"),
    ("When did Ingrid paint the shed?", ("Ingrid Solberg",), "When did paint the shed?"),
    ("When did Ingrid Solberg paint the shed?", ("Ingrid Solberg",), "When did paint the shed?"),
    ("What do Ingrid and Tomasz both like?", ("Ingrid Solberg", "Tomasz"), "What do both like?"),
    ("Tomasz, where are my keys?", ("Tomasz",), "where are my keys?"),
    ("Hey Tomasz, where are my keys?", ("Tomasz",), "Hey, where are my keys?"),
    ("Does she know INGRID?", ("Ingrid Solberg",), "Does she know?"),
    ("Who is Tomasz?", ("Tomasz",), "Who is?"),
    ("Tomasz?", ("Tomasz",), "Tomasz?"),
    ("Where is the tomaszewski file?", (), "Where is the tomaszewski file?"),
    ("Where do I live?", (), "Where do I live?"),
    ("", (), ""),
]


@pytest.mark.parametrize(("question", "speakers", "content"), STRIPPED)
def test_speakers_are_met_and_left_out_of_the_content(question: str, speakers: tuple[str, ...], content: str) -> None:
    analysis = analyse_query(question, reference=REFERENCE, speakers=SPEAKERS, known_entities=())
    assert (analysis.speakers, analysis.content_text) == (speakers, content)


def test_roles_are_no_names() -> None:
    analysis = analyse_query(
        "What does the user table hold?", reference=REFERENCE, speakers=["user", "assistant"], known_entities=()
    )
    assert analysis.speakers == ()
    assert analysis.content_text == "What does the user table hold?"


@pytest.mark.parametrize(
    ("question", "speakers"),
    [
        ("Will the train be late?", ()),
        ("what will the train cost?", ()),
        ("What did Will buy?", ("Will",)),
        ("Will's car is where?", ("Will",)),
    ],
)
def test_a_speaker_whose_name_is_a_word_needs_a_capital(question: str, speakers: tuple[str, ...]) -> None:
    analysis = analyse_query(question, reference=REFERENCE, speakers=["Will"], known_entities=())
    assert analysis.speakers == speakers


def test_a_first_name_of_two_speakers_means_both() -> None:
    speakers = ["Anna Berg", "Anna Holm"]
    analysis = analyse_query("Where is Anna?", reference=REFERENCE, speakers=speakers, known_entities=())
    assert analysis.speakers == ("Anna Berg", "Anna Holm")
    analysis = analyse_query("Where is Anna Holm?", reference=REFERENCE, speakers=speakers, known_entities=())
    assert analysis.speakers == ("Anna Holm",)


def test_a_question_is_analysed_as_a_whole() -> None:
    analysis = analyse_query(
        "When did Ingrid and the choir sing in Bergen last May?",
        reference=REFERENCE,
        speakers=SPEAKERS,
        known_entities=NameTable.of(["The Choir", "Choir"]),
    )
    assert analysis.intent == "when"
    assert analysis.entities == ("ingrid", "the choir", "bergen")
    assert analysis.speakers == ("Ingrid Solberg",)
    assert analysis.range is not None
    assert analysis.range.start == datetime(2022, 5, 1, tzinfo=UTC)
    assert analysis.content_text == "When did and the choir sing in Bergen last May?"
    assert analysis.is_question


@given(
    st.text(max_size=120)
    | st.lists(st.sampled_from(["Will", "will's", " ", "and", ",", "Anna", "?", "ǅ", "May 7"])).map(" ".join),
    st.lists(st.text(max_size=12) | st.just("Will"), max_size=4),
    st.frozensets(st.text(max_size=12), max_size=4),
)
def test_any_question_is_analysed(question: str, speakers: list[str], known: frozenset[str]) -> None:
    analysis = analyse_query(question, reference=REFERENCE, speakers=speakers, known_entities=known)
    assert set(analysis.speakers) <= set(speakers)
    assert all(analysis.entities)
    assert len(set(analysis.entities)) == len(analysis.entities)
    assert bool(analysis.content_text) == bool(question)
    assert len(analysis.content_text) <= len(question)
