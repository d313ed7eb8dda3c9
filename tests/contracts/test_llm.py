"""What every language model does, alone and behind its wrappers (B5, B10): the definition of the protocol `LLM`."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Literal

import pytest
from pydantic import BaseModel, Field

from context0.errors import LLMError, LLMInvalid, LLMRejected
from context0.llm.extractive import ExtractiveLLM
from context0.llm.openai import OpenAILLM
from context0.llm.options import LlmOptions
from context0.llm.protocol import LLM, Chunk, Prompt, PromptMessage, Source, Usage
from context0.llm.registry import build_llm, safe
from context0.llm.scripted import ScriptedLLM
from tests.loopback_llm import LoopbackLLM, Reply, Request, loopback_llm

CANARY = "canary-5731"
SOURCES = (Source(memory_id="m1", content="I live in Munich since May.", score=1.0, speaker="Anna"),)


class City(BaseModel):
    name: str
    kind: Literal["city", "town"] = "city"
    inhabitants: int = Field(ge=0)


def prompt_of(text: str) -> Prompt:
    return Prompt(messages=(PromptMessage(role="user", content=text),), question=text, sources=SOURCES)


GOOD = '{"name": "Munich", "kind": "city", "inhabitants": 1500000}'
BROKEN = {
    "no JSON": f"It is {CANARY}.",
    "a field is missing": f'{{"name": "{CANARY}"}}',
    "a number is a text": f'{{"name": "{CANARY}", "kind": "city", "inhabitants": "1500000"}}',
    "a word is not of the set": f'{{"name": "x", "kind": "{CANARY}", "inhabitants": 1}}',
    "it is cut": f'{{"name": "{CANARY}", "kind": "ci',
    "nothing": "{}",
}


def said(request: Request) -> Reply:
    """Answer with the last message, word by word."""
    text = request.body["messages"][-1]["content"]
    return Reply(tokens=tuple(f"{word} " for word in text.split(" ")))


@dataclass(frozen=True)
class Subject:
    """A model to be tested. echoes: it answers with the last message. structured: it can fill a schema."""

    llm: LLM
    echoes: bool = True
    structured: bool = True


async def extractive(_: LoopbackLLM) -> Subject:
    return Subject(ExtractiveLLM(), echoes=False, structured=False)


async def scripted(_: LoopbackLLM) -> Subject:
    return Subject(ScriptedLLM())


async def openai(server: LoopbackLLM) -> Subject:
    return Subject(OpenAILLM(LlmOptions(base_url=server.base_url, model="stub")))


async def extractive_as_built(_: LoopbackLLM) -> Subject:
    return Subject(build_llm("extractive"), echoes=False, structured=False)


async def scripted_as_built(_: LoopbackLLM) -> Subject:
    return Subject(build_llm("scripted"))


async def openai_as_built(server: LoopbackLLM) -> Subject:
    options = LlmOptions(base_url=server.base_url, model="stub", fallback_model="other", retry_share=0)
    return Subject(build_llm("openai", options))


async def openai_behind_one_that_is_down(server: LoopbackLLM) -> Subject:
    second = OpenAILLM(LlmOptions(base_url=server.base_url, model="stub"))
    return Subject(safe(ScriptedLLM(lambda _: LLMRejected("no")), LlmOptions(retry_share=0), second=second))


SUBJECTS = (
    *(extractive, scripted, openai, extractive_as_built, scripted_as_built, openai_as_built),
    openai_behind_one_that_is_down,
)


@pytest.fixture(params=SUBJECTS, ids=lambda build: build.__name__)
async def subject(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    async with loopback_llm(said) as server:
        built = await request.param(server)
        yield built
        await built.llm.aclose()


async def answer(llm: LLM, text: str) -> list[Chunk]:
    return [chunk async for chunk in llm.stream(prompt_of(text))]


def text_of(chunks: list[Chunk]) -> str:
    return "".join(chunk.text for chunk in chunks).strip()


async def test_the_text_comes_in_pieces_and_the_last_chunk_says_who_answered_at_what_cost(subject):
    chunks = await answer(subject.llm, "where do I live since May")
    assert text_of(chunks)
    assert sum(bool(chunk.text) for chunk in chunks) > 1
    *pieces, last = chunks
    assert all(piece.usage is None for piece in pieces)
    assert last.text == ""
    assert isinstance(last.usage, Usage)
    assert last.model.count(":") >= 1
    if subject.echoes:
        assert text_of(chunks) == "where do I live since May"
        assert last.usage.prompt_tokens == last.usage.completion_tokens == 6


async def test_its_name_is_provider_and_model(subject):
    provider, _, model = subject.llm.name.partition(":")
    assert provider
    assert model


async def test_calls_at_the_same_time_keep_their_answers_apart(subject):
    texts = [f"number {number} of many" for number in range(20)]
    answers = await asyncio.gather(*(answer(subject.llm, text) for text in texts))
    if subject.echoes:
        assert list(map(text_of, answers)) == texts


async def test_a_stream_that_is_closed_early_leaves_nothing_behind_and_the_next_call_works(subject):
    await subject.llm.warm()
    await answer(subject.llm, "first of all")
    before = asyncio.all_tasks()
    for _ in range(3):
        async with aclosing(subject.llm.stream(prompt_of("where do I live now"))) as pieces:
            assert (await anext(pieces)) is not None
    await settled()
    assert asyncio.all_tasks() == before
    assert text_of(await answer(subject.llm, "where do I live"))


async def test_a_stream_that_is_cancelled_raises_that_and_nothing_else(subject):
    started = asyncio.Event()

    async def consume() -> None:
        async with aclosing(subject.llm.stream(prompt_of("where do I live now"))) as pieces:
            async for _ in pieces:
                started.set()
                await asyncio.Event().wait()

    task = asyncio.create_task(consume())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert text_of(await answer(subject.llm, "where do I live"))


async def test_a_structured_answer_is_valid_or_an_error(subject):
    if subject.structured:
        city, usage = await subject.llm.complete(prompt_of(GOOD), schema=City)
        assert city == City(name="Munich", kind="city", inhabitants=1_500_000)
        assert usage.completion_tokens > 0
    else:
        with pytest.raises(LLMRejected, match="llm_provider"):
            await subject.llm.complete(prompt_of(GOOD), schema=City)


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN.keys())
async def test_an_answer_that_breaks_the_schema_is_an_error_that_repeats_none_of_it(subject, broken):
    with pytest.raises(LLMInvalid if subject.structured else LLMError) as caught:
        await subject.llm.complete(prompt_of(broken), schema=City)
    assert CANARY not in str(caught.value)


async def test_json_between_fences_is_read(subject):
    if subject.structured:
        city, _ = await subject.llm.complete(prompt_of(f"```json\n{GOOD}\n```"), schema=City)
        assert city.name == "Munich"


async def test_warming_and_closing_twice_are_harmless(subject):
    await subject.llm.warm()
    await subject.llm.warm()
    await subject.llm.aclose()
    await subject.llm.aclose()


async def settled(is_so: Callable[[], bool] = lambda: False) -> None:
    """Let what is due on the loop happen."""
    for _ in range(20):
        if is_so():
            return
        await asyncio.sleep(0)
