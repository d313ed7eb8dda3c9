"""Addresses in every field of every request, and servers that redirect: only whom settings name is called. S15.

The service asks a model, embeddings and the keys of tokens over HTTP, each on this machine. Whatever the process opens,
resolves and connects to is watched; a listener that nobody may reach counts who does.

python -m tests.faults.rows S15 --count 2000
"""

import asyncio
import base64
import itertools
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
from pydantic import BaseModel

from context0.api.errors import Refused
from context0.api.tokens import PublishedKeys, TokenRules
from context0.embeddings.openai import OpenAIEmbedder
from context0.embeddings.options import EmbedderOptions
from context0.errors import Context0Error
from context0.llm.openai import OpenAILLM
from context0.llm.options import LlmOptions
from context0.llm.protocol import Prompt, PromptMessage
from context0.settings import Settings
from stores.errors import StoreError
from stores.pinecone.vectors import PineconeOptions, PineconeVectors
from tests.engine_bench import open_bench
from tests.faults.rows.outcome import Outcome, RowOptions
from tests.loopback_llm import loopback_llm
from tests.loopback_openai import loopback_openai
from tests.security.forging import SECRET, signed
from tests.security.positions import NO_ONE, Operation, Position, erases, operations_of, put, request_of
from tests.service_bench import open_service

NAMES: Final = (
    *(name for name in Settings.model_fields if name.endswith(("_url", "_dir", "_provider", "_model"))),
    *(
        "url",
        "base_url",
        "api_base",
        "endpoint",
        "host",
        "proxy",
        "webhook",
        "callback_url",
        "image_url",
        "file",
        "src",
    ),
)
HEADERS: Final = (
    *("host", "x-forwarded-host", "x-forwarded-for", "forwarded", "x-original-url", "x-rewrite-url", "x-base-url"),
    *("referer", "origin", "via", "proxy", "destination", "x-http-destinationurl", "link", "content-location"),
)
STATUSES: Final = (300, 301, 302, 303, 305, 307, 308)
_HEAD_END: Final = b"\r\n\r\n"
_BY_OPENAI: Final = "uname"
"""Its client asks the system what it is."""
_LOCAL: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_REFUSALS: Final = (Context0Error, StoreError, Refused)


@dataclass(slots=True)
class Watch:
    """What the process connects to, resolves and opens. ports: of this machine, that may be connected to."""

    secret: Path
    ports: set[int] = field(default_factory=set)
    reached: list[str] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)

    def take(self, event: str, told: tuple[Any, ...]) -> None:
        if event == "socket.connect":
            self.seen["connections"] += 1
            address = told[1]
            if not isinstance(address, tuple) or address[0] not in _LOCAL or address[1] not in self.ports:
                self.reached.append(f"{event} {address}")
        elif event == "socket.getaddrinfo":
            if told[0] not in _LOCAL:
                self.reached.append(f"{event} {told[0]}")
        elif event == "open" and isinstance(told[0], str | bytes) and os.fsdecode(told[0]) == str(self.secret):
            self.reached.append(f"{event} {told[0]!r}")
        elif event in ("subprocess.Popen", "os.system", "urllib.Request") and told[0] != _BY_OPENAI:
            self.reached.append(f"{event} {told[0]}")


@asynccontextmanager
async def _listening(answer: bytes) -> AsyncIterator[tuple[int, Counter[str]]]:
    """Answer every request alike, on a port of this machine; count connections."""
    calls: Counter[str] = Counter()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        calls["connections"] += 1
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            await reader.readuntil(_HEAD_END)
            calls["requests"] += 1
            writer.write(answer)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], calls
    finally:
        server.close()


def targets(port: int, secret: Path) -> Sequence[str]:
    """Return addresses that nobody may call."""
    return (
        f"http://127.0.0.1:{port}/v1",
        f"http://u:p@127.0.0.1:{port}/",
        f"//127.0.0.1:{port}/",
        f"http://2130706433:{port}/",
        f"gopher://127.0.0.1:{port}/_",
        f"redis://127.0.0.1:{port}/0",
        f"mongodb://127.0.0.1:{port}/x",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::ffff:a9fe:a9fe]/latest/",
        "http://metadata.google.internal/",
        secret.as_uri(),
        f"sqlite:///{secret}",
        str(secret),
    )


class _Any(BaseModel):
    """What a model is asked for."""


def run(options: RowOptions) -> Outcome:
    """count: requests with an address somewhere. A sixtieth of it are redirects of each client, at most all kinds."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_run(options, Path(folder)))


async def _run(options: RowOptions, folder: Path) -> Outcome:
    secret = folder / "secret.txt"
    secret.write_text("zqsecret")
    watch, counts, met = Watch(secret), Counter({"reached": 0, "server errors": 0, "secrets told": 0}), list[str]()
    sys.addaudithook(watch.take)
    async with _listening(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}") as (port, calls):
        places = targets(port, secret)
        await _requests(options, folder / "data", places, watch, counts, met)
        asked = counts["requests"]
        kinds = min(len(STATUSES) * len(places), max(len(STATUSES), options.count // 60))
        await _redirects(places, kinds, watch, counts)
        counts["reached"] += calls["connections"] + len(watch.reached)
        watch.ports.add(port)
        async with httpx.AsyncClient() as client:  # so that the listener and the watch are known to see
            await client.get(places[0])
        watched = list(watch.reached)
        with suppress(OSError):
            secret.read_text()
    blind = (
        () if calls["connections"] and len(watch.reached) > len(watched) and watch.seen["connections"] else ("blind",)
    )
    told = {"requests": asked, **counts, "connections watched": watch.seen["connections"]}
    broken = (*blind, *watched[:5], *met[:5], *_unasked(counts, kinds))
    return Outcome.of(told, "reached", "server errors", "secrets told", broken=broken)


def _unasked(counts: Mapping[str, int], kinds: int) -> Iterator[str]:
    """Tell of clients that were to be redirected and did not ask."""
    for name, count in counts.items():
        if name.startswith("redirects of") and count < kinds:
            yield f"{name}: {count}"


async def _requests(
    options: RowOptions, folder: Path, places: Sequence[str], watch: Watch, counts: Counter[str], met: list[str]
) -> None:
    """Put addresses in every place of every route, and beside what a route knows."""
    async with AsyncExitStack() as stack:
        model = await stack.enter_async_context(loopback_llm())
        vectors = await stack.enter_async_context(loopback_openai())
        keys, read = await stack.enter_async_context(_listening(_NO_KEYS))
        watch.ports |= {keys, *(urlsplit(url).port or 0 for url in (model.base_url, vectors.base_url))}
        bench = await stack.enter_async_context(open_bench("sqlite", folder))
        embedder = OpenAIEmbedder(EmbedderOptions(base_url=vectors.base_url, model="stub"))
        llm = OpenAILLM(LlmOptions(base_url=model.base_url, model="stub"))
        for one in (embedder, llm):
            stack.push_async_callback(one.aclose)  # type: ignore[attr-defined]  # both have it
        rules = TokenRules(secret=SECRET, audience="context0", jwks_url=f"http://127.0.0.1:{keys}/keys.json")
        opened = open_service(bench.engine(embedder=embedder), llm=llm, rules=rules)
        service = await stack.enter_async_context(opened)
        watch.ports.add(urlsplit(service.url).port or 0)
        operations = [one for one in operations_of(service.app.openapi()) if not erases(one)]
        client = await stack.enter_async_context(_client(service))
        ids = await _known(client)
        for position, value in _chosen(operations, places, options):
            answer = await _asked(client, position, value, ids)
            counts["requests"] += 1
            counts["requests that were taken"] += answer.is_success
            counts["secrets told"] += "zqsecret" in answer.text
            if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
                counts["server errors"] += 1
                met.append(f"{position} = {value}: {answer.status_code} {answer.text[:200]}")
        for place in places:
            answer = await client.get("/v1/memories", headers={"authorization": f"Bearer {_naming(place)}"})
            counts["tokens that name an address"] += 1
            counts["tokens that name an address, taken"] += answer.is_success
        counts["routes"] = len(operations)
        counts["calls of model, embeddings, keys"] = len(model.requests) + len(vectors.requests) + read["requests"]


_NO_KEYS: Final = b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 12\r\n\r\n{"keys": [] }'


def _client(service: Any) -> httpx.AsyncClient:
    token = signed(sub="anna", exp=time.time() + 7_200)
    client: httpx.AsyncClient = service.bare(headers={"authorization": f"Bearer {token}"})
    return client


def _naming(address: str) -> str:
    """Return a token that names where its key is to be had."""
    head = {"alg": "RS256", "typ": "JWT", "jku": address, "x5u": address, "kid": address}
    told = {"sub": "anna", "exp": time.time() + 60, "iss": address, "aud": "context0"}
    parts = [json.dumps(head).encode(), json.dumps(told).encode(), b"signature"]
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


async def _known(client: httpx.AsyncClient) -> dict[str, str]:
    memory = (await client.post("/v1/memories", json={"content": "my word is plain"})).json()
    chat = (await client.post("/v1/chat", json={"message": "My word is plain", "session_id": "talk"})).json()
    ids = {"memory_id": memory["id"], "session_id": "talk", "message_id": chat["message_id"]}
    return {**ids, "decision_id": NO_ONE, "turn_id": NO_ONE}


def _chosen(
    operations: Sequence[Operation], places: Sequence[str], options: RowOptions
) -> Iterator[tuple[Position, str]]:
    """Yield `count` places of requests with addresses, each place once before any comes again."""
    source = random.Random(options.seed)
    known = [position for operation in operations for position in operation.positions()]
    for operation in operations:
        known += [Position(operation, "query", (name,)) for name in NAMES]
        known += [Position(operation, "header", (name,)) for name in HEADERS]
        if isinstance(operation.body, dict):
            known += [Position(operation, "body", (name,)) for name in NAMES]
            known += [Position(operation, "body", (at, name)) for at in ("metadata", "settings") for name in NAMES]
    source.shuffle(known)
    for number, position in enumerate(itertools.islice(itertools.cycle(known), options.count)):
        yield position, places[(number + number // len(known)) % len(places)]


async def _asked(client: httpx.AsyncClient, position: Position, value: str, ids: Mapping[str, str]) -> httpx.Response:
    path, options = request_of(position.operation, put(position, position.operation.wire(ids), value))
    return await client.request(position.operation.method, path, **options)


async def _redirects(places: Sequence[str], kinds: int, watch: Watch, counts: Counter[str]) -> None:
    """Let each server that is asked redirect in many ways; each way with each address comes before any comes again."""
    ways = zip(itertools.cycle(STATUSES), itertools.cycle(places), strict=False)
    for status, place in itertools.islice(ways, kinds):
        head = f"HTTP/1.1 {status} Moved\r\nlocation: {place}\r\ncontent-type: application/json\r\n"
        async with _listening(f"{head}content-length: 2\r\nconnection: close\r\n\r\n{{}}".encode()) as (port, calls):
            watch.ports.add(port)
            for name, ask in _clients(f"http://127.0.0.1:{port}").items():
                before = calls["requests"]
                with suppress(*_REFUSALS):
                    await ask()
                counts[f"redirects of {name}"] += calls["requests"] - before
            watch.ports.discard(port)


def _clients(url: str) -> Mapping[str, Callable[[], Awaitable[None]]]:
    """Return who asks servers that settings name."""
    prompt = Prompt(messages=(PromptMessage(role="user", content="hello"),))

    async def embed() -> None:
        embedder = OpenAIEmbedder(EmbedderOptions(base_url=f"{url}/v1", model="stub", api_key="zqkey"))
        await _closing(embedder, embedder.embed(["hello"]))

    def model(ask: Callable[[OpenAILLM], Awaitable[object]]) -> Callable[[], Awaitable[None]]:
        async def asked() -> None:
            llm = OpenAILLM(LlmOptions(base_url=f"{url}/v1", model="stub", api_key="zqkey"))
            await _closing(llm, ask(llm))

        return asked

    async def keys() -> None:
        published = PublishedKeys(f"{url}/keys.json")
        await _closing(published, published.get("one"))

    def pinecone(**hosts: str) -> Callable[[], Awaitable[None]]:
        async def asked() -> None:
            store = PineconeVectors("memories", options=PineconeOptions(api_key="zqkey", open_timeout_s=2, **hosts))
            await _closing(store, store.open())

        return asked

    return {
        "embeddings": embed,
        "the model's streams": model(lambda llm: _all_of(llm.stream(prompt))),
        "the model's answers": model(lambda llm: llm.complete(prompt, schema=_Any)),
        "the model's warming": model(lambda llm: llm.warm()),
        "the keys of tokens": keys,
        "the vectors' index": pinecone(host=url),
        "the vectors' control": pinecone(control_host=url),
    }


async def _all_of(chunks: AsyncIterator[object]) -> None:
    async for _ in chunks:
        pass


async def _closing(one: Any, asked: Awaitable[object]) -> None:
    try:
        await asked
    finally:
        await one.aclose()
