"""The provider for OpenAI-compatible servers (B5, A7, B10): what it sends, what it understands, how servers differ."""

import gzip
from typing import Literal

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from context0.errors import ConfigurationError, LLMRejected
from context0.llm.openai import OpenAILLM
from context0.llm.openai_dialect import OpenAIDialect, strict_schema
from context0.llm.openai_stream import NoEvent, events_of, read_event
from context0.llm.options import LlmOptions
from context0.llm.protocol import Prompt, PromptMessage, Usage
from tests.loopback_llm import Reply, loopback_llm, refusal, refusing, saying

PROMPT = Prompt(
    messages=(PromptMessage(role="system", content="Be short."), PromptMessage(role="user", content="Grüße, “Anna”!")),
    temperature=0.0,
    max_tokens=50,
)


class Fact(BaseModel):
    text: str
    kind: Literal["a", "b"] = "a"


@pytest.fixture
async def server():
    async with loopback_llm() as running:
        yield running


@pytest.fixture
async def connect(server):
    opened = []

    def build(**options) -> OpenAILLM:
        opened.append(OpenAILLM(LlmOptions(**{"base_url": server.base_url, "model": "stub", **options})))
        return opened[-1]

    yield build
    for llm in opened:
        await llm.aclose()


async def answer(llm: OpenAILLM, prompt: Prompt = PROMPT) -> tuple[str, Usage]:
    chunks = [chunk async for chunk in llm.stream(prompt)]
    return "".join(chunk.text for chunk in chunks), chunks[-1].usage


async def test_a_request_holds_the_prompt_the_limit_and_the_key(server, connect):
    assert await answer(connect(api_key="sk-1", max_tokens=20)) == (
        "Hello there.",
        Usage(prompt_tokens=4, completion_tokens=3),
    )
    (request,) = server.requests
    assert request.path == "/v1/chat/completions"
    assert request.headers["authorization"] == "Bearer sk-1"
    assert request.body == {
        "model": "stub",
        "messages": [{"role": "system", "content": "Be short."}, {"role": "user", "content": "Grüße, “Anna”!"}],
        "max_tokens": 20,
        "temperature": 0.0,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


async def test_a_server_without_a_key_and_with_a_slash_at_the_end_is_fine(server, connect):
    assert (await answer(connect(base_url=server.base_url + "/")))[0] == "Hello there."


@pytest.mark.parametrize("named", [True, False])
async def test_a_server_that_knows_no_stream_options_answers_without_usage_and_is_not_asked_for_them_again(
    server, connect, named
):
    server.otherwise = refusing("stream_options", named=named)
    llm = connect()
    for _ in range(2):
        assert await answer(llm) == ("Hello there.", Usage())
    assert server.calls == 3


async def test_a_model_that_wants_the_newer_limit_and_no_temperature_gets_what_it_wants(server, connect):
    server.otherwise = refusing("max_tokens", "temperature")
    llm = connect()
    for _ in range(2):
        assert (await answer(llm))[0] == "Hello there."
    assert server.calls == 4
    assert server.requests[-1].body["max_completion_tokens"] == 50


@pytest.mark.parametrize("named", [True, False])
async def test_a_server_that_refuses_response_format_is_asked_for_json_in_the_prompt(server, connect, named):
    server.otherwise = refusing(
        "response_format", reply=saying('```json\n{"text": "x", "kind": "b"}\n```'), named=named
    )
    llm = connect()
    for _ in range(2):
        fact, usage = await llm.complete(PROMPT, schema=Fact)
        assert fact == Fact(text="x", kind="b")
        assert usage.completion_tokens == 1
    assert server.calls == 3
    assert '"kind"' in server.requests[-1].body["messages"][0]["content"]


async def test_a_structured_call_asks_for_the_schema_in_strict_form(server, connect):
    server.otherwise = saying('{"text": "x", "kind": "b"}')
    await connect().complete(PROMPT, schema=Fact)
    wished = server.requests[0].body["response_format"]["json_schema"]
    assert (wished["name"], wished["strict"]) == ("Fact", True)
    assert wished["schema"]["required"] == ["text", "kind"]
    assert wished["schema"]["additionalProperties"] is False
    assert "stream" not in server.requests[0].body


async def test_a_vague_refusal_of_what_was_accepted_before_is_not_asked_again(server, connect):
    llm = connect()
    await answer(llm)
    server.otherwise = refusal(400)
    with pytest.raises(LLMRejected):
        await answer(llm)
    assert server.calls == 2


async def test_a_server_that_refuses_everything_is_asked_a_few_times_only(server, connect):
    server.otherwise = refusing("stream_options", "max_tokens", "max_completion_tokens", "temperature", "messages")
    with pytest.raises(LLMRejected):
        await answer(connect())
    assert server.calls == 5


async def test_a_server_that_does_not_stream_is_understood(server, connect):
    server.otherwise = Reply(streams=False)
    assert await answer(connect()) == ("Hello there.", Usage(prompt_tokens=4, completion_tokens=3))


async def test_a_compressed_stream_is_understood(server, connect):
    event = b'data: {"choices": [{"delta": {"content": "Hi"}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'
    headers = {"content-type": "text/event-stream", "content-encoding": "gzip"}
    packed = gzip.compress(event)
    server.script(Reply(body=packed, headers={**headers, "content-length": str(len(packed))}))
    assert (await answer(connect()))[0] == "Hi"


async def test_a_cookie_of_the_server_comes_back(server, connect):
    event = b'data: {"choices": [{"delta": {"content": "Hi"}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'
    server.script(Reply(body=event, headers={"content-type": "text/event-stream", "set-cookie": "place=7; Path=/"}))
    llm = connect()
    await answer(llm)
    await answer(llm)
    assert [request.headers.get("cookie") for request in server.requests] == [None, "place=7"]


async def test_no_more_than_a_hundred_connections_are_open_at_once(server, connect):
    import asyncio

    server.otherwise = Reply(first_token_s=0.2)
    llm = connect()
    await llm.warm()
    answers = await asyncio.gather(*(answer(llm) for _ in range(130)))
    assert {text for text, _ in answers} == {"Hello there."}
    assert server.peak == 100


async def test_warming_makes_no_call_and_a_missing_server_does_not_matter(server, connect):
    await connect().warm()
    assert (server.calls, server.connections) == (0, 1)
    await connect(base_url="http://127.0.0.1:9/v1").warm()


def test_openai_itself_needs_a_key_and_gets_the_newer_limit():
    with pytest.raises(ConfigurationError, match="llm_api_key"):
        OpenAILLM(LlmOptions())
    body = OpenAIDialect("m", max_tokens=9, newest=True).streamed(PROMPT)
    assert body["max_completion_tokens"] == 9
    assert "max_tokens" not in body


def test_advice_to_use_the_other_limit_is_not_taken_for_its_refusal():
    dialect = OpenAIDialect("m", max_tokens=9, newest=False)
    said = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
    assert dialect.refused(dialect.streamed(PROMPT), f"max_tokens {said}")
    assert "max_completion_tokens" in dialect.streamed(PROMPT)
    dialect = OpenAIDialect("m", max_tokens=9, newest=True)
    assert dialect.refused(dialect.streamed(PROMPT), "max_completion_tokens: extra fields not permitted")
    assert "max_tokens" in dialect.streamed(PROMPT)


def test_the_schema_is_that_of_the_model():
    assert strict_schema(Fact)["properties"]["kind"]["enum"] == ["a", "b"]


def event(**delta: object) -> bytes:
    return b"data: " + orjson.dumps({"choices": [{"delta": delta, "finish_reason": None}]})


async def texts_of(*parts: bytes) -> list[str]:
    async def received():
        for part in parts:
            yield part

    return [found.text async for found in events_of(received())]


@given(st.lists(st.text(min_size=1), max_size=8), st.data())
async def test_events_are_the_same_however_the_bytes_arrive(texts, data):
    end = data.draw(st.sampled_from([b"\n\n", b"\r\n\r\n"]))
    lines = [event(content=text.encode("utf-8", "replace").decode()) + end for text in texts]
    whole = b": a comment\n\nevent: message\n" + b"".join(lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=10)))
    parts = [whole[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    expected = [orjson.loads(line.strip()[6:])["choices"][0]["delta"]["content"] for line in lines]
    assert await texts_of(*parts) == expected


async def test_an_event_without_an_end_of_line_counts_at_the_end():
    assert await texts_of(event(content="a") + b"\n\n", event(content="b")) == ["a", "b"]


@pytest.mark.parametrize(
    "data", [b"{", b"[]", b"1", b'{"choices": 1}', b'{"choices": [1]}', b'{"choices": [{"delta": 1}]}', b'{"usage": 1}']
)
def test_what_is_no_event_is_an_error(data):
    with pytest.raises(NoEvent):
        read_event(data)


@pytest.mark.parametrize("data", [b"{}", b'{"choices": []}', b'{"choices": [{"delta": {"reasoning_content": "hm"}}]}'])
def test_an_event_without_text_is_a_sign_of_life(data):
    assert read_event(data).text == ""


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(data):
    try:
        read_event(data)
    except NoEvent as error:
        assert len(str(error)) < 60
