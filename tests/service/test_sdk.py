"""The clients against `context0 serve`, a process of its own: every route, streams, cuts, owners (B7)."""

import asyncio
import itertools
import random
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest

from context0 import AsyncContext0Client, Context0Client
from context0.sdk import chat_calls, memory_calls, owner_calls, task_calls
from context0.sdk.async_courier import AsyncChatStream
from context0.sdk.errors import (
    Conflict,
    Forbidden,
    IdempotencyMismatch,
    InvalidInput,
    NotFound,
    StreamCut,
    Unauthorized,
    Unreachable,
    WrongOwner,
)
from context0.sdk.importing import ImportParts
from context0.sdk.options import MemoryFields
from context0.sdk.retrying import RetryRule
from context0.wire import ChatEvent, DoneEvent, MemoryWrittenEvent, TokenEvent
from tests.command_line import ROOT
from tests.fault_proxy import cut, fault_proxy
from tests.loopback_llm import LoopbackLLM, Reply, loopback_llm
from tests.served_process import Served, served

if TYPE_CHECKING:
    from context0.sdk.requests import Call

WORDS: Final = tuple(f"word{number} " for number in range(20))
TURNS: Final = 25
FIELDS: Final[MemoryFields] = {"speaker": "Anna", "tags": ["home"], "occurred_at": "2026-05-04T18:30:00+02:00"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("service")) as running:
        yield running


@pytest.fixture
def client(service: Served, request: pytest.FixtureRequest) -> Iterator[Context0Client]:
    with Context0Client(service.url, service.key(request.node.name), timeout_s=20) as made:
        yield made


def test_a_memory_goes_through_all_its_routes(client: Context0Client) -> None:
    memory = client.memories.add("I moved to Munich in May", **FIELDS)
    assert memory.occurred_at is not None
    assert (memory.tags, memory.occurred_at.isoformat()) == (("home",), "2026-05-04T16:30:00+00:00")
    assert client.memories.get(memory.id) == memory
    assert client.memories.add("I moved to Munich in May", **FIELDS) == memory  # so an add may be repeated
    found = client.memories.search("where does Anna live?", limit=1)
    assert (found.items[0].memory.id, found.degraded) == (memory.id, ())
    changed = client.memories.update(memory.id, content="I moved to Graz in May", metadata={"sure": True})
    assert (changed.content, changed.version, changed.metadata) == ("I moved to Graz in May", 2, {"sure": True})
    assert [one.content for one in client.memories.history(memory.id)] == [memory.content, changed.content]
    client.memories.delete(memory.id)
    for gone in (client.memories.get, client.memories.delete, client.memories.history):
        with pytest.raises(NotFound):
            gone(memory.id)


def test_many_memories_are_kept_in_order_and_walked_in_pages(client: Context0Client) -> None:
    stored = client.memories.add_many([{"content": f"note {number}", "speaker": "Ben"} for number in range(250)])
    assert [one.content for one in stored] == [f"note {number}" for number in range(250)]
    assert [one.id for one in client.memories.iterate()] == [one.id for one in reversed(stored)]
    page = client.memories.list(limit=3, filters={"speaker": "Ben"}, memory_types=["semantic"])
    rest = client.memories.list(
        limit=1_000, cursor=page.next_cursor, filters={"speaker": "Ben"}, memory_types=["semantic"]
    )
    assert len(page.items) + len(rest.items) == 250
    assert list(client.memories.iterate(filters={"speaker": "Anna"})) == []


def test_a_key_of_the_callers_stands_for_one_memory_and_for_no_other(client: Context0Client) -> None:
    first, again = (client.memories.add("tea", idempotency_key="order-1").id for _ in range(2))
    assert first == again
    with pytest.raises(IdempotencyMismatch):
        client.memories.add("coffee", idempotency_key="order-1")


def test_a_conversation_goes_through_all_its_routes(client: Context0Client) -> None:
    client.memories.add("I live in Munich", speaker="Anna")
    events = list(client.chat.stream("Where do I live?"))
    done = next(event for event in events if isinstance(event, DoneEvent))
    assert done.text == "".join(event.text for event in events if isinstance(event, TokenEvent))
    assert done.session_id is not None
    reply = client.chat.send("And where is that?", session_id=done.session_id)
    assert (reply.session_id, reply.state) == (done.session_id, "complete")
    assert [one.id for one in client.sessions.iterate()] == [done.session_id]
    assert client.sessions.rename(done.session_id, "Home").title == client.sessions.get(done.session_id).title == "Home"
    page = client.sessions.messages(done.session_id, limit=3)
    assert [one.seq for one in page.items] == sorted(one.seq for one in page.items)
    everything = list(client.sessions.iterate_messages(done.session_id))
    assert [one.seq for one in everything] == [4, 3, 2, 1]
    client.sessions.delete(done.session_id)
    with pytest.raises(NotFound):
        client.sessions.get(done.session_id)


def test_modes_and_decisions_are_read_and_set(client: Context0Client) -> None:
    assert client.mode.get().mode == "normal"
    assert client.mode.set("off_record").mode == client.mode.get().mode == "off_record"
    assert client.mode.set(None).mode == "normal"
    assert client.decisions.list().items == tuple(client.decisions.iterate(pending=False))
    with pytest.raises(NotFound):
        client.decisions.decide("nothing", "undo")
    with pytest.raises(NotFound):
        client.mode.get("nothing")


def test_a_contradiction_is_told_and_settled_once(client: Context0Client) -> None:
    client.chat.send("I am allergic to nuts.")
    written = [one for one in client.chat.stream("I am not allergic to nuts.") if isinstance(one, MemoryWrittenEvent)]
    (decision_id,) = written[-1].decisions
    (waiting,) = client.decisions.iterate()
    assert (waiting.id, waiting.old, waiting.new) == (
        decision_id,
        "I am allergic to nuts.",
        "I am not allergic to nuts.",
    )
    assert client.decisions.decide(decision_id, "undo").state == "undone"
    assert [one.content for one in client.memories.iterate()] == ["I am allergic to nuts."]
    with pytest.raises(Conflict):
        client.decisions.decide(decision_id, "keep_new")


def test_everything_is_exported_and_erased(client: Context0Client) -> None:
    client.memories.add_many([{"content": f"note {number}"} for number in range(30)])
    client.chat.send("What did I note?")
    kinds = [one.kind for one in client.me.export()]
    assert (kinds.count("memory"), kinds.count("session"), kinds.count("message")) == (30, 1, 2)
    assert len(list(client.memories.export())) == 30
    receipt = client.me.erase(keep_keys=True)
    assert (receipt.ok, len(receipt.signature)) == (True, 64)
    assert list(client.me.export()) == []
    assert client.me.erase().ok
    with pytest.raises(Unauthorized):
        client.me.erase()


def test_a_program_that_used_mem0_goes_on(service: Served) -> None:
    with Context0Client(service.url, service.key("alex")) as client:
        messages = [
            {"role": "user", "content": "I am a vegetarian and allergic to nuts."},
            {"role": "assistant", "content": "I will remember that."},
        ]
        added = client.add(messages, user_id="alex", run_id="trip", metadata={"topic": "food"})
        found = client.search("What can I not eat?", user_id="alex", limit=1)
        assert found["results"][0]["id"] == added["results"][0]["id"]
        assert found["results"][0]["score"] > 0
        memory_id = added["results"][0]["id"]
        assert len(client.get_all(user_id="alex", filters={"topic": "food"})["results"]) == 2
        client.update(memory_id, text="I eat everything.")
        assert [one["event"] for one in client.history(memory_id)] == ["ADD", "UPDATE"]
        assert client.get(memory_id)["memory"] == "I eat everything."
        client.add("I like mountains", user_id="alex", run_id="other")
        client.delete_all(run_id="trip")
        assert [one["memory"] for one in client.get_all(user_id="alex")["results"]] == ["I like mountains"]
        with pytest.raises(WrongOwner):
            client.add("not mine", user_id="anna")
        client.delete_all(user_id="alex")
        assert client.get_all()["results"] == []


def test_another_users_memory_is_not_there(service: Served) -> None:
    with Context0Client(service.url, service.key("one")) as one, Context0Client(service.url, service.key("two")) as two:
        memory = one.memories.add("my secret")
        for attempt in (two.memories.get, two.memories.delete, two.memories.history):
            with pytest.raises(NotFound):
                attempt(memory.id)
        assert list(two.memories.iterate()) == []
        assert two.memories.search("my secret").items == ()


def test_what_is_wrong_is_told_by_type_and_with_the_requests_id(service: Served, client: Context0Client) -> None:
    with Context0Client(service.url) as nobody, pytest.raises(Unauthorized) as refused:
        nobody.memories.list()
    assert (refused.value.code, refused.value.status) == ("unauthorized", 401)
    assert refused.value.request_id
    for use in (
        lambda: client.memories.add(""),
        lambda: client.memories.search("x", filters={"owner": "anna"}),
        lambda: client.memories.list(cursor="forged"),
        lambda: client.memories.add("x", speaker=7),  # type: ignore[arg-type]
        lambda: client.memories.update("x", owner="anna"),  # type: ignore[call-arg]
    ):
        with pytest.raises((InvalidInput, NotFound)):
            use()
    with Context0Client("http://127.0.0.1:9", timeout_s=2, retries=0) as away, pytest.raises(Unreachable):
        away.health()
    with pytest.raises(Forbidden, match="--operator"):
        client.performance()
    with Context0Client(service.url, service.key("watcher", "--operator")) as operator:
        assert "/v1/memories" in str(operator.performance())
    with Context0Client(service.url) as public:
        assert (public.health().status, public.ready().status) == ("ok", "ok")


async def test_many_callers_share_an_asynchronous_client(service: Served) -> None:
    async with AsyncContext0Client(service.url, service.key("many")) as client:
        async with asyncio.TaskGroup() as group:
            for number in range(60):
                group.create_task(client.memories.add(f"note {number}"))
        assert len([one async for one in client.memories.iterate()]) == 60


async def test_an_addition_whose_answer_is_lost_is_one_memory(service: Served) -> None:
    """Each connection is cut after one to four answers; what was not told is sent again."""
    chance = random.Random(11)
    key = await asyncio.to_thread(service.key, "cut")
    rule = RetryRule(retries=9, first_wait_s=0.01, reserve=1_000)
    async with fault_proxy(service.port, (cut(chance.randint(1, 4_000)) for _ in itertools.count())) as proxy:
        async with AsyncContext0Client(f"http://127.0.0.1:{proxy.port}", key, retries=rule) as client:
            told = [(await client.memories.add(f"note {number}")).id for number in range(150)]
            for memory_id in told[100:]:
                await client.memories.delete(memory_id)
        assert proxy.cut > 50
    async with AsyncContext0Client(service.url, key) as direct:
        assert [one.id async for one in direct.memories.iterate()] == told[99::-1]


def test_every_route_of_the_service_has_its_method(client: Context0Client) -> None:
    """But OpenAI's, which have OpenAI's client, and the page for Prometheus."""
    calls: list[Call[Any]] = [
        *(memory_calls.add("x", {}), memory_calls.add_many([]), memory_calls.page(1, None, {})),
        *(memory_calls.search("x", 1, None, {}), memory_calls.get("ID"), memory_calls.change("ID", {})),
        *(
            memory_calls.delete("ID"),
            memory_calls.history("ID"),
            chat_calls.send("x", {}),
            chat_calls.sessions(1, None),
        ),
        *(chat_calls.session("ID"), chat_calls.rename("ID", "x"), chat_calls.delete_session("ID")),
        *(chat_calls.messages("ID", 1, None), chat_calls.decisions(1, None, pending=True)),
        *(chat_calls.decide("ID", "undo"), chat_calls.get_mode(None), chat_calls.set_mode(None, None)),
        *(
            owner_calls.health(),
            owner_calls.ready(),
            owner_calls.owner(),
            owner_calls.erase(),
            owner_calls.audit(1, None),
            owner_calls.performance(),
        ),
    ]
    calls += [task_calls.page(1, None), task_calls.retry("ID"), task_calls.retry_all()]
    calls += [task_calls.drop("ID"), task_calls.drop_all()]
    calls += [memory_calls.quarantined(1, None), memory_calls.release("ID"), memory_calls.delete_source("x", None)]
    parts = ImportParts()
    parts.put({"content": "x"})
    imported = parts.rest()
    assert imported is not None
    calls.append(imported)
    requests = [*(one.request for one in calls), chat_calls.follow("ID", None), owner_calls.export()]
    setup = client._courier.setup
    openapi = httpx.get(f"{setup.addresses.urls[0]}/openapi.json", auth=setup.auth).json()
    served_routes = {
        (method.upper(), re.sub(r"\{\w+\}", "ID", path)) for path, one in openapi["paths"].items() for method in one
    }
    others = {("POST", "/v1/chat/completions"), ("GET", "/v1/models"), ("GET", "/metrics")}
    assert {(one.method, one.path) for one in requests} == served_routes - others


def test_the_client_loads_nothing_of_the_server() -> None:
    probe = "import sys, context0; context0.Context0Client; context0.AsyncContext0Client; print(*sys.modules)"
    told = subprocess.run(
        [sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    loaded = {name.partition(".")[0] for name in told.stdout.split()}
    assert loaded & {"stores", "numpy", "apsw", "fastapi", "uvicorn", "openai", "pymongo"} == set()
    inner = {".".join(name.split(".")[:2]) for name in told.stdout.split() if name.startswith("context0.")}
    assert inner == {"context0.errors", "context0.retry_budget", "context0.sdk", "context0.wire"}


async def _read_into(told: list[ChatEvent], stream: AsyncChatStream) -> None:
    async for event in stream:
        told.append(event)  # noqa: PERF401 - what came before the cut is kept


# --- a model that speaks slowly enough to be cut


@pytest.fixture
async def llm() -> AsyncIterator[LoopbackLLM]:
    async with loopback_llm(Reply(tokens=WORDS, interval_s=0.005)) as server:
        yield server


@pytest.fixture
async def talking(llm: LoopbackLLM, tmp_path: Path) -> AsyncIterator[Served]:
    settings = {"llm_provider": "openai", "llm_model": "stub", "llm_base_url": llm.base_url, "chat_extraction": "rules"}
    async with AsyncExitStack() as stack:
        running = served(tmp_path, **settings)
        entered = await asyncio.to_thread(running.__enter__)
        stack.push_async_callback(asyncio.to_thread, running.__exit__, None, None, None)
        yield entered


async def test_every_token_comes_once_whatever_is_cut(talking: Served, llm: LoopbackLLM) -> None:
    """Each turn is cut at two random places; 50 cuts in all."""
    chance = random.Random(7)
    key = await asyncio.to_thread(talking.key, "anna")
    rule = RetryRule(first_wait_s=0.01)
    for _ in range(TURNS):
        cuts = [cut(chance.randint(700, 2_500)), cut(chance.randint(400, 1_500))]
        async with fault_proxy(talking.port, cuts) as proxy:
            url = f"http://127.0.0.1:{proxy.port}"
            async with AsyncContext0Client(url, key, retries=rule) as client:
                events = [event async for event in client.chat.stream("talk to me", resumable=True)]
            assert proxy.cut == 2
        assert [event.text for event in events if isinstance(event, TokenEvent)] == list(WORDS)
        assert [kind for kind, _ in itertools.groupby(event.type for event in events)][:5] == [
            *("session", "privacy", "memories", "token", "done")
        ]
    assert llm.calls == TURNS


async def test_the_other_client_takes_a_cut_stream_up_as_well(talking: Served) -> None:
    key = await asyncio.to_thread(talking.key, "anna")
    async with fault_proxy(talking.port, [cut(1_200)]) as proxy:
        with Context0Client(f"http://127.0.0.1:{proxy.port}", key) as client:
            stream = client.chat.stream("talk to me", resumable=True)
            events = await asyncio.to_thread(list, stream)
    assert [event.text for event in events if isinstance(event, TokenEvent)] == list(WORDS)


async def test_a_cut_turn_that_is_not_resumable_says_so_and_its_rest_can_be_read(talking: Served) -> None:
    key = await asyncio.to_thread(talking.key, "anna")
    told: list[ChatEvent] = []
    async with (
        fault_proxy(talking.port, [cut(1_200)]) as proxy,
        AsyncContext0Client(f"http://127.0.0.1:{proxy.port}", key) as client,
    ):
        with pytest.raises(StreamCut) as broken:
            await _read_into(told, client.chat.stream("talk to me"))
        assert broken.value.turn_id is not None
        rest = [event async for event in client.chat.resume(broken.value.turn_id, broken.value.last_event_id)]
    assert rest[-1].type == "error"
    tokens = [event.text for event in (*told, *rest) if isinstance(event, TokenEvent)]
    assert tokens == list(WORDS[: len(tokens)])


async def test_closing_a_stream_ends_the_call_of_the_model(talking: Served, llm: LoopbackLLM) -> None:
    llm.otherwise = Reply(tokens=WORDS, then="hang")
    key = await asyncio.to_thread(talking.key, "anna")
    async with AsyncContext0Client(talking.url, key) as client:
        events = client.chat.stream("talk to me")
        while not isinstance(await anext(events), TokenEvent):
            pass
        await events.aclose()
        await llm.until(lambda: llm.cancelled == 1, within_s=1)


async def test_a_stream_may_be_silent_longer_than_a_call_may_take(talking: Served, llm: LoopbackLLM) -> None:
    llm.otherwise = Reply(tokens=WORDS[:3], interval_s=0.6)
    key = await asyncio.to_thread(talking.key, "anna")
    with Context0Client(talking.url, key, timeout_s=0.5) as client:
        events = await asyncio.to_thread(list, client.chat.stream("talk to me"))
    async with AsyncContext0Client(talking.url, key, timeout_s=0.5) as awaited:
        also = [event async for event in awaited.chat.stream("talk to me")]
    for told in (events, also):
        assert [event.text for event in told if isinstance(event, TokenEvent)] == list(WORDS[:3])


async def test_a_turn_is_followed_by_somebody_else_with_the_same_key(talking: Served, llm: LoopbackLLM) -> None:
    key = await asyncio.to_thread(talking.key, "anna")
    async with AsyncContext0Client(talking.url, key) as client:
        stream = client.chat.stream("talk to me", resumable=True)
        first = await anext(stream)
        await stream.aclose()
        assert stream.turn_id is not None
        rest = [event async for event in client.chat.resume(stream.turn_id, stream.last_event_id)]
        assert first.type == "session"
        assert [event.text for event in rest if isinstance(event, TokenEvent)] == list(WORDS)
        other = AsyncContext0Client(talking.url, await asyncio.to_thread(talking.key, "ben"))
        async with other:
            with pytest.raises(NotFound):
                await anext(other.chat.resume(stream.turn_id))
