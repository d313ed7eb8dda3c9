"""Faults of a language model (B5, D18, D19): what its user gets, how soon, at how many calls, and what stays behind."""

import asyncio
import importlib
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing

import pytest
import stamina
from pydantic import BaseModel

from context0.errors import LLMError, LLMInterrupted, LLMInvalid, LLMRejected, LLMTimeout, LLMUnavailable
from context0.llm.openai import OpenAILLM
from context0.llm.options import LlmOptions
from context0.llm.protocol import LLM, Chunk, Prompt, PromptMessage, Source
from context0.llm.registry import build_llm
from tests.loopback_llm import SILENCE, LoopbackLLM, Reply, Request, loopback_llm, refusal, saying

KEY = "sk-canary-0123456789"
CANARY = "canary-8812"
QUESTION = Prompt(
    messages=(PromptMessage(role="user", content=f"where do I live? {CANARY}"),),
    question="where do I live?",
    sources=(Source(memory_id="m1", content="I live in Munich.", score=1.0),),
)
INNER = Prompt(messages=QUESTION.messages)
GOOD = "Hello there."
REACHED = "The language model cannot be reached right now. From your memories: “I live in Munich.” [1]"

HANG_BEFORE = SILENCE
HANG_AFTER_THE_HEAD = Reply(tokens=(), then="hang")
HANG_INSIDE = Reply(tokens=("Hel",), then="hang")
CUT_BEFORE = Reply(tokens=(), then="cut")
CUT_INSIDE = Reply(tokens=("Hel", "lo"), then="cut")
ERROR_INSIDE = Reply(tokens=("Hel",), raw=(b'data: {"error": {"message": "overloaded"}}\n\n',))
NO_JSON_INSIDE = Reply(tokens=("Hel",), raw=(b"data: {nonsense\n\n",))
WITHOUT_A_WORD = Reply(tokens=(), finish_reason="length")
DRIPPING = Reply(tokens=("one ", "two ", "three "), interval_s=5.0)


class Fact(BaseModel):
    text: str


@pytest.fixture(scope="module", autouse=True)
def client_is_imported() -> None:
    """Importing takes longer than the deadlines here; `warm` does it in a running service."""
    importlib.import_module("openai")


@pytest.fixture
async def server() -> AsyncIterator[LoopbackLLM]:
    async with loopback_llm() as running:
        yield running


@pytest.fixture
async def connect(server: LoopbackLLM) -> AsyncIterator[Callable[..., LLM]]:
    """Return a wrapped model of that server, with deadlines that only a fault meets; closed at the end."""
    opened = []

    def build(**options: object) -> LLM:
        short = {"first_token_s": 5.0, "between_tokens_s": 0.3, "deadline_s": 10.0, "retry_share": 1.0}
        told = {"base_url": server.base_url, "model": "first", "api_key": KEY, **short, **options}
        opened.append(build_llm("openai", LlmOptions(**told)))
        return opened[-1]

    yield build
    for llm in opened:
        await llm.aclose()


@pytest.fixture(autouse=True)
def no_pauses():
    with stamina.set_testing(True, attempts=10, cap=True):
        yield


async def chunks_of(llm: LLM, prompt: Prompt = QUESTION) -> list[Chunk]:
    async with aclosing(llm.stream(prompt)) as pieces:
        return [piece async for piece in pieces]


def text_of(chunks: list[Chunk]) -> str:
    return "".join(chunk.text for chunk in chunks)


def by_model(**replies: Reply) -> Callable[[Request], Reply]:
    return lambda request: replies[request.body["model"]]


# --- what passes by itself is tried again, within bounds


@pytest.mark.parametrize("fault", [refusal(429, retry_after="0"), refusal(500), refusal(503), CUT_BEFORE])
async def test_a_passing_fault_before_the_first_piece_is_tried_again_and_unseen(server, connect, fault):
    server.script(fault)
    chunks = await chunks_of(connect())
    assert text_of(chunks) == GOOD
    assert chunks[-1].fallback is None
    assert server.calls == 2


async def test_retry_after_is_waited_for(server, connect):
    stamina.set_testing(False)
    server.script(refusal(429, retry_after="0.2"))
    loop = asyncio.get_running_loop()
    started = loop.time()
    assert text_of(await chunks_of(connect())) == GOOD
    assert loop.time() - started >= 0.2


async def test_a_retry_after_that_is_too_long_is_not_waited_for(server, connect):
    server.script(refusal(429, retry_after="60"))
    server.otherwise = by_model(first=Reply(), second=saying("I am second."))
    chunks = await chunks_of(connect(fallback_model="second"))
    assert text_of(chunks) == "I am second."
    assert (chunks[-1].model, chunks[-1].fallback) == ("openai:second", "llm_unavailable")


async def test_in_a_total_outage_there_are_at_most_a_fifth_more_calls(server, connect):
    server.otherwise = refusal(500)
    llm = connect(retry_share=0.1, breaker_failures=1_000)
    for _ in range(100):
        assert (await chunks_of(llm))[-1].fallback == "llm_unavailable"
    assert 100 < server.calls <= 120


async def test_in_a_total_outage_the_breaker_stops_the_calls(server, connect):
    server.otherwise = refusal(500)
    llm = connect(retry_share=0.0, breaker_failures=5)
    for _ in range(50):
        assert text_of(await chunks_of(llm)) == REACHED
    assert server.calls == 5


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
async def test_a_refusal_is_not_tried_again_and_the_answer_says_that_settings_need_a_look(server, connect, status):
    server.otherwise = refusal(status, message=f"bad {KEY} {CANARY}")
    chunks = await chunks_of(connect())
    assert text_of(chunks).startswith("The language model refused this request; its settings need a look.")
    assert chunks[-1].fallback == "llm_rejected"
    assert server.calls <= 2  # a 400 or 422 is asked once without `stream_options`


# --- hanging, late, broken off


@pytest.mark.parametrize("fault", [HANG_BEFORE, HANG_AFTER_THE_HEAD])
async def test_a_server_that_hangs_before_the_first_token_is_left_for_the_fallback_model(server, connect, fault):
    server.otherwise = by_model(first=fault, second=saying("I am second."))
    llm = connect(fallback_model="second", first_token_s=0.5)
    await llm.warm()
    chunks = await chunks_of(llm)
    assert text_of(chunks) == "I am second."
    assert chunks[-1].fallback == "llm_timeout"
    assert server.calls == 2
    await server.until(lambda: server.cancelled == 1, within_s=1.0)


async def test_when_both_models_hang_the_answer_says_so_within_the_deadlines(server, connect):
    server.otherwise = HANG_BEFORE
    llm = connect(fallback_model="second", first_token_s=0.3)
    await llm.warm()
    async with asyncio.timeout(5):
        chunks = await chunks_of(llm)
    assert text_of(chunks).startswith("The language model did not answer in time. From your memories: ")
    assert chunks[-1].cited == ("m1",)
    await server.until(lambda: server.cancelled == 2, within_s=1.0)


@pytest.mark.parametrize("fault", [HANG_INSIDE, DRIPPING, CUT_INSIDE, ERROR_INSIDE, NO_JSON_INSIDE])
async def test_what_breaks_off_inside_the_answer_is_raised_with_nothing_taken_back_nor_tried_again(
    server, connect, fault
):
    server.otherwise = fault
    heard = ""
    with pytest.raises(LLMInterrupted):
        async with aclosing(connect(fallback_model="second").stream(QUESTION)) as pieces:
            async for piece in pieces:
                heard += piece.text
    assert heard == "".join(fault.tokens[: 1 if fault is DRIPPING else None])
    assert server.calls == 1
    await server.until(lambda: server.under_way == 0, within_s=1.0)


async def test_one_token_in_five_seconds_ends_at_the_total_deadline_where_pauses_are_allowed(server, connect):
    server.otherwise = Reply(tokens=("a",) * 100, interval_s=0.05)
    llm = connect(deadline_s=0.6, between_tokens_s=10.0)
    await llm.warm()
    async with asyncio.timeout(4):
        with pytest.raises(LLMInterrupted):
            await chunks_of(llm)
    await server.until(lambda: server.cancelled == 1, within_s=1.0)


async def test_an_answer_without_a_word_is_no_answer(server, connect):
    server.otherwise = WITHOUT_A_WORD
    chunks = await chunks_of(connect())
    assert text_of(chunks).startswith("The language model gave no usable answer.")
    with pytest.raises(LLMInvalid, match="used up"):
        await chunks_of(connect(), INNER)


async def test_nobody_listens_at_the_address(connect):
    async with loopback_llm() as gone:
        address = gone.base_url
    chunks = await chunks_of(connect(base_url=address))
    assert text_of(chunks) == REACHED
    assert chunks[-1].fallback == "llm_unavailable"


async def test_a_call_that_no_person_waits_for_gets_the_error(server, connect):
    server.otherwise = refusal(500)
    with pytest.raises(LLMUnavailable):
        await chunks_of(connect(), INNER)
    with pytest.raises(LLMUnavailable):
        await connect().complete(QUESTION, schema=Fact)


# --- structured answers


@pytest.mark.parametrize("text", ["", "no json", "{", "[]", '{"text": 1}', "null"])
async def test_an_invalid_structured_answer_is_an_error_never_an_empty_value(server, connect, text):
    server.otherwise = saying(text)
    with pytest.raises(LLMInvalid):
        await connect(retry_share=0).complete(INNER, schema=Fact)
    assert server.calls == 1


async def test_an_invalid_structured_answer_is_repaired_once_where_the_budget_allows(server, connect):
    server.script(saying('{"text": 1}'), saying('{"text": "one"}'))
    fact, _ = await connect().complete(INNER, schema=Fact)
    assert fact == Fact(text="one")
    assert server.calls == 2
    *_, answer, request = server.requests[-1].body["messages"]
    assert (answer["role"], answer["content"]) == ("assistant", '{"text": 1}')
    assert "text: string_type" in request["content"]


async def test_a_structured_call_that_hangs_is_left_for_the_fallback_model_within_the_deadline(server, connect):
    server.otherwise = by_model(first=HANG_BEFORE, second=saying('{"text": "second"}'))
    llm = connect(fallback_model="second", deadline_s=1.5)
    await llm.warm()
    fact, _ = await llm.complete(INNER, schema=Fact)
    assert fact.text == "second"
    server.otherwise = HANG_BEFORE
    with pytest.raises(LLMTimeout):
        await connect(deadline_s=0.3).complete(INNER, schema=Fact)


@pytest.mark.parametrize("fault", [CUT_BEFORE, refusal(500)])
async def test_a_structured_call_is_tried_again_like_any_other(server, connect, fault):
    server.script(fault, saying('{"text": "one"}'))
    fact, _ = await connect().complete(INNER, schema=Fact)
    assert fact.text == "one"


# --- who goes away, and what stays


async def test_closing_the_stream_closes_the_call_at_once(server, connect):
    server.otherwise = Reply(tokens=("a",) * 1_000, interval_s=0.01)
    llm = connect()
    async with aclosing(llm.stream(QUESTION)) as pieces:
        assert (await anext(pieces)).text == "a"
    await server.until(lambda: server.cancelled == 1, within_s=1.0)
    assert server.under_way == 0


@pytest.mark.parametrize("fault", [HANG_BEFORE, HANG_AFTER_THE_HEAD, HANG_INSIDE])
async def test_cancelling_the_consumer_closes_the_call_at_once(server, connect, fault):
    server.otherwise = fault
    llm = connect(first_token_s=60, between_tokens_s=60, deadline_s=60)
    task = asyncio.create_task(chunks_of(llm))
    await server.until(lambda: server.calls == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await server.until(lambda: server.cancelled == 1, within_s=1.0)


async def test_five_hundred_streams_that_go_away_leave_no_call_and_no_task(server, connect):
    server.otherwise = Reply(tokens=("a",) * 1_000, interval_s=0.05)
    llm = connect(first_token_s=30, deadline_s=60)
    await llm.warm()
    before = len(asyncio.all_tasks())

    async def leave() -> None:
        async with aclosing(llm.stream(QUESTION)) as pieces:
            await anext(pieces)

    for _ in range(10):
        await asyncio.gather(*(leave() for _ in range(50)))
    await server.until(lambda: server.under_way == 0, within_s=1.0)
    assert (server.calls, server.cancelled) == (500, 500)
    assert len(asyncio.all_tasks()) <= before


async def test_a_connection_serves_one_call_after_another(server, connect):
    llm = connect()
    for _ in range(5):
        assert text_of(await chunks_of(llm)) == GOOD
    assert server.connections == 1


@pytest.mark.parametrize(
    "fault", [refusal(401, message=f"{KEY} {CANARY}"), refusal(500, message=f"{KEY} {CANARY}", code=KEY), CUT_INSIDE]
)
async def test_no_error_repeats_the_key_the_prompt_or_the_servers_words(server, fault, caplog):
    server.otherwise = fault
    llm = OpenAILLM(LlmOptions(base_url=server.base_url, model="stub", api_key=KEY))
    with caplog.at_level("DEBUG"), pytest.raises(LLMError) as caught:
        await chunks_of(llm)
    await llm.aclose()
    logged = [vars(record) for record in caplog.records]
    shown = f"{caught.value!r} {caught.value.__cause__!r} {logged}"
    assert KEY not in shown
    assert CANARY not in shown


async def test_a_closed_model_says_so(connect):
    llm = OpenAILLM(LlmOptions(base_url="http://127.0.0.1:9/v1"))
    await llm.aclose()
    with pytest.raises(LLMUnavailable, match="closed") as caught:
        await chunks_of(llm)
    assert not caught.value.passing


async def test_a_prompt_that_is_too_long_is_told_apart(server):
    server.otherwise = refusal(400, code="context_length_exceeded", message="maximum context length is 8192 tokens")
    llm = OpenAILLM(LlmOptions(base_url=server.base_url))
    with pytest.raises(LLMRejected, match="too long") as caught:
        await chunks_of(llm)
    assert caught.value.status == 400
    await llm.aclose()
