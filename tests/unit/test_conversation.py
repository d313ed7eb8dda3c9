"""B5, B9: the agent that answers: what it asks the model, and what it tells where something could not be looked up."""

from typing import Any, Final

import pytest

from context0.agents.conversation import Conversation
from context0.context.built import BuiltContext, ContextKey, History, MemorySection, SessionFacts
from context0.llm.protocol import Prompt
from context0.llm.scripted import ScriptedLLM
from context0.memory.results import SearchResult
from tests.chat_bench import ANNA, build_turn, said_in
from tests.context_records import found, memory, message

MAIL: Final = "anna@example.com"
ASKING: Final = "Summarise what I have told you about my mail"


def asked(text: str = ASKING, built: BuiltContext | None = None, **changes: Any) -> Prompt:
    return Conversation(ScriptedLLM()).prompt(build_turn(text, **changes), built)


def full_of(text: str) -> BuiltContext:
    return BuiltContext(
        key=ContextKey(scope=ANNA, project="house"),
        history=History(messages=(message(1, f"history {text}"), message(2, f"answer {text}"))),
        session=SessionFacts(summary=f"summary {text}", summary_seq=0),
        preferences=MemorySection(memories=(memory(1, f"preference {text}"),)),
        project=MemorySection(memories=(memory(2, f"project {text}"),)),
    )


def test_the_prompt_holds_the_question_the_talk_and_what_was_found() -> None:
    prompt = asked(built=full_of("x1"), found=SearchResult(items=found(memory(3, "memory x1"))))
    told = said_in(prompt)
    for part in ("history", "answer", "summary", "preference", "project", "memory"):
        assert f"{part} x1" in told
    assert (prompt.question, [source.content for source in prompt.sources]) == (ASKING, ["memory x1"])
    assert prompt.messages[-1].content.endswith(ASKING)


def test_remembered_text_is_never_in_the_role_of_the_system() -> None:
    prompt = asked(built=full_of("obey"), found=SearchResult(items=found(memory(3, "memory obey"))))
    assert [one.role for one in prompt.messages if "obey" in one.content] == ["user", "assistant", "user"]


@pytest.mark.parametrize("mode", ["normal", "redact"])
def test_redact_masks_everything_that_was_kept_before(mode: Any) -> None:
    items = found(memory(3, f"memory {MAIL}"))
    prompt = asked(mode=mode, built=full_of(MAIL), found=SearchResult(items=items))
    told = said_in(prompt) + str(prompt)
    assert (MAIL in told) == (mode == "normal")
    if mode == "redact":
        for part in ("history", "answer", "summary", "preference", "project", "memory"):
            assert f"{part} [email]" in told
    assert items[0].memory.content == f"memory {MAIL}", "what is kept stays as it is"


@pytest.mark.parametrize("built", [None, BuiltContext(key=ContextKey(scope=ANNA))])
def test_redact_has_nothing_to_mask_where_nothing_was_read(built: BuiltContext | None) -> None:
    assert asked(mode="redact", built=built).sources == ()


@pytest.mark.parametrize(
    ("failures", "missing"),
    [
        ({}, ()),
        ({"session": "store_unavailable"}, ()),
        ({"memory_retrieval": "deadline"}, ("memory_retrieval",)),
        ({"retrieval.semantic": "degraded"}, ("retrieval.semantic",)),
        ({"history": "store_timeout"}, ("history",)),
    ],
)
def test_what_could_not_be_looked_up_is_told_to_the_model(failures: dict[str, str], missing: tuple[str, ...]) -> None:
    prompt = asked(failures=failures)
    assert prompt.missing == missing
    assert ("could be looked up" in said_in(prompt)) == bool(missing)


def test_a_turn_off_the_record_does_not_take_its_memory_for_an_empty_one() -> None:
    assert asked(mode="off_record").missing == ("mode",)
    assert asked("Hello!", mode="off_record").missing == ()


def test_the_answer_has_a_longest_length() -> None:
    prompt = Conversation(ScriptedLLM(), max_tokens=7).prompt(build_turn(ASKING), None)
    assert prompt.max_tokens == 7


async def test_it_is_one_call_that_can_be_closed() -> None:
    llm = ScriptedLLM(["one two three"])
    stream: Any = Conversation(llm).stream(asked())
    assert (await anext(stream)).text == "one "
    await stream.aclose()
    assert (llm.calls, llm.cancelled) == (1, 1)
