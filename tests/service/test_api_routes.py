"""The routes on every backend: what is sent arrives, what comes back is the design's. B4, B7, A9, S1."""

from collections.abc import AsyncIterator

import httpx
import orjson
import pytest

from context0.llm.scripted import ScriptedLLM
from context0.memory.engine import MemoryEngine
from context0.wire import ChatReply
from context0.wire.memories import MemoryList, MemoryRecord, ReceiptRecord, SearchReply
from context0.wire.sessions import MessageList, SessionList
from context0.wire.tasks import TaskList
from stores.records import IndexMark, MemoryId, Scope
from tests.chat_bench import reply_to
from tests.service_bench import ServiceBench, code_of, open_service


@pytest.fixture
async def service(engine: MemoryEngine) -> AsyncIterator[ServiceBench]:
    async with open_service(engine, llm=ScriptedLLM(reply_to)) as opened:
        yield opened


@pytest.fixture
async def anna(service: ServiceBench) -> httpx.AsyncClient:
    return await service.client("anna")


async def added(client: httpx.AsyncClient, content: str, **fields: object) -> MemoryRecord:
    response = await client.post("/v1/memories", json={"content": content, **fields})
    assert response.status_code == 201
    return MemoryRecord.model_validate_json(response.content)


async def test_a_memory_goes_through_all_its_routes(anna: httpx.AsyncClient) -> None:
    fields = {"speaker": "Anna", "tags": ["home"], "occurred_at": "2026-05-01T10:00:00+02:00", "metadata": {"a": [1]}}
    memory = await added(anna, "I moved to Munich", **fields)
    path = f"/v1/memories/{memory.id}"
    assert (memory.user_id, memory.speaker, memory.tags, memory.metadata) == ("anna", "Anna", ("home",), {"a": [1]})
    assert memory.occurred_at is not None
    assert memory.occurred_at.isoformat() == "2026-05-01T08:00:00+00:00"
    assert MemoryRecord.model_validate_json((await anna.get(path)).content) == memory
    changed = MemoryRecord.model_validate_json((await anna.patch(path, json={"content": "I moved to Berlin"})).content)
    assert (changed.content, changed.version) == ("I moved to Berlin", 2)
    versions = (await anna.get(f"{path}/history")).json()["items"]
    assert [one["content"] for one in versions] == ["I moved to Munich", "I moved to Berlin"]
    assert (await anna.delete(path)).status_code == 204
    for gone in (await anna.get(path), await anna.delete(path), await anna.get(f"{path}/history")):
        assert (gone.status_code, code_of(gone)) == (404, "not_found")


async def test_a_search_finds_and_pages(anna: httpx.AsyncClient) -> None:
    for number in range(5):
        await added(anna, f"the harp has {number} strings")
    seen: list[str] = []
    cursor = None
    while True:
        response = await anna.post("/v1/memories/search", json={"query": "harp strings", "limit": 2, "cursor": cursor})
        found = SearchReply.model_validate_json(response.content)
        seen += [item.memory.content for item in found.items]
        if (cursor := found.next_cursor) is None:
            break
    assert len(seen) == len(set(seen)) == 5
    assert found.degraded == ()


async def test_a_list_pages_and_is_narrowed(anna: httpx.AsyncClient) -> None:
    for number in range(3):
        await added(anna, f"note {number}", memory_type="working" if number else "semantic", speaker=f"s{number}")
    first = MemoryList.model_validate_json((await anna.get("/v1/memories", params={"limit": 2})).content)
    rest = await anna.get("/v1/memories", params={"limit": 2, "cursor": first.next_cursor})
    assert [one["content"] for one in rest.json()["items"]] == ["note 0"]
    working = await anna.get("/v1/memories", params={"memory_type": "working"})
    assert len(working.json()["items"]) == 2
    spoken = await anna.get("/v1/memories", params={"filters": '{"speaker": "s1"}'})
    assert [one["content"] for one in spoken.json()["items"]] == ["note 1"]


async def test_many_are_added_at_once_and_come_back_in_order(anna: httpx.AsyncClient) -> None:
    sent = [{"content": f"note {number}", "tags": [str(number)]} for number in range(20)]
    response = await anna.post("/v1/memories/batch", json={"memories": sent})
    assert response.status_code == 201
    assert [one["content"] for one in response.json()["items"]] == [one["content"] for one in sent]


async def test_an_idempotency_key_is_one_memory_of_one_user(service: ServiceBench, anna: httpx.AsyncClient) -> None:
    key = {"idempotency-key": "k1"}
    sent = {"content": "once"}
    first, again = [(await anna.post("/v1/memories", json=sent, headers=key)).json()["id"] for _ in range(2)]
    assert first == again
    other = await anna.post("/v1/memories", json={"content": "something else"}, headers=key)
    assert (other.status_code, code_of(other)) == (422, "idempotency_mismatch")
    ben = await service.client("ben")
    assert (await ben.post("/v1/memories", json=sent, headers=key)).json()["id"] != first
    both = await anna.post("/v1/memories", json={**sent, "idempotency_key": "k2"}, headers=key)
    assert both.status_code == 422


async def test_given_up_work_is_listed_tried_again_and_dropped(service: ServiceBench, anna: httpx.AsyncClient) -> None:
    """A11"""
    memories = [await added(anna, f"note {number}") for number in range(3)]
    ids = [memory.id for memory in memories]
    engine = service.services.engine

    async def given_up(number: int) -> None:
        mark = IndexMark(MemoryId(ids[number]), 1, "failed", attempts=12, reason="embedding_invalid")
        assert await engine._parts.documents.mark([mark], scope=Scope(owner="anna")) == 1

    for number in range(3):
        await given_up(number)
    first = TaskList.model_validate_json((await anna.get("/v1/tasks", params={"limit": 2})).content)
    rest = await anna.get("/v1/tasks", params={"cursor": first.next_cursor})
    assert [one.memory_id for one in first.items] + [one["memory_id"] for one in rest.json()["items"]] == sorted(ids)
    assert (first.items[0].reason, first.items[0].attempts, first.pending) == ("embedding_invalid", 12, 0)
    path = f"/v1/tasks/{ids[0]}"
    assert (await anna.post(f"{path}/retry")).json() == {"count": 1}
    for again in (await anna.post(f"{path}/retry"), await anna.delete(path), await anna.delete("/v1/tasks/nothing")):
        assert (again.status_code, code_of(again)) == (404, "not_found")
    await engine.flush()
    assert (await anna.get(f"/v1/memories/{ids[0]}")).json()["index"]["state"] == "done"
    assert (await anna.delete(f"/v1/tasks/{ids[1]}")).json() == {"count": 1}
    assert (await anna.delete("/v1/tasks")).json() == {"count": 1}
    assert (await anna.get("/v1/tasks")).json() == {"items": [], "next_cursor": None, "pending": 0}
    await given_up(2)
    assert (await anna.post("/v1/tasks/retry")).json() == {"count": 1}
    assert [(await anna.get(f"/v1/memories/{one}")).status_code for one in ids] == [200] * 3


async def test_a_chat_answers_and_its_session_can_be_read_renamed_and_deleted(anna: httpx.AsyncClient) -> None:
    response = await anna.post("/v1/chat", json={"message": "I live in Munich"})
    reply = ChatReply.model_validate_json(response.content)
    assert (response.status_code, reply.text, reply.state) == (200, "You said: I live in Munich", "complete")
    path = f"/v1/sessions/{reply.session_id}"
    sessions = SessionList.model_validate_json((await anna.get("/v1/sessions")).content)
    assert [one.id for one in sessions.items] == [reply.session_id]
    messages = MessageList.model_validate_json((await anna.get(f"{path}/messages")).content)
    assert [(one.role, one.content) for one in messages.items] == [
        ("user", "I live in Munich"),
        ("assistant", reply.text),
    ]
    assert (await anna.patch(path, json={"title": "Home"})).json()["title"] == "Home"
    assert (await anna.get(path)).json()["title"] == "Home"
    assert (await anna.delete(path)).status_code == 204
    assert (await anna.get(path)).status_code == 404
    assert (await anna.post("/v1/chat", json={"message": "x", "session_id": reply.session_id})).status_code == 404


async def test_a_mode_is_set_for_all_and_for_a_session(anna: httpx.AsyncClient) -> None:
    session_id = (await anna.post("/v1/chat", json={"message": "hello there"})).json()["session_id"]
    assert (await anna.get("/v1/mode")).json() == {"mode": "normal", "session_id": None}
    assert (await anna.put("/v1/mode", json={"mode": "redact"})).json()["mode"] == "redact"
    told = await anna.put("/v1/mode", json={"mode": "off_record", "session_id": session_id})
    assert told.json() == {"mode": "off_record", "session_id": session_id}
    assert (await anna.get("/v1/mode", params={"session_id": session_id})).json()["mode"] == "off_record"
    assert (await anna.put("/v1/mode", json={"mode": None})).json()["mode"] == "normal"
    assert (await anna.get("/v1/mode", params={"session_id": "unknown"})).status_code == 404


async def test_a_contradiction_is_listed_and_settled_once(anna: httpx.AsyncClient) -> None:
    for text in ("My favourite colour is blue", "My favourite colour is green"):
        await anna.post("/v1/chat", json={"message": text})
    decisions = (await anna.get("/v1/decisions")).json()["items"]
    for one in decisions:
        settled = await anna.post(f"/v1/decisions/{one['id']}", json={"ruling": "keep_new"})
        assert (settled.status_code, settled.json()["state"]) == (200, "kept_new")
        again = await anna.post(f"/v1/decisions/{one['id']}", json={"ruling": "undo"})
        assert (again.status_code, code_of(again)) == (409, "conflict")
    assert (await anna.get("/v1/decisions")).json()["items"] == []
    assert (await anna.post("/v1/decisions/unknown", json={"ruling": "undo"})).status_code == 404


async def test_everything_can_be_taken_along_and_erased(anna: httpx.AsyncClient) -> None:
    await added(anna, "I play the harp")
    await anna.post("/v1/chat", json={"message": "hello there"})
    exported = [orjson.loads(line) for line in (await anna.get("/v1/me/export")).content.splitlines()]
    kinds = [line["kind"] for line in exported]
    assert kinds[-1] == "end"
    counts = {kind: kinds.count(kind) for kind in ("memory", "session", "message", "decision")}
    assert exported[-1]["record"] == counts
    assert (counts["session"], counts["message"]) == (1, 2)
    kept = await anna.delete("/v1/me", params={"keep_keys": "true"})
    receipt = ReceiptRecord.model_validate_json(kept.content)
    assert (receipt.ok, receipt.user_id) == (True, "anna")
    left = [orjson.loads(line)["kind"] for line in (await anna.get("/v1/me/export")).content.splitlines()]
    assert left == ["end"]
    assert (await anna.delete("/v1/me")).json()["ok"] is True
    assert (await anna.get("/v1/me")).status_code == 401, "the keys end with their user"


async def test_each_request_is_timed_once_under_its_route(service: ServiceBench, anna: httpx.AsyncClient) -> None:
    memory = await added(anna, "I play the harp")
    await anna.get(f"/v1/memories/{memory.id}")
    await anna.get("/nowhere")
    told = [(one.method, one.route, one.status) for one in service.outcomes]
    assert told == [("POST", "/v1/memories", 201), ("GET", "/v1/memories/{memory_id}", 200), ("GET", "", 404)]
    assert all(one.first_byte_s is not None and 0 < one.first_byte_s <= one.seconds for one in service.outcomes)


async def test_health_needs_no_key_and_readiness_asks_the_store(service: ServiceBench) -> None:
    async with service.bare() as client:
        assert (await client.get("/healthz")).json()["status"] == "ok"
        assert (await client.get("/readyz")).status_code == 200
        service.services.turns.stop()
        assert (await client.get("/healthz")).status_code == 200
        stopping = await client.get("/readyz")
        assert (stopping.status_code, stopping.json()["status"]) == (503, "stopping")
        refused = await client.get("/v1/memories")
        assert (refused.status_code, code_of(refused), refused.headers["retry-after"]) == (503, "stopping", "1")
