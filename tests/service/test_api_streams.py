"""Streamed turns over a real connection: every token once whatever breaks, nothing goes on for nobody. B7, D19, D20."""

import asyncio
import os
import random
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import orjson
import pytest
from httpx_sse import ServerSentEvent

from context0.api.server import ServerTimes
from context0.api.sse import StreamTimes
from context0.llm.openai import OpenAILLM
from context0.llm.options import LlmOptions
from context0.memory.engine import MemoryEngine
from tests.engine_bench import open_bench
from tests.loopback_llm import LoopbackLLM, Reply, loopback_llm
from tests.service_bench import ServiceBench, code_of, open_service

CUTS: Final = int(os.environ.get("CONTEXT0_TEST_API_CUTS", "20"))
TOKENS: Final = tuple(f"t{number} " for number in range(12))
TEXT: Final = "".join(TOKENS)
ASK: Final[dict[str, Any]] = {"message": "Where do I live?", "stream": True}


@pytest.fixture
async def model() -> AsyncIterator[LoopbackLLM]:
    async with loopback_llm(Reply(tokens=TOKENS)) as server:
        yield server


@pytest.fixture
async def service(model: LoopbackLLM, tmp_path: Path) -> AsyncIterator[ServiceBench]:
    async with open_bench("reference", tmp_path) as bench, _opened(bench.engine(), model) as opened:
        yield opened


@asynccontextmanager
async def _opened(engine: MemoryEngine, model: LoopbackLLM, **changes: Any) -> AsyncIterator[ServiceBench]:
    llm = OpenAILLM(LlmOptions(base_url=model.base_url, model="stub", api_key="none"))
    async with aclosing(llm), open_service(engine, llm=llm, **changes) as service:
        yield service


def types(events: list[ServerSentEvent]) -> list[str]:
    return [event.event for event in events]


def text_of(events: list[ServerSentEvent]) -> str:
    return "".join(event.json()["text"] for event in events if event.event == "token")


def turn_of(event: ServerSentEvent) -> str:
    return event.id.partition(":")[0]


async def messages_of(service: ServiceBench, session_id: str) -> list[Any]:
    client = await service.client("anna")
    items: list[Any] = (await client.get(f"/v1/sessions/{session_id}/messages")).json()["items"]
    return items


async def test_a_turn_is_told_as_events_with_ids(service: ServiceBench) -> None:
    events = await service.all_events("anna", "/v1/chat", json={"message": "Where do I live?"})
    assert types(events)[:3] == ["session", "privacy", "memories"]
    assert text_of(events) == TEXT
    done = next(event.json() for event in events if event.event == "done")
    assert (done["text"], done["state"]) == (TEXT, "complete")
    turn_id = events[0].json()["turn_id"]
    assert [event.id for event in events] == [f"{turn_id}:{number}" for number in range(len(events))]
    assert all(event.json()["type"] == event.event for event in events)


async def test_proxies_are_told_to_let_events_through(service: ServiceBench) -> None:
    client = await service.client("anna")
    async with client.stream("POST", "/v1/chat", json=ASK) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        assert (response.headers["x-accel-buffering"], response.headers["cache-control"]) == ("no", "no-store")
        assert (await response.aread()).startswith(b"retry: 1000\nid: ")


async def test_a_finished_turn_is_read_again_from_any_event(service: ServiceBench) -> None:
    events = await service.all_events("anna", "/v1/chat", json=ASK)
    path = f"/v1/chat/turns/{turn_of(events[0])}"
    assert [event.data for event in await service.all_events("anna", path)] == [event.data for event in events]
    for number in (0, 5, len(events) - 1):
        rest = await service.all_events("anna", path, headers={"last-event-id": events[number].id})
        assert [event.id for event in rest] == [event.id for event in events[number + 1 :]]


async def test_a_turn_is_its_owners_alone(service: ServiceBench) -> None:
    events = await service.all_events("anna", "/v1/chat", json=ASK)
    ben = await service.client("ben")
    foreign = await ben.get(f"/v1/chat/turns/{turn_of(events[0])}")
    unknown = await ben.get("/v1/chat/turns/unknown")
    assert (foreign.status_code, unknown.status_code) == (404, 404)
    assert foreign.json()["error"]["message"] == unknown.json()["error"]["message"]
    for wrong in ("other:3", "garbage", f"{turn_of(events[0])}:-1", f"{turn_of(events[0])}:x"):
        anna = await service.client("anna")
        refused = await anna.get(f"/v1/chat/turns/{turn_of(events[0])}", headers={"last-event-id": wrong})
        assert (refused.status_code, code_of(refused)) == (400, "invalid_event_id")


async def test_a_stream_cut_anywhere_is_resumed_with_every_token_once(
    service: ServiceBench, model: LoopbackLLM
) -> None:
    model.otherwise = Reply(tokens=TOKENS, interval_s=0.002)
    places = random.Random(7)
    for _ in range(CUTS):
        got: list[ServerSentEvent] = []
        request: dict[str, Any] = {"path": "/v1/chat", "json": {**ASK, "resumable": True}}
        while not any(event.event == "done" for event in got):
            left = places.randrange(1, 8)
            async with service.events("anna", **request) as events:
                async for event in events:
                    got.append(event)
                    left -= 1
                    if not left:
                        break
            request = {"path": f"/v1/chat/turns/{turn_of(got[0])}", "headers": {"last-event-id": got[-1].id}}
        assert text_of(got) == TEXT
        assert [int(event.id.partition(":")[2]) for event in got] == list(range(len(got)))
    assert model.cancelled == 0


async def test_a_disconnect_closes_the_models_call_and_keeps_what_it_said(
    service: ServiceBench, model: LoopbackLLM
) -> None:
    model.script(Reply(tokens=TOKENS[:3], then="hang"))
    async with service.events("anna", "/v1/chat", json=ASK) as events:
        got = []
        async for event in events:
            got.append(event)
            if text_of(got) == "".join(TOKENS[:3]):
                break
    await model.until(lambda: model.cancelled == 1, within_s=1.0)
    await _ended(service)
    session_id = got[0].json()["session_id"]
    question, answer = await messages_of(service, session_id)
    assert (question["role"], answer["state"], answer["content"]) == ("user", "partial", "".join(TOKENS[:3]))
    rest = await service.all_events("anna", f"/v1/chat/turns/{turn_of(got[0])}", headers={"last-event-id": got[-1].id})
    assert [event.json()["code"] for event in rest] == ["turn_cancelled"]
    again = await service.all_events("anna", "/v1/chat", json={**ASK, "session_id": session_id})
    assert text_of(again) == TEXT


async def test_a_disconnect_before_the_answer_closes_the_models_call_too(
    service: ServiceBench, model: LoopbackLLM
) -> None:
    model.script(Reply(silent=True), Reply(silent=True))
    client = await service.client("anna")
    for number, request in enumerate((ASK, {"message": "hello there"}), start=1):
        asking = asyncio.create_task(client.post("/v1/chat", json=request))
        await model.until(lambda wanted=number: model.under_way == 1 and model.calls == wanted)  # type: ignore[misc]
        asking.cancel()
        await model.until(lambda wanted=number: model.cancelled == wanted, within_s=1.0)  # type: ignore[misc]


async def test_a_resumable_turn_goes_on_without_a_reader(service: ServiceBench, model: LoopbackLLM) -> None:
    model.otherwise = Reply(tokens=TOKENS, interval_s=0.005)
    async with service.events("anna", "/v1/chat", json={**ASK, "resumable": True}) as events:
        first = await anext(events)
    await model.until(lambda: model.finished == 1)
    followed = await service.all_events("anna", f"/v1/chat/turns/{turn_of(first)}")
    assert text_of(followed) == TEXT
    assert model.cancelled == 0


async def test_off_the_record_nothing_is_kept_after_the_end(service: ServiceBench, model: LoopbackLLM) -> None:
    for mode in ("off_record", "read_only"):
        events = await service.all_events("anna", "/v1/chat", json={**ASK, "mode": mode})
        assert text_of(events) == TEXT
        client = await service.client("anna")
        assert (await client.get(f"/v1/chat/turns/{turn_of(events[0])}")).status_code == 404
    assert not service.services.turns._ended
    assert not service.services.turns._running


async def test_an_erasure_ends_what_runs_and_forgets_what_ended(service: ServiceBench, model: LoopbackLLM) -> None:
    client = await service.client("anna")
    ended = await service.all_events("anna", "/v1/chat", json=ASK)
    model.script(Reply(tokens=TOKENS[:2], then="hang"))
    async with service.events("anna", "/v1/chat", json={**ASK, "resumable": True}) as events:
        first = await anext(events)
        assert (await client.delete("/v1/me", params={"keep_keys": "true"})).json()["ok"] is True
        await model.until(lambda: model.cancelled == 1)
        rest = [event async for event in events]
    assert rest[-1].json()["code"] == "turn_cancelled"
    for turn in (first, ended[0]):
        assert (await client.get(f"/v1/chat/turns/{turn_of(turn)}")).status_code == 404
    assert (await client.get("/v1/sessions")).json()["items"] == []


async def test_a_turn_that_cannot_begin_is_an_error_with_its_status(service: ServiceBench) -> None:
    client = await service.client("anna")
    unknown = await client.post("/v1/chat", json={**ASK, "mode": "read_only", "session_id": "unknown"})
    assert (unknown.status_code, code_of(unknown)) == (404, "not_found")
    blank = await client.post("/v1/chat", json={**ASK, "message": "  "})
    assert (blank.status_code, code_of(blank)) == (422, "invalid_input")


async def test_a_model_that_refuses_is_told_in_the_stream(service: ServiceBench, model: LoopbackLLM) -> None:
    model.otherwise = Reply(status=400, body=b'{"error": {"message": "no"}}')
    events = await service.all_events("anna", "/v1/chat", json=ASK)
    assert types(events)[-1] == "error"
    assert events[-1].json()["code"] == "llm_rejected"


async def test_a_silent_stream_gets_pings(model: LoopbackLLM, tmp_path: Path) -> None:
    model.script(Reply(tokens=TOKENS, first_token_s=0.3))
    times = StreamTimes(ping_s=0.05)
    async with open_bench("reference", tmp_path) as bench, _opened(bench.engine(), model, times=times) as service:
        body = (await (await service.client("anna")).post("/v1/chat", json=ASK)).text
    assert body.count(": ping\n") >= 2
    assert "event: done" in body


async def test_streams_are_told_that_the_service_stops_and_what_they_said_is_kept(
    service: ServiceBench, model: LoopbackLLM
) -> None:
    model.script(Reply(tokens=TOKENS[:3], then="hang"))
    got: list[ServerSentEvent] = []
    async with service.events("anna", "/v1/chat", json=ASK) as events:
        async for event in events:
            got.append(event)
            if text_of(got) == "".join(TOKENS[:3]):
                service.services.turns.stop()
    assert types(got)[-1] == "shutdown"
    await model.until(lambda: model.cancelled == 1, within_s=1.0)
    await _ended(service)
    page = await service.services.chat.messages(got[0].json()["session_id"], user_id="anna")
    assert [(one.role, one.state) for one in page.items] == [("user", "complete"), ("assistant", "partial")]


async def test_a_reader_that_takes_nothing_is_let_go(model: LoopbackLLM, tmp_path: Path) -> None:
    model.otherwise = Reply(tokens=("x" * 100_000,) * 200)
    times = ServerTimes(stall_s=0.2)
    async with (
        open_bench("reference", tmp_path) as bench,
        _opened(bench.engine(), model, server_times=times) as service,
    ):
        url, body = httpx.URL(service.url), orjson.dumps(ASK)
        reader, writer = await asyncio.open_connection(url.host, url.port, limit=1_024)
        head = f"POST /v1/chat HTTP/1.1\r\nhost: x\r\nx-api-key: {await service.key('anna')}\r\n"
        length = f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        writer.write((head + length).encode() + body)
        await reader.readexactly(10)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        (serving,) = service.server.server_state.tasks
        await asyncio.wait({serving}, timeout=10)
        assert serving.done()
        assert not service.server.server_state.connections
        writer.close()


async def _ended(service: ServiceBench) -> None:
    """Wait until no turn runs."""
    async with asyncio.timeout(5):
        while service.services.turns._tasks:
            await asyncio.wait(set(service.services.turns._tasks))
