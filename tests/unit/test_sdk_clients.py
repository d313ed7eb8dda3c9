"""Both clients over a transport that is a function: the same methods, one core, keys shown nowhere (B10, S14)."""

import asyncio
import inspect
import json
import pickle
import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Final

import httpx
import pytest

from context0 import AsyncContext0Client, Context0Client
from context0.sdk import async_resources, resources
from context0.sdk.errors import (
    ClientClosed,
    InvalidInput,
    NoAnswer,
    NotFound,
    StreamCut,
    Unauthorized,
    Unreachable,
    Unreadable,
)
from context0.sdk.retrying import RetryRule

KEY: Final = "c0_0123456789ab_very-secret-part"
URL: Final = "http://memory.example/base"
PAIRS: Final = (
    (Context0Client, AsyncContext0Client),
    *(
        (getattr(resources, name), getattr(async_resources, f"Async{name}"))
        for name in ("Memories", "Chat", "Sessions", "Decisions", "PrivacyMode", "Tasks", "Me")
    ),
)
MEMORY: Final = {
    "id": "m1",
    "user_id": "anna",
    "content": "tea",
    "created_at": "2026-05-01T00:00:00Z",
    "updated_at": "2026-05-01T00:00:00Z",
}
AT_ONCE: Final = RetryRule(first_wait_s=0.0)
TURN: Final = (
    'id: t1:0\ndata: {"type": "session", "session_id": "s1", "turn_id": "t1"}\n\n',
    'id: t1:1\ndata: {"type": "token", "text": "Munich"}\n\n',
    'id: t1:2\ndata: {"type": "done", "text": "Munich", "session_id": "s1", "turn_id": "t1"}\n\n',
)
Handler = Callable[[httpx.Request], httpx.Response]


def sync_client(handler: Handler, **options: Any) -> Context0Client:
    http = httpx.Client(transport=httpx.MockTransport(handler))
    return Context0Client(URL, KEY, http_client=http, retries=AT_ONCE, **options)


def async_client(handler: Handler, **options: Any) -> AsyncContext0Client:
    http = httpx.AsyncClient(transport=httpx.MockTransport(handler))
    return AsyncContext0Client(URL, KEY, http_client=http, retries=AT_ONCE, **options)


async def both(handler: Handler, use: Callable[[Any], Any]) -> list[Any]:
    """Return what a use of a client gives, by either client."""
    with sync_client(handler) as client:
        first = use(client)
    async with async_client(handler) as awaited:
        return [first, await use(awaited)]


def public(kind: type) -> dict[str, Any]:
    names = {"close": "aclose"}
    return {names.get(name, name): item for name, item in vars(kind).items() if not name.startswith("_")}


@pytest.mark.parametrize(("sync", "awaited"), PAIRS, ids=lambda kind: kind.__name__)
def test_both_clients_have_the_same_methods_and_say_the_same_of_them(sync: type, awaited: type) -> None:
    ours, theirs = public(sync), public(awaited)
    assert set(ours) == set(theirs)
    for name, method in ours.items():
        twin = theirs[name]
        assert inspect.signature(method).parameters == inspect.signature(twin).parameters, name
        assert method.__doc__ == twin.__doc__, name
        assert method.__doc__, name
    initial = [inspect.signature(kind.__init__).parameters for kind in (sync, awaited)]  # type: ignore[misc]
    assert [*initial[0]] == [*initial[1]]


def test_mem0s_verbs_have_mem0s_names() -> None:
    for name, first in {
        "add": "messages",
        "search": "query",
        "get": "memory_id",
        "get_all": "user_id",
        "update": "memory_id",
        "delete": "memory_id",
        "delete_all": "user_id",
        "history": "memory_id",
    }.items():
        parameters = [*inspect.signature(getattr(Context0Client, name)).parameters]
        assert parameters[1] == first


async def test_a_request_goes_to_its_route_with_the_key_in_its_header() -> None:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(201, json=MEMORY)

    memories = await both(handler, lambda client: client.memories.add("tea", tags=["drink"]))
    assert [one.id for one in memories] == ["m1", "m1"]
    for request in seen:
        assert (request.method, str(request.url)) == ("POST", f"{URL}/v1/memories")
        assert request.headers["authorization"] == f"Bearer {KEY}"
        assert request.headers["content-type"] == "application/json"
        assert json.loads(request.content) == {"content": "tea", "tags": ["drink"]}
    assert KEY not in "".join(str(request.url) for request in seen)


async def test_given_up_work_is_asked_for_by_its_routes() -> None:
    """A11"""
    seen: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(f"{request.method} {request.url.path.removeprefix('/base')}?{request.url.query.decode()}")
        if request.method == "GET":
            cursor = None if b"cursor" in request.url.query else "c"
            item = {"memory_id": "m1", "reason": "worker_lost", "attempts": 5, "failed_at": None}
            return httpx.Response(200, json={"items": [item], "next_cursor": cursor, "pending": 2})
        return httpx.Response(200, json={"count": 3})

    with sync_client(handler) as client:
        assert client.tasks.list(limit=5).pending == 2
        assert [one.memory_id for one in client.tasks.iterate()] == ["m1", "m1"]
        client.tasks.retry("m/1")
        client.tasks.drop("m1")
        assert (client.tasks.retry_all(), client.tasks.drop_all()) == (3, 3)
        with pytest.raises(InvalidInput):
            client.tasks.drop("")
    asked, seen = seen, []
    async with async_client(handler) as client:
        assert (await client.tasks.list(limit=5)).pending == 2
        assert [one.memory_id async for one in client.tasks.iterate()] == ["m1", "m1"]
        await client.tasks.retry("m/1")
        await client.tasks.drop("m1")
        assert (await client.tasks.retry_all(), await client.tasks.drop_all()) == (3, 3)
    assert asked == seen
    assert seen == [
        "GET /v1/tasks?limit=5",
        *("GET /v1/tasks?limit=100", "GET /v1/tasks?limit=100&cursor=c"),
        *("POST /v1/tasks/m/1/retry?", "DELETE /v1/tasks/m1?", "POST /v1/tasks/retry?", "DELETE /v1/tasks?"),
    ]


async def test_a_key_is_shown_nowhere() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/m2"):
            raise httpx.ReadError("broken", request=request)
        return httpx.Response(401, json={"error": {"code": "unauthorized", "message": "no", "request_id": "r"}})

    with sync_client(handler) as client:
        shown = [repr(client), str(client), repr(client._courier.setup), repr(client.memories)]
        for memory_id, kind in (("m1", Unauthorized), ("m2", NoAnswer)):
            with pytest.raises(kind) as raised:
                client.memories.get(memory_id)
            told = traceback.TracebackException.from_exception(raised.value, capture_locals=True)
            shown += [repr(raised.value), "".join(told.format())]
    assert [text for text in shown if "secret" in text] == []
    for wrong in (f"{KEY}\n", f"{KEY} x", 7, ""):
        with pytest.raises(InvalidInput, match="api_key") as refused:
            Context0Client(URL, wrong)  # type: ignore[arg-type]
        assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "options", [{"timeout_s": 0}, {"timeout_s": float("nan")}, {"timeout_s": True}, {"retries": -1}]
)
def test_an_option_that_makes_no_sense_is_refused(options: dict[str, Any]) -> None:
    for kind in (Context0Client, AsyncContext0Client):
        with pytest.raises(InvalidInput, match=next(iter(options))):
            kind(URL, **options)


async def test_a_client_of_the_other_kind_is_refused() -> None:
    async with httpx.AsyncClient() as http:
        with pytest.raises(InvalidInput, match="http_client"):
            Context0Client(URL, http_client=http)  # type: ignore[arg-type]
    with httpx.Client() as blocking, pytest.raises(InvalidInput, match="http_client"):
        AsyncContext0Client(URL, http_client=blocking)  # type: ignore[arg-type]


async def test_only_what_was_made_here_is_closed_and_twice_is_harmless() -> None:
    with httpx.Client() as http:
        client = Context0Client(URL, http_client=http)
        client.close()
        assert not http.is_closed
        with pytest.raises(ClientClosed):
            client.health()
    client = Context0Client(URL)
    client.close()
    client.close()
    assert client._courier._http.is_closed
    awaited = AsyncContext0Client(URL)
    await awaited.aclose()
    await awaited.aclose()
    assert awaited._courier._http.is_closed
    with pytest.raises(ClientClosed):
        await awaited.health()


async def test_a_lost_answer_is_asked_for_again_and_a_turn_is_not() -> None:
    asked: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        if len(asked) % 3:
            raise httpx.ReadError("broken", request=request)
        return httpx.Response(200, json=MEMORY)

    assert len(await both(handler, lambda client: client.memories.get("m1"))) == 2
    assert len(asked) == 6
    with sync_client(handler) as client, pytest.raises(NoAnswer) as raised:
        client.chat.send("hi")
    assert len(asked) == 7
    assert raised.value.request_id is not None


async def test_a_service_that_is_not_there_is_told_as_such() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    uses: tuple[Callable[[Any], Any], ...] = (lambda it: it.chat.send("hi"), lambda it: it.memories.get("m1"))
    for use in uses:
        with sync_client(handler) as client, pytest.raises(Unreachable):
            use(client)
        async with async_client(handler) as awaited:
            with pytest.raises(Unreachable):
                await use(awaited)


async def test_a_redirection_is_not_followed_since_the_key_would_go_with_it() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        assert request.url.host == "memory.example"
        return httpx.Response(302, headers={"location": "http://elsewhere.example/"})

    with sync_client(handler) as client, pytest.raises(Unreadable, match="base_url"):
        client.memories.get("m1")


async def test_a_listing_is_walked_page_by_page_as_it_is_read() -> None:
    asked: list[str | None] = []

    def handler(request: httpx.Request) -> httpx.Response:
        cursor = request.url.params.get("cursor")
        asked.append(cursor)
        number = 0 if cursor is None else int(cursor)
        items = [{**MEMORY, "id": f"m{number}{letter}"} for letter in "ab"]
        return httpx.Response(200, json={"items": items, "next_cursor": None if number == 2 else str(number + 1)})

    with sync_client(handler) as client:
        first = next(client.memories.iterate())
        assert (first.id, asked) == ("m0a", [None])
        assert [one.id for one in client.memories.iterate()] == ["m0a", "m0b", "m1a", "m1b", "m2a", "m2b"]
    async with async_client(handler) as awaited:
        assert len([one async for one in awaited.memories.iterate()]) == 6


async def test_a_service_that_leads_in_circles_is_not_followed_for_ever() -> None:
    def handler(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"items": [], "next_cursor": "same"})

    with sync_client(handler) as client, pytest.raises(Unreadable, match="twice"):
        list(client.memories.iterate())


class Frames(httpx.SyncByteStream, httpx.AsyncByteStream):
    """The body of a stream that notices when it is closed, and breaks at its end if it is told to."""

    def __init__(self, *frames: str, breaks: bool = False) -> None:
        self.frames, self.breaks, self.closed = frames, breaks, 0

    def __iter__(self) -> Iterator[bytes]:
        yield from (frame.encode() for frame in self.frames)
        if self.breaks:
            raise httpx.ReadError("cut")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for frame in self:
            await asyncio.sleep(0)
            yield frame

    def close(self) -> None:
        self.closed += 1

    async def aclose(self) -> None:
        self.closed += 1


def streaming(*bodies: Frames) -> Handler:
    left = iter(bodies)

    def handler(request: httpx.Request) -> httpx.Response:
        kind = "application/x-ndjson" if request.url.path.endswith("export") else "text/event-stream"
        return httpx.Response(200, headers={"content-type": kind}, stream=next(left))

    return handler


async def test_a_stream_that_is_closed_early_closes_its_connection() -> None:
    body, awaited_body = Frames(*TURN), Frames(*TURN)
    with sync_client(streaming(body)) as client, client.chat.stream("where?") as events:
        assert next(events).type == "session"
        assert (events.turn_id, events.session_id, events.last_event_id) == ("t1", "s1", "t1:0")
    async with async_client(streaming(awaited_body)) as awaited, awaited.chat.stream("where?") as told:
        assert (await anext(told)).type == "session"
    assert (body.closed, awaited_body.closed) == (1, 1)
    events.close()
    await told.aclose()


async def test_a_stream_that_breaks_is_taken_up_again_by_either_client() -> None:
    def bodies() -> tuple[Frames, ...]:
        return (Frames(TURN[0], TURN[1][:20], breaks=True), Frames(TURN[1], breaks=True), Frames(TURN[2]))

    cut = bodies()
    with sync_client(streaming(*cut)) as client:
        assert [one.type for one in client.chat.stream("where?", resumable=True)] == ["session", "token", "done"]
    assert [body.closed for body in cut] == [1, 1, 1]
    cut = bodies()
    async with async_client(streaming(*cut)) as awaited:
        told = [one.type async for one in awaited.chat.stream("where?", resumable=True)]
    assert told == ["session", "token", "done"]
    assert [body.closed for body in cut] == [1, 1, 1]


async def test_a_cancelled_reader_closes_its_connection() -> None:
    class Silent(Frames):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield TURN[0].encode()
            await asyncio.Event().wait()

    body, heard = Silent(), asyncio.Event()

    async def read() -> None:
        async with async_client(streaming(body)) as client, client.chat.stream("where?") as events:
            async for _ in events:
                heard.set()

    reading = asyncio.create_task(read())
    await heard.wait()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert body.closed == 1


EXPORT: Final = (
    '{"kind": "memory", "record": {"id": "m1"}}\n{"kind": "session", "rec',
    'ord": {"id": "s1"}}\n',
    '{"kind": "end", "record": {"memory": 1, "session": 1, "message": 0}}\n',
)


async def test_an_export_is_read_line_by_line_to_its_last_line() -> None:
    with sync_client(streaming(Frames(*EXPORT), Frames(*EXPORT))) as client:
        assert [(one.kind, one.record["id"]) for one in client.me.export()] == [("memory", "m1"), ("session", "s1")]
        assert [one.kind for one in client.memories.export()] == ["memory"]
    async with async_client(streaming(Frames(*EXPORT))) as awaited:
        assert len([one async for one in awaited.me.export()]) == 2


@pytest.mark.parametrize(
    "body",
    [
        Frames(*EXPORT[:2]),
        Frames(*EXPORT[:2], breaks=True),
        Frames('{"kind": "memory", "record": {}}\n', '{"kind": "end", "record": {"memory": 2}}\n'),
        Frames('{"kind": "memory"}\n'),
    ],
)
def test_an_export_that_is_not_whole_is_never_taken_for_one(body: Frames) -> None:
    with sync_client(streaming(body)) as client, pytest.raises((StreamCut, Unreadable)):
        list(client.me.export())


async def test_a_service_that_cannot_serve_says_why() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        ready = request.url.path.endswith("readyz")
        return httpx.Response(503 if ready else 200, json={"status": "stopping" if ready else "ok", "version": "1"})

    assert [one.status for one in await both(handler, lambda client: client.ready())] == ["stopping", "stopping"]
    assert [one.status for one in await both(handler, lambda client: client.health())] == ["ok", "ok"]


def test_an_error_crosses_processes() -> None:
    error = NotFound("no memory here", code="not_found", status=404, request_id="r-1")
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.status, again.code, again.request_id) == (NotFound, 404, "not_found", "r-1")
