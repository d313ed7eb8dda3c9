"""The official OpenAI client against /v1/chat/completions: it gains memory by another base_url. B7, B10, S1."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import openai
import pytest

from context0.llm.extractive import ExtractiveLLM
from context0.llm.protocol import LLM
from context0.llm.scripted import ScriptedLLM
from tests.chat_bench import reply_to
from tests.engine_bench import open_bench
from tests.service_bench import ServiceBench, open_service

ASKED: Any = [{"role": "user", "content": "Which city do I live in?"}]


@pytest.fixture
def llm() -> LLM:
    return ScriptedLLM(reply_to)


@pytest.fixture
async def service(llm: LLM, tmp_path: Path) -> AsyncIterator[ServiceBench]:
    async with open_bench("sqlite", tmp_path) as bench, open_service(bench.engine(), llm=llm) as opened:
        yield opened


@asynccontextmanager
async def client_of(service: ServiceBench, user: str = "anna") -> AsyncIterator[openai.AsyncOpenAI]:
    key = await service.key(user)
    async with openai.AsyncOpenAI(base_url=f"{service.url}/v1", api_key=key, max_retries=0) as client:
        yield client


async def remember(service: ServiceBench, user: str, content: str) -> None:
    assert (await (await service.client(user)).post("/v1/memories", json={"content": content})).status_code == 201


async def test_an_answer_comes_whole_and_in_pieces(service: ServiceBench) -> None:
    async with client_of(service) as client:
        whole = await client.chat.completions.create(model="gpt-4o-mini", messages=ASKED, temperature=0.2, user="ben")
        assert whole.choices[0].message.content == "You said: Which city do I live in?"
        assert whole.choices[0].finish_reason == "stop"
        assert whole.usage is not None
        assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens > 0
        stream = await client.chat.completions.create(
            model="gpt-4o-mini", messages=ASKED, stream=True, stream_options={"include_usage": True}
        )
        pieces = [piece async for piece in stream]
    text = "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices)
    assert text == whole.choices[0].message.content
    assert pieces[0].choices[0].delta.role == "assistant"
    assert pieces[-2].choices[0].finish_reason == "stop"
    assert pieces[-1].usage is not None
    assert len({piece.id for piece in pieces}) == 1


async def test_the_clients_helpers_for_streams_work(service: ServiceBench) -> None:
    async with client_of(service) as client, client.chat.completions.stream(model="x", messages=ASKED) as stream:
        final = await stream.get_final_completion()
    assert final.choices[0].message.content == "You said: Which city do I live in?"


async def test_models_are_listed(service: ServiceBench) -> None:
    async with client_of(service) as client:
        assert "context0" in [model.id async for model in client.models.list()]


@pytest.mark.parametrize("llm", [ExtractiveLLM()], ids=["extractive"])
async def test_the_memory_is_the_keys_and_never_the_field_users(service: ServiceBench) -> None:
    await remember(service, "anna", "I live in Munich")
    await remember(service, "ben", "I live in Oslo")
    for user, city, other in (("anna", "Munich", "ben"), ("ben", "Oslo", "anna")):
        async with client_of(service, user) as client:
            whole = await client.chat.completions.create(model="context0", messages=ASKED, user=other)
            assert city in str(whole.choices[0].message.content)
            stream = await client.chat.completions.create(model="context0", messages=ASKED, user=other, stream=True)
            text = "".join([piece.choices[0].delta.content or "" async for piece in stream])
            assert city in text
            assert not any(foreign in text for foreign in {"Munich", "Oslo"} - {city})


async def test_what_the_request_tells_is_the_history_of_a_new_session(service: ServiceBench, llm: ScriptedLLM) -> None:
    told: Any = [
        {"role": "system", "content": "You are a pirate."},
        {"role": "user", "content": "My dog is called Rex"},
        {"role": "assistant", "content": [{"type": "text", "text": "A fine name."}]},
        {"role": "user", "content": "What is my dog called?"},
    ]
    async with client_of(service) as client:
        answer = await client.chat.completions.create(model="x", messages=told)
    assert answer.choices[0].message.content == "You said: What is my dog called?"
    shown = [(one.role, one.content) for one in llm.prompts[-1].messages]
    assert ("user", "My dog is called Rex") in shown
    assert ("assistant", "A fine name.") in shown
    assert all("pirate" not in content for _, content in shown)
    anna = await service.client("anna")
    (session,) = (await anna.get("/v1/sessions")).json()["items"]
    kept = (await anna.get(f"/v1/sessions/{session['id']}/messages")).json()["items"]
    assert [one["content"] for one in kept] == ["What is my dog called?", "You said: What is my dog called?"]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_conversation_that_is_sent_again_goes_on_in_its_session(service: ServiceBench, stream: bool) -> None:
    messages: Any = []
    async with client_of(service) as client:
        for text in ("I have a dog", "It is called Rex", "It likes fish"):
            messages.append({"role": "user", "content": text})
            if stream:
                pieces = await client.chat.completions.create(model="x", messages=messages, stream=True)
                answer = "".join([piece.choices[0].delta.content or "" async for piece in pieces])
            else:
                whole = await client.chat.completions.create(model="x", messages=messages)
                answer = str(whole.choices[0].message.content)
            messages.append({"role": "assistant", "content": answer})
        anna = await service.client("anna")
        (session,) = (await anna.get("/v1/sessions")).json()["items"]
        assert session["next_seq"] == 7
        await anna.delete(f"/v1/sessions/{session['id']}")
        messages.append({"role": "user", "content": "Still there?"})
        assert (await client.chat.completions.create(model="x", messages=messages)).choices


async def test_a_session_can_be_named_and_another_users_of_that_name_is_another_one(service: ServiceBench) -> None:
    anna = await service.client("anna")
    session_id = (await anna.post("/v1/chat", json={"message": "I have a dog"})).json()["session_id"]
    async with client_of(service) as client:
        named: Any = {"extra_headers": {"X-Context0-Session": session_id}}
        raw = await client.chat.completions.with_raw_response.create(model="x", messages=ASKED, **named)
        assert raw.headers["x-context0-session"] == session_id
        await client.chat.completions.create(model="x", messages=ASKED, metadata={"session_id": session_id})
    kept = (await anna.get(f"/v1/sessions/{session_id}/messages")).json()["items"]
    assert len(kept) == 6
    async with client_of(service, "ben") as client:
        raw = await client.chat.completions.with_raw_response.create(model="x", messages=ASKED, **named)
        assert raw.headers["x-context0-session"] == session_id
    ben = await service.client("ben")
    assert len((await ben.get(f"/v1/sessions/{session_id}/messages")).json()["items"]) == 2
    assert (await anna.get(f"/v1/sessions/{session_id}/messages")).json()["items"] == kept


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "assistant", "content": "hm"}]}, "the last one must be the user's"),
        ({"messages": [{"role": "user", "content": " "}]}, "message: is empty"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]}, "only text"),
        ({"n": 2}, "n: is not served"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools: is not served"),
        ({"response_format": {"type": "json_object"}}, "response_format: only text"),
        ({"metadata": {"session_id": 3}}, "metadata.session_id"),
    ],
)
async def test_what_is_not_served_is_refused_in_openais_words(
    service: ServiceBench, changed: dict[str, Any], told: str
) -> None:
    async with client_of(service) as client:
        with pytest.raises(openai.UnprocessableEntityError, match=told) as refused:
            await client.chat.completions.create(**{"model": "x", "messages": ASKED, **changed})
    assert refused.value.type == "invalid_request_error"
    assert refused.value.code == "invalid_input"


async def test_a_wrong_key_is_an_authentication_error(service: ServiceBench) -> None:
    async with openai.AsyncOpenAI(base_url=f"{service.url}/v1", api_key="c0_x_y", max_retries=0) as client:
        with pytest.raises(openai.AuthenticationError) as refused:
            await client.chat.completions.create(model="x", messages=ASKED)
    assert refused.value.type == "authentication_error"


@pytest.mark.parametrize("llm", [ScriptedLLM([openai.OpenAIError("broken")] * 9)], ids=["broken"])
async def test_a_broken_model_is_an_error_and_no_empty_answer(service: ServiceBench) -> None:
    async with client_of(service) as client:
        with pytest.raises(openai.APIStatusError) as refused:
            await client.chat.completions.create(model="x", messages=ASKED)
        assert refused.value.status_code in (502, 503)
        with pytest.raises(openai.APIError):
            stream = await client.chat.completions.create(model="x", messages=ASKED, stream=True)
            _ = [piece async for piece in stream]
