"""The HTTP service for tests: a real server on 127.0.0.1, over any backend, with users and their keys.

async with open_service(engine, llm=…) as service:
    response = await service.client("anna").get("/v1/memories")
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
from fastapi import APIRouter
from httpx_sse import EventSource, ServerSentEvent

from context0.api.app import ServiceApp, create_app
from context0.api.auth import Credentials
from context0.api.envelope import RequestOutcome
from context0.api.keys import KeyRing, new_key
from context0.api.server import GracefulServer, ServerTimes, address_of, listening, server_for
from context0.api.services import Services
from context0.api.tokens import TokenRules, Tokens
from context0.api.turns import Turns
from context0.chat.service import ChatService
from context0.llm.protocol import LLM
from context0.memory.engine import MemoryEngine
from stores.reference.keys import ReferenceKeys
from tests.contracts.builders import NOW

SECRET = "a secret of more than thirty-two bytes"
TURN = "turn_id"


@dataclass(slots=True, kw_only=True)
class ServiceBench:
    """A running service. outcomes: what its timing was told."""

    url: str
    app: ServiceApp
    services: Services
    server: GracefulServer
    keys: ReferenceKeys
    stack: AsyncExitStack
    outcomes: list[RequestOutcome]
    _clients: dict[str, httpx.AsyncClient] = field(default_factory=dict)

    async def key(self, user: str, *, operator: bool = False) -> str:
        key, held = new_key(user, now=NOW, operator=operator)
        await self.keys.put(held)
        return key

    async def client(self, user: str) -> httpx.AsyncClient:
        """Return a client with a key of this user."""
        if user not in self._clients:
            made = self.bare(headers={"authorization": f"Bearer {await self.key(user)}"})
            self._clients[user] = await self.stack.enter_async_context(made)
        return self._clients[user]

    def bare(self, **options: Any) -> httpx.AsyncClient:
        """Return a client without a credential; the caller closes it."""
        return httpx.AsyncClient(base_url=self.url, timeout=30, **options)

    @asynccontextmanager
    async def events(self, user: str, path: str, **request: Any) -> AsyncIterator[AsyncIterator[ServerSentEvent]]:
        """Yield the events of a stream: POST with `json`, else GET. Leaving closes the connection."""
        method = "POST" if "json" in request else "GET"
        headers = {"accept": "text/event-stream", **request.pop("headers", {})}
        client = await self.client(user)
        async with client.stream(method, path, headers=headers, **request) as response:
            if response.status_code != httpx.codes.OK:
                await response.aread()
                raise AssertionError(response.text)
            yield EventSource(response).aiter_sse()

    async def all_events(self, user: str, path: str, **request: Any) -> list[ServerSentEvent]:
        async with self.events(user, path, **request) as events:
            return [event async for event in events]


@asynccontextmanager
async def open_service(
    engine: MemoryEngine,
    *,
    llm: LLM | None = None,
    server_times: ServerTimes | None = None,
    routers: Sequence[APIRouter] = (),
    rules: TokenRules | None = None,
    **changes: Any,
) -> AsyncIterator[ServiceBench]:
    """Serve the engine until the block ends. changes: of `Services`."""
    keys, outcomes = ReferenceKeys(), list[RequestOutcome]()
    async with AsyncExitStack() as stack:
        chat = await stack.enter_async_context(ChatService(engine, llm=llm))
        turns = Turns(kept_s=3600, max_bytes=1 << 20)
        stack.push_async_callback(turns.aclose)
        tokens = Tokens(rules or TokenRules(secret=SECRET, audience="context0"))
        credentials = Credentials(KeyRing(keys, cache_s=0.0), tokens)
        services = Services(engine=engine, chat=chat, authenticator=credentials, turns=turns, observe=outcomes.append)
        services = replace(services, **changes)
        app = create_app(services, routers=routers)
        bound = listening("127.0.0.1", 0)
        started = asyncio.Event()
        server = server_for(app, server_times or ServerTimes(), stop_streams=services.turns.stop, on_start=started.set)
        serving = asyncio.create_task(server.serve(sockets=[bound]))
        await started.wait()
        bench = ServiceBench(
            url=address_of(bound),
            app=app,
            services=services,
            server=server,
            keys=keys,
            stack=AsyncExitStack(),
            outcomes=outcomes,
        )
        try:
            yield bench
        finally:
            await bench.stack.aclose()
            server.stop()
            await serving


def code_of(response: httpx.Response) -> str:
    """Return the code of an error, and check that it is in the envelope."""
    error = response.json()["error"]
    assert set(error) == {"code", "message", "request_id"}
    assert error["request_id"] == response.headers["x-request-id"]
    assert "Traceback" not in error["message"]
    code: str = error["code"]
    return code
