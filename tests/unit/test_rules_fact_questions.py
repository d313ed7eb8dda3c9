"""Which facts questions ask for, and that a search puts what states them first (A5, A10)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from context0.memory.engine import MemoryEngine
from context0.memory.rules.fact_questions import fact_key, facts_asked, keys_of
from context0.settings import Settings
from stores.records import MENTIONS, MemoryId
from tests.contracts.builders import NOW, build_relation
from tests.engine_bench import contents

ASKED = {
    "Where do I live?": ("lives_in", "self"),
    "where does she live": ("lives_in", "self"),
    "Where am I living now?": ("lives_in", "self"),
    "Which city am I in?": ("lives_in", "self"),
    "Tell me my address": ("lives_in", "self"),
    "Where does my sister live?": ("lives_in", "sister of self"),
    "What's my favourite colour?": ("favourite:colour", "self"),
    "what is my favorite color": ("favourite:colour", "self"),
    "When is my birthday?": ("birthday", "self"),
    "How old am I?": ("age", "self"),
    "What is my sister's name?": ("related_to:sister", "self"),
    "Who is my boss?": ("related_to:boss", "self"),
    "Do I have any pets?": ("has_pet", "self"),
    "What's my dog's name?": ("has_pet:dog", "self"),
    "How many cats do I have?": ("has_pet:cat", "self"),
    "What is my job?": ("works_as", "self"),
    "What do I do for a living?": ("works_as", "self"),
    "Who do I work for?": ("works_at", "self"),
    "What am I allergic to?": ("allergic_to", "self"),
    "Am I vegetarian?": ("diet", "self"),
    "Which languages do I speak?": ("speaks", "self"),
    "What do I like?": ("likes", "self"),
    "Where am I from?": ("comes_from", "self"),
    "What's my name?": ("name", "self"),
    "What instrument do I play?": ("plays", "self"),
    "Where did I grow up?": ("grew_up_in", "self"),
    "Which university do I go to?": ("studies_at", "self"),
}
NOTHING = (
    "Where are my keys?",
    "What is the weather like?",
    "Did I tell you about the concert?",
    "What do you know about me?",
    "Where do bees live?",
    "How do I get to work?",
    "Is the city nice in May?",
    "",
    "?",
    "'s 's 's",
)


@pytest.mark.parametrize(("question", "asked"), ASKED.items())
def test_a_question_asks_for_a_fact(question: str, asked: tuple[str, str]) -> None:
    assert asked in facts_asked(question)


@pytest.mark.parametrize("question", NOTHING)
def test_most_questions_ask_for_none(question: str) -> None:
    assert facts_asked(question) == ()


def test_a_named_person_is_asked_about_and_not_the_owner() -> None:
    assert facts_asked("Where does Caroline live?", ("caroline",)) == (("lives_in", "caroline"),)
    assert ("works_as", "eva") in facts_asked("What is Eva's job?", ("eva",))
    assert facts_asked("Where do I live, Caroline?", ("caroline",)) == ()


@given(st.text(max_size=400))
def test_any_text_can_be_asked(text: str) -> None:
    assert isinstance(facts_asked(text), tuple)


def test_what_is_denied_over_or_only_mentioned_is_not_found_as_a_fact() -> None:
    edges = [
        build_relation("self", "munich", relation="lives_in", invalid_at=NOW, closed_by=MemoryId("m")),
        build_relation("self", "rome", relation="lives_in", invalid_at=NOW),
        build_relation("self", "tea", relation="not:likes"),
        build_relation("self", "lena", relation=MENTIONS),
        build_relation("self", "guide", relation="also:works_as"),
        build_relation("self", "rex", relation="has_pet:dog"),
    ]
    told = (("lives_in", "self"), ("works_as", "self"), ("has_pet:dog", "self"), ("has_pet", "self"))
    assert keys_of(edges) == [fact_key(*one) for one in told]
    assert keys_of(edges[1:4]) == []


async def test_what_states_the_fact_comes_first_though_other_words_are_nearer(tmp_path: object) -> None:
    async with MemoryEngine(settings_in(tmp_path)) as engine:
        for text in (
            "I moved to Munich in May",
            "I read a book about how people live in the desert",
            "I live for jazz",
        ):
            await engine.add(text, user_id="anna", speaker="Anna")
        found = await engine.search("Where does she live?", user_id="anna", limit=1)
        assert contents(found) == ["I moved to Munich in May"]


def settings_in(folder: object) -> Settings:
    return Settings(store_url=f"sqlite:///{folder}/a.db")
