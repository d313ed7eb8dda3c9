"""B5, C2: a prompt keeps to its tokens whatever goes in, and the newest message is always in it."""

from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from context0.context.assemble import SYSTEM, assemble, prompt_tokens
from context0.context.built import BuiltContext, ContextKey, SessionFacts, history_of, section_of
from context0.context.fence import FENCE_CLOSE, FENCE_OPEN
from context0.context.summary import needs_summary, summarise
from context0.context.tiers import FIX_UP, FULL, LIGHT, STANDARD, TokenBudget
from context0.context.tokens import CUT_MARK
from context0.llm.protocol import Prompt
from stores.records import Message, Session
from tests.context_records import ANNA, NOW, SESSION, found, memory, message

KEY: Final = ContextKey(scope=ANNA, session_id=SESSION, project="house")
_TEXTS = st.one_of(
    st.text(max_size=80), st.builds(lambda word, count: word * count, st.text(max_size=9), st.integers(0, 900))
)


def context(messages: list[Message], *, summary: str = "", preferences: int = 0, facts: int = 0) -> BuiltContext:
    return BuiltContext(
        key=KEY,
        history=history_of(messages),
        session=SessionFacts(summary=summary),
        preferences=section_of(
            [memory(at, f"prefers {at}", memory_type="preference") for at in range(preferences)], 50
        ),
        project=section_of([memory(100 + at, f"fact {at}", metadata={"project": "house"}) for at in range(facts)], 100),
    )


def ending(prompt: Prompt) -> str:
    return prompt.messages[-1].content


@settings(max_examples=150, deadline=None)
@given(
    question=_TEXTS,
    history=st.lists(_TEXTS, max_size=24),
    memories=st.lists(_TEXTS, max_size=30),
    summary=_TEXTS,
    tier=st.sampled_from(
        [LIGHT, FIX_UP, STANDARD, FULL, FULL.evolve(tokens=TokenBudget(total=512, memories=300, summary=200))]
    ),
)
def test_the_budget_holds_and_the_newest_message_is_there(
    question: str, history: list[str], memories: list[str], summary: str, tier: object
) -> None:
    built = context([message(at, text) for at, text in enumerate(history, 1)], summary=summary, preferences=9, facts=9)
    assert isinstance(tier, type(LIGHT))
    prompt = assemble(
        question,
        tier=tier,
        asked_at=NOW,
        built=built,
        memories=found(*(memory(200 + at, text) for at, text in enumerate(memories))),
    )
    assert prompt_tokens(prompt) <= tier.tokens.total
    assert prompt.messages[0].content == SYSTEM
    assert ending(prompt).endswith(prompt.question)
    assert prompt.question == question or CUT_MARK in prompt.question
    roles = [one.role for one in prompt.messages[1:]]
    assert roles == ["user", "assistant"] * (len(roles) // 2) + ["user"]
    body = ending(prompt).removesuffix(prompt.question)
    assert (body.count(FENCE_OPEN), body.count(FENCE_CLOSE)) in ((0, 0), (1, 1))


@settings(deadline=None)
@given(st.lists(st.integers(1, 300), max_size=20), st.integers(600, 4_000))
def test_history_keeps_its_order_and_loses_the_oldest_first(lengths: list[int], total: int) -> None:
    messages = [message(at, f"<{at}> " + "word " * length) for at, length in enumerate(lengths, 1)]
    prompt = assemble("now?", tier=FULL.evolve(tokens=TokenBudget(total=total)), asked_at=NOW, built=context(messages))
    whole = "\n".join(one.content for one in prompt.messages)
    shown = [at for at in range(1, len(lengths) + 1) if f"<{at}> " in whole]
    assert shown == list(range(len(lengths) - len(shown) + 1, len(lengths) + 1))
    places = [whole.index(f"<{at}> ") for at in shown]
    assert places == sorted(places)


def test_memories_are_numbered_as_the_sources_are() -> None:
    memories = found(*(memory(at, f"memory number {at}") for at in range(12)))
    prompt = assemble("what?", tier=STANDARD, asked_at=NOW, memories=memories)
    assert len(prompt.sources) == STANDARD.memories
    for number, source in enumerate(prompt.sources, 1):
        assert f"\n[{number}] 2026-03-02: {source.content}\n" in ending(prompt)
    assert [source.score for source in prompt.sources] == [one.score for one in memories[:8]]


def test_what_is_remembered_stands_in_no_system_message() -> None:
    prompt = assemble(
        "what?",
        tier=FULL,
        asked_at=NOW,
        built=context([], summary="Stated:\n- tea", preferences=1, facts=1),
        memories=found(memory(1)),
    )
    assert [one.content for one in prompt.messages if one.role == "system"] == [SYSTEM]
    for told in ("memory 1", "- tea", "prefers 0", "fact 0", "Today is Monday, 2026-03-02."):
        assert told in ending(prompt)


def test_a_preference_that_was_found_too_is_told_once() -> None:
    built = context([], preferences=1)
    prompt = assemble("what?", tier=FULL, asked_at=NOW, built=built, memories=found(memory(0, "prefers 0")))
    assert ending(prompt).count("prefers 0") == 1


def test_a_light_turn_has_the_last_messages_and_nothing_else() -> None:
    built = context([message(at) for at in range(1, 21)], summary="Stated:\n- tea", preferences=3)
    prompt = assemble("thanks", tier=LIGHT, asked_at=NOW, built=built, memories=found(memory(1)))
    assert [one.content for one in prompt.messages[1:]] == [*(f"message {at}" for at in range(15, 21)), "thanks"]
    assert not prompt.sources


def test_a_fix_up_has_the_memories_of_the_answer_before() -> None:
    prompt = assemble("try again", tier=FIX_UP, asked_at=NOW, built=context([]), memories=found(memory(1)))
    assert len(prompt.sources) == 1


def test_an_overlong_message_loses_its_middle() -> None:
    prompt = assemble("start " + "word " * 50_000 + "end", tier=STANDARD, asked_at=NOW, memories=found(memory(1)))
    assert prompt.question.startswith("start")
    assert prompt.question.endswith("end")
    assert prompt.sources


def test_messages_of_one_role_in_a_row_are_joined_in_their_order() -> None:
    told = [message(1, "one"), message(2, "two", role="user"), message(3, "three", role="assistant")]
    prompt = assemble("four", tier=STANDARD, asked_at=NOW, built=context(told))
    assert [one.content for one in prompt.messages[1:]] == ["one\n\ntwo", "three", "four"]


def test_a_history_that_begins_with_an_answer_says_that_it_is_cut() -> None:
    prompt = assemble("three", tier=STANDARD, asked_at=NOW, built=context([message(2, "two")]))
    assert [one.role for one in prompt.messages] == ["system", "user", "assistant", "user"]


@pytest.mark.parametrize("tier", [STANDARD, FULL], ids=["standard", "full"])
def test_a_prompt_stays_flat_over_a_thousand_turns(tier: object) -> None:
    assert isinstance(tier, type(LIGHT))
    session = Session(id=SESSION, created_at=NOW, updated_at=NOW)
    messages: list[Message] = []
    tokens: dict[int, int] = {}
    for turn in range(1, 1_001):
        built = BuiltContext(key=KEY, history=history_of(messages[-30:]), session=SessionFacts(summary=session.summary))
        number = 1_000 + turn  # so that all have four digits
        question = f"I met Tom number {number} in Graz and paid {number} euros for the lunch we had. Where was it?"
        prompt = assemble(question, tier=tier, asked_at=NOW, built=built)
        tokens[turn] = prompt_tokens(prompt)
        messages += [message(2 * turn - 1, question), message(2 * turn, f"In Graz, you paid {number} euros.")]
        session = _with(session, next_seq=2 * turn + 1)
        fold = needs_summary(session)
        if fold is not None:
            due = [one for one in messages[-30:] if fold.after < one.seq <= fold.up_to]
            session = _with(session, summary=summarise(session.summary, due), summary_seq=fold.up_to)
    assert tokens[1_000] <= 1.02 * tokens[100]
    assert tokens[1_000] <= tokens[10] + tier.tokens.summary
    assert max(tokens.values()) <= tier.tokens.total


def _with(session: Session, **changes: object) -> Session:
    fields = {name: getattr(session, name) for name in Session.__dataclass_fields__}
    return Session(**fields | changes)


def test_the_source_that_states_what_is_asked_for_is_marked() -> None:
    memories = found(memory(1, "I like rain."), memory(2, "I moved to Berlin in June."))
    prompt = assemble("Where do I live?", tier=STANDARD, asked_at=NOW, memories=memories)
    assert [source.answers for source in prompt.sources] == [False, True]
    assert not any(source.answers for source in assemble("Hm?", tier=STANDARD, asked_at=NOW, memories=memories).sources)


def test_a_prompt_says_what_could_not_be_looked_up() -> None:
    prompt = assemble("Where do I live?", tier=STANDARD, asked_at=NOW, missing=["memory_retrieval"])
    assert prompt.missing == ("memory_retrieval",)
    assert "could be looked up" in ending(prompt)
