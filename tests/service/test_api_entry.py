"""The short way in does what the long one did: the same routes, the same answers, one write for each. B6, B7."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from starlette.routing import Match

from context0.api.finding import Routes
from context0.api.routing import JsonRoute, router
from context0.api.server import JoinedWrites
from context0.api.services import Call
from context0.chat.service import ChatService
from context0.wire import ChatEvent
from tests.engine_bench import open_bench
from tests.service_bench import ServiceBench, code_of, open_service

PATHS = ("/v1/memories/search", "/v1/memories/batch", "/v1/memories/a", "/v1/memories/a/history", "/v1/chat/turns/t")
OTHERS = (
    "/",
    "/v1",
    "/v1/memories/",
    "/v1/memories/a/b/c",
    "/v1/memories/a\nb",
    "/openapi.json",
    "/v1/sessions/s/messages",
)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class Wire:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closed = False

    def write(self, written: bytes) -> None:
        self.written.append(written)

    def close(self) -> None:
        self.closed = True

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


class Breaking(ChatService):
    """A chat whose turns break before their first event, by something that nobody foresaw."""

    async def stream(self, message: str, *, user_id: str, **options: Any) -> AsyncIterator[ChatEvent]:  # type: ignore[override]
        raise RuntimeError("a secret of the process")
        yield


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[ServiceBench]:
    async with open_bench("reference", tmp_path) as bench, open_service(bench.engine()) as opened:
        yield opened


async def test_each_request_finds_the_route_that_fastapi_finds(service: ServiceBench) -> None:
    routes = Routes(service.app.router.routes)
    fixed = [route.path for route in service.app.routes if isinstance(route, JsonRoute)]
    for path in {*PATHS, *OTHERS, *fixed}:
        for method in METHODS:
            scope = {"type": "http", "method": method, "path": path, "root_path": "", "headers": []}
            matches = ((route, *route.matches(scope)) for route in service.app.router.routes)
            full = next(((route, told) for route, match, told in matches if match is Match.FULL), None)
            found = routes.find(scope)
            if full is None or not isinstance(full[0], JsonRoute):
                assert found is None
            else:
                assert (found, scope["path_params"]) == (full[0], full[1]["path_params"])


async def test_a_route_that_takes_more_than_is_read_here_cannot_be_made() -> None:
    async def two(call: Call, body: dict[str, int], other: dict[str, int]) -> None: ...

    with pytest.raises(ValueError, match="one body at most"):
        router().post("/two", response_model=None)(two)


async def test_the_head_and_the_body_of_an_answer_are_one_write() -> None:
    wire = Wire()
    joined = JoinedWrites(cast("asyncio.Transport", wire), asyncio.get_running_loop())
    joined.write(b"HTTP/1.1 200 OK\r\n\r\n")
    joined.write(b"body")
    joined.write(b"more")
    assert wire.written == [b"HTTP/1.1 200 OK\r\n\r\nbody", b"more"]


async def test_a_head_whose_body_takes_its_time_is_not_kept_back() -> None:
    wire = Wire()
    joined = JoinedWrites(cast("asyncio.Transport", wire), asyncio.get_running_loop())
    joined.write(b"HTTP/1.1 200 OK\r\n\r\n")
    await asyncio.sleep(0)
    assert wire.written == [b"HTTP/1.1 200 OK\r\n\r\n"]


async def test_a_connection_that_is_closed_gets_the_head_first() -> None:
    wire = Wire()
    joined = JoinedWrites(cast("asyncio.Transport", wire), asyncio.get_running_loop())
    joined.write(b"HTTP/1.1 431 \r\n\r\n")
    joined.close()
    assert (wire.written, wire.closed) == ([b"HTTP/1.1 431 \r\n\r\n"], True)


@pytest.mark.parametrize("path", ["/v1/chat", "/v1/chat/completions"])
async def test_a_turn_that_breaks_before_its_first_event_is_a_failure_with_a_status(tmp_path: Path, path: str) -> None:
    async with open_bench("reference", tmp_path) as bench:
        engine = bench.engine()
        async with Breaking(engine) as chat, open_service(engine, chat=chat) as service:
            client = await service.client("anna")
            asked = {"messages": [{"role": "user", "content": "Where do I live?"}], "model": "context0"}
            body = {"stream": True, **(asked if path.endswith("completions") else {"message": "Where do I live?"})}
            response = await client.post(path, json=body)
    assert response.status_code == httpx.codes.INTERNAL_SERVER_ERROR
    assert response.json()["error"]["code"] == "internal"
    assert "secret" not in response.text
    if path == "/v1/chat":
        assert code_of(response) == "internal"


@pytest.mark.parametrize("path", ["/v1/memories", "/v1/memories/a", "/v1/me?keep_keys=true", "/v1/mode", "/healthz"])
async def test_a_method_that_a_path_does_not_take_is_told_all_that_it_takes(service: ServiceBench, path: str) -> None:
    """S19: also where each method is a route of its own."""
    anna = await service.client("anna")
    refused = await anna.request("OPTIONS", path)
    assert (refused.status_code, code_of(refused)) == (405, "method_not_allowed")
    for method in refused.headers["allow"].split(", "):
        assert (await anna.request(method, path)).status_code != 405, method
    for method in set(METHODS) - set(refused.headers["allow"].split(", ")):
        assert (await anna.request(method, path)).status_code == 405, method
