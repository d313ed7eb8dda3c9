"""D12: requests with an Idempotency-Key have one effect and one reply: again, at once, changed, later, by another."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any, Final

import httpx
import pytest

from context0.api.repeats import LEASE_S
from context0.llm.scripted import ScriptedLLM
from context0.memory.due_work import StoreTime
from context0.memory.engine import MemoryEngine
from stores.errors import Unavailable
from stores.records import Scope
from stores.reference.documents import ReferenceDocuments
from stores.reply_protocol import ReplyStore
from tests.chat_bench import reply_to
from tests.engine_bench import EngineBench, Faulty
from tests.service_bench import ServiceBench, code_of, open_service

DAY: Final = timedelta(days=1)
NOTE: Final = {"content": "Anna plays the cello"}
MESSAGE: Final = {"message": "I like rye bread"}
SESSION: Final = {"message": "I like rye bread", "session_id": "talk"}
COMPLETION: Final = {"model": "x", "messages": [{"role": "user", "content": "I like rye bread"}]}


def timed(engine: MemoryEngine, bench: EngineBench) -> MemoryEngine:
    """Let leases count by the bench's clock, on a store that has one of its own too."""
    engine._store_time = StoreTime(ReferenceDocuments(), bench.clock)
    return engine


@pytest.fixture
def engine(bench: EngineBench) -> MemoryEngine:
    return timed(bench.engine(), bench)


@pytest.fixture
def llm() -> ScriptedLLM:
    return ScriptedLLM(reply_to)


@pytest.fixture
async def service(engine: MemoryEngine, llm: ScriptedLLM) -> AsyncIterator[ServiceBench]:
    async with open_service(engine, llm=llm) as opened:
        yield opened


@pytest.fixture
async def anna(service: ServiceBench) -> httpx.AsyncClient:
    return await service.client("anna")


@pytest.fixture
async def memory(anna: httpx.AsyncClient) -> str:
    path: str = (await anna.post("/v1/memories", json={"content": "I live in Munich"})).headers["location"]
    return path


def keyed(key: str) -> dict[str, str]:
    return {"idempotency-key": key}


async def told(client: httpx.AsyncClient) -> dict[str, list[Any]]:
    """Return all that can be seen of what requests have done."""
    memories = (await client.get("/v1/memories?limit=100")).json()["items"]
    sessions = (await client.get("/v1/sessions")).json()["items"]
    messages = [(await client.get(f"/v1/sessions/{one['id']}/messages")).json()["items"] for one in sessions]
    return {"memories": memories, "sessions": [one["title"] for one in sessions], "messages": messages}


async def is_replayed(ask: Callable[[], Awaitable[httpx.Response]], client: httpx.AsyncClient) -> None:
    first, seen = await ask(), await told(client)
    assert first.is_success, first.text
    again = await ask()
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers.get("location") == first.headers.get("location")
    assert ("idempotency-replayed" in first.headers, again.headers["idempotency-replayed"]) == (False, "true")
    assert await told(client) == seen


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/memories", NOTE),
        ("POST", "/v1/memories/batch", {"memories": [NOTE, {"content": "and the harp"}]}),
        ("POST", "/v1/chat", MESSAGE),
        ("POST", "/v1/chat", SESSION),
        ("POST", "/v1/chat/completions", COMPLETION),
        ("PATCH", "{memory}", {"content": "I live in Berlin"}),
        ("DELETE", "{memory}", None),
        ("PUT", "/v1/mode", {"mode": "redact"}),
    ],
)
async def test_the_same_again_gets_the_same_reply_and_does_nothing(
    anna: httpx.AsyncClient, memory: str, method: str, path: str, body: Any
) -> None:
    async def ask() -> httpx.Response:
        return await anna.request(method, path.format(memory=memory), json=body, headers=keyed("k1"))

    await is_replayed(ask, anna)


@pytest.mark.parametrize("mode", ["off_record", "read_only"])
@pytest.mark.parametrize(("path", "body"), [("/v1/chat", SESSION), ("/v1/chat/completions", COMPLETION)])
async def test_a_turn_of_which_nothing_is_kept_leaves_no_reply_under_its_key_either(
    anna: httpx.AsyncClient, engine: MemoryEngine, llm: ScriptedLLM, mode: str, path: str, body: Any
) -> None:
    """S16: it is carried out again, which has no effect but its cost."""
    await anna.put("/v1/mode", json={"mode": mode})
    seen, sent = await told(anna), {key: value for key, value in body.items() if key != "session_id"}
    for times in (1, 2):
        reply = await anna.post(path, json=sent, headers=keyed("k"))
        assert (reply.status_code, "idempotency-replayed" in reply.headers) == (200, False)
        assert (llm.calls, await told(anna)) == (times, seen)
    assert await (await engine.replies()).count(Scope(owner="anna")) == 0


async def test_of_fifty_at_once_one_is_done_and_the_others_are_told_so(
    anna: httpx.AsyncClient, llm: ScriptedLLM
) -> None:
    asked = [anna.post("/v1/chat", json=MESSAGE, headers=keyed("k")) for _ in range(50)]
    answers = await asyncio.gather(*asked)
    done = [one for one in answers if one.status_code == 200]
    assert {code_of(one) for one in answers if one not in done} <= {"in_flight"}
    assert all(one.headers["retry-after"] == "1" for one in answers if one not in done)
    assert {one.content for one in done} == {(await anna.post("/v1/chat", json=MESSAGE, headers=keyed("k"))).content}
    assert len(llm.prompts) == 1
    assert [len(one) for one in (await told(anna))["messages"]] == [2]


async def test_another_request_under_the_key_is_refused(anna: httpx.AsyncClient, memory: str) -> None:
    await anna.patch(memory, json={"content": "I live in Berlin"}, headers=keyed("k"))
    other = await anna.patch(memory, json={"content": "I live in Rome"}, headers=keyed("k"))
    assert (other.status_code, code_of(other)) == (422, "idempotency_mismatch")
    same_on_another = await anna.patch("/v1/memories/x", json={"content": "I live in Berlin"}, headers=keyed("k"))
    assert (same_on_another.status_code, code_of(same_on_another)) == (422, "idempotency_mismatch")
    assert (await anna.get(memory)).json()["content"] == "I live in Berlin"


async def test_a_header_that_the_route_takes_is_a_part_of_the_request(anna: httpx.AsyncClient) -> None:
    async def ask(**headers: str) -> httpx.Response:
        return await anna.post("/v1/chat/completions", json=COMPLETION, headers={**keyed("k"), **headers})

    first = await ask(**{"x-context0-session": "talk"})
    assert first.headers["x-context0-session"] == "talk"
    for other in ({}, {"x-context0-session": "another"}):
        refused = await ask(**other)
        assert (refused.status_code, refused.json()["error"]["code"]) == (422, "idempotency_mismatch")
    again = await ask(**{"x-context0-session": "talk", "accept-language": "de"})
    assert (again.content, again.headers["idempotency-replayed"]) == (first.content, "true")


async def test_a_key_is_of_one_owner_and_one_route(service: ServiceBench, anna: httpx.AsyncClient) -> None:
    ben = await service.client("ben")
    first = await anna.post("/v1/chat", json=MESSAGE, headers=keyed("k"))
    hers, his = first.json(), (await ben.post("/v1/chat", json=MESSAGE, headers=keyed("k"))).json()
    assert hers["turn_id"] != his["turn_id"]
    assert hers["session_id"] != his["session_id"]
    added = await anna.post("/v1/memories", json=NOTE, headers=keyed("k"))
    assert (added.status_code, "idempotency-replayed" in added.headers) == (201, False)


async def test_after_a_day_the_key_is_free_again(bench: EngineBench, anna: httpx.AsyncClient, memory: str) -> None:
    async def change(content: str) -> httpx.Response:
        return await anna.patch(memory, json={"content": content}, headers=keyed("k"))

    assert (await change("I live in Berlin")).status_code == 200
    bench.clock.advance(seconds=DAY.total_seconds() - 1)
    assert (await change("I live in Rome")).status_code == 422
    bench.clock.advance(seconds=1)
    assert (await change("I live in Rome")).json()["content"] == "I live in Rome"


async def test_what_failed_may_be_tried_again_under_its_key(anna: httpx.AsyncClient, memory: str) -> None:
    wrong = await anna.post("/v1/memories", json={"content": ""}, headers=keyed("k"))
    assert wrong.status_code == 422
    assert (await anna.post("/v1/memories", json=NOTE, headers=keyed("k"))).status_code == 201
    assert (await anna.delete("/v1/memories/unknown", headers=keyed("d"))).status_code == 404
    assert (await anna.delete(memory, headers=keyed("e"))).status_code == 204


@pytest.mark.parametrize("key", ["", "a b", "ü", "x" * 256])
async def test_a_key_is_plain_and_short(anna: httpx.AsyncClient, key: str) -> None:
    refused = await anna.post("/v1/memories", json=NOTE, headers={"idempotency-key": key.encode()})  # type: ignore[dict-item]  # httpx takes bytes
    assert (refused.status_code, code_of(refused)) == (422, "invalid_input")
    assert (await told(anna))["memories"] == []


@pytest.mark.parametrize("path", ["/v1/chat", "/v1/chat/completions"])
async def test_a_stream_has_no_key(anna: httpx.AsyncClient, path: str) -> None:
    body = {**(MESSAGE if path == "/v1/chat" else COMPLETION), "stream": True}
    refused = await anna.post(path, json=body, headers=keyed("k"))
    assert refused.status_code == 422
    assert "resumable" in refused.text


async def test_a_search_is_done_each_time(anna: httpx.AsyncClient) -> None:
    await anna.post("/v1/memories", json=NOTE)
    for _ in range(2):
        found = await anna.post("/v1/memories/search", json={"query": "cello"}, headers=keyed("k"))
        assert "idempotency-replayed" not in found.headers
        assert found.json()["items"]


async def test_erasing_an_owner_erases_the_replies_too(
    engine: MemoryEngine, service: ServiceBench, anna: httpx.AsyncClient
) -> None:
    await anna.post("/v1/memories", json=NOTE, headers=keyed("k"))
    receipt = (await anna.delete("/v1/me")).json()
    assert receipt["ok"]
    assert {"replies": 1} in [store["removed"] for store in receipt["stores"]]
    async with service.bare(headers={"authorization": f"Bearer {await service.key('anna')}"}) as anew:
        again = await anew.post("/v1/memories", json=NOTE, headers=keyed("k"))
    assert (again.status_code, "idempotency-replayed" in again.headers) == (201, False)


async def test_a_store_that_cannot_keep_replies_refuses_before_anything_is_done(bench: EngineBench) -> None:
    engine = bench.engine()
    faulty = Faulty(engine._parts.replies)
    object.__setattr__(engine._parts, "replies", faulty)
    async with open_service(engine, llm=ScriptedLLM(reply_to)) as service:
        anna = await service.client("anna")
        faulty.faults["claim"] = Unavailable("down")
        refused = await anna.post("/v1/memories", json=NOTE, headers=keyed("k"))
        assert (refused.status_code, code_of(refused)) == (503, "store_unavailable")
        assert (await told(anna))["memories"] == []
        faulty.repair()
        faulty.faults["keep"] = Unavailable("down")
        assert (await anna.post("/v1/memories", json=NOTE, headers=keyed("k"))).status_code == 201


async def lost_before(replies: ReplyStore, point: str) -> Faulty:
    """Return the store as a process leaves it that is killed before it tells the outcome."""
    faulty = Faulty(replies)
    faulty.faults[point] = Unavailable("killed")
    return faulty


@pytest.mark.durable
@pytest.mark.parametrize(
    ("path", "body"), [("/v1/memories", NOTE), ("/v1/memories/batch", {"memories": [NOTE]}), ("/v1/chat", MESSAGE)]
)
async def test_a_process_that_ends_between_the_effect_and_the_reply_leaves_one_effect(
    bench: EngineBench, llm: ScriptedLLM, path: str, body: Any
) -> None:
    """The key stays taken for its lease; then the request is carried out again, and finds what it did."""
    killed = timed(bench.engine(), bench)
    object.__setattr__(killed._parts, "replies", await lost_before(killed._parts.replies, "keep"))  # type: ignore[arg-type]
    async with open_service(killed, llm=llm) as service:
        first = await (await service.client("anna")).post(path, json=body, headers=keyed("k"))
        assert first.is_success
    async with open_service(timed(bench.engine(), bench), llm=llm) as service:
        anna = await service.client("anna")
        early = await anna.post(path, json=body, headers=keyed("k"))
        assert (early.status_code, code_of(early)) == (409, "in_flight")
        seen = await told(anna)
        bench.clock.advance(seconds=LEASE_S)
        again = await anna.post(path, json=body, headers=keyed("k"))
        assert again.status_code == first.status_code
        assert await told(anna) == seen
        if path == "/v1/chat":
            assert {name: again.json()[name] for name in ("text", "turn_id", "message_id", "session_id", "usage")} == {
                name: first.json()[name] for name in ("text", "turn_id", "message_id", "session_id", "usage")
            }
            assert len(llm.prompts) == 1
        else:
            assert again.json() == first.json()
        assert (await anna.post(path, json=body, headers=keyed("k"))).headers["idempotency-replayed"] == "true"


@pytest.mark.durable
async def test_a_turn_whose_process_ends_before_the_answer_goes_on_behind_its_question(
    bench: EngineBench, llm: ScriptedLLM
) -> None:
    killed = timed(bench.engine(chats=Faulty), bench)
    chats: Any = killed._parts.chats
    chats.faults["put_messages"] = Unavailable("killed")
    object.__setattr__(killed._parts, "replies", await lost_before(killed._parts.replies, "keep"))  # type: ignore[arg-type]
    async with open_service(killed, llm=llm) as service:
        first = (await (await service.client("anna")).post("/v1/chat", json=MESSAGE, headers=keyed("k"))).json()
        assert first["degraded"]["persist"] == "store_unavailable"
    bench.clock.advance(seconds=LEASE_S)
    async with open_service(timed(bench.engine(), bench), llm=llm) as service:
        anna = await service.client("anna")
        again = (await anna.post("/v1/chat", json=MESSAGE, headers=keyed("k"))).json()
        assert (again["turn_id"], again["session_id"], again["degraded"]) == (
            *(first["turn_id"], first["session_id"]),
            {},
        )
        (messages,) = (await told(anna))["messages"]
        assert [(one["role"], one["seq"]) for one in messages] == [("user", 1), ("assistant", 2)]


async def test_a_client_that_goes_away_finds_its_reply(service: ServiceBench, anna: httpx.AsyncClient) -> None:
    entered, gate, done = asyncio.Event(), asyncio.Event(), asyncio.Event()
    send = service.services.chat.send

    async def slowly(*arguments: Any, **options: Any) -> Any:
        entered.set()
        await gate.wait()
        try:
            return await send(*arguments, **options)
        finally:
            done.set()

    service.services.chat.send = slowly  # type: ignore[method-assign]
    async with service.bare(headers={"authorization": f"Bearer {await service.key('anna')}"}) as leaving:
        asked = asyncio.create_task(leaving.post("/v1/chat", json=MESSAGE, headers=keyed("k")))
        await entered.wait()
        asked.cancel()
        await asyncio.wait((asked,))
    early = await anna.post("/v1/chat", json=MESSAGE, headers=keyed("k"))
    assert (early.status_code, code_of(early)) == (409, "in_flight")
    gate.set()
    await done.wait()
    await asyncio.wait([task for task in asyncio.all_tasks() if task.get_name() == "context0-keyed"] or [asked])
    again = await anna.post("/v1/chat", json=MESSAGE, headers=keyed("k"))
    assert again.headers["idempotency-replayed"] == "true"
