"""Nothing keeps the event loop for more than 20 ms: every route, every call of the engine, large inputs. E3, E4.

What is judged is the CPU time of one callback, the least of some attempts. A route or a call that is not in the tables
fails the suite, so that a new one cannot be forgotten.
"""

import asyncio
import inspect
import random
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson
import pytest
from fastapi.routing import APIRoute
from starlette.types import ASGIApp

from context0 import MemoryEngine, Settings
from context0.api.app import create_app
from context0.api.auth import DEV_OWNER, LocalDeveloper
from context0.api.measuring import open_measuring
from context0.api.opening import open_services
from tests.loop_watch import Watched, watching

MOST_MS: Final = 20.0
ATTEMPTS: Final = 6
OWNED: Final = 20_000
BATCH: Final = 5_000
NAMES: Final = ("Lena", "Tom", "Ravi", "Mina", "Oskar", "Paula", "Yusuf", "Greta")
THINGS: Final = ("bike", "piano", "boat", "garden", "recipe", "camera", "tent", "violin")
PLACES: Final = ("Munich", "Graz", "Lisbon", "Oslo", "Turin", "Ghent")
_PIECE: Final = 65_536
"""As much as the server reads from a socket at once."""


def texts(count: int, seed: str) -> list[str]:
    """Return texts as people write them, none twice: with names, places, dates, and now and then a fact."""
    chance = random.Random(seed)
    pick = chance.choice
    made = []
    for n in range(count):
        about = f"{pick(NAMES)} talked with {pick(NAMES)} about the {pick(THINGS)} in {pick(PLACES)}"
        fact = f"; I moved to {pick(PLACES)}" if n % 50 == 0 else ""
        made.append(f"{about} on {1 + n % 28} May, number {seed} {n}{fact}")
    return made


def long_text(seed: str) -> str:
    """Return 65,000 bytes of prose."""
    return ". ".join(texts(1_000, seed))[:65_000]


def inputs(count: int, seed: str) -> list[Any]:
    return [
        {"content": text, "speaker": NAMES[n % 2], "session_id": f"{seed}{n // 20}", "tags": ["home"]}
        for n, text in enumerate(texts(count, seed))
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A service over an owner with many memories, whose index is in memory. ids: of some of them."""

    engine: MemoryEngine
    app: ASGIApp
    routes: set[tuple[str, str]]
    ids: list[str]


def settings_in(folder: Path) -> Settings:
    return Settings(
        store_url=f"sqlite:///{folder}/memories.db",
        data_dir=folder,
        max_body_bytes=16 << 20,
        metrics_access="any",
        learn_from_feedback=False,
        index_interval_s=3600,
        _env_file=None,
    )


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("filled")

    async def fill() -> None:
        async with MemoryEngine(settings_in(folder)) as engine:
            await engine.ingest(inputs(OWNED, "fill"), user_id=DEV_OWNER)

    asyncio.run(fill())
    return folder


@pytest.fixture
def folder(filled: Path, tmp_path: Path) -> Iterator[Path]:
    yield shutil.copytree(filled, tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy")


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Loaded]:
    settings = settings_in(folder)
    async with AsyncExitStack() as stack:
        engine = await stack.enter_async_context(MemoryEngine(settings))
        measuring = await stack.enter_async_context(open_measuring(settings, engine.recorder))
        services = await stack.enter_async_context(
            open_services(settings, engine, LocalDeveloper(), observe=measuring.observe)
        )
        app = create_app(services, routers=measuring.routers)
        await engine.search("warm", user_id=DEV_OWNER)
        told = {(method.upper(), path) for path, methods in app.openapi()["paths"].items() for method in methods}
        hidden = {(m, r.path) for r in app.routes if isinstance(r, APIRoute) for m in r.methods or ()}
        page = await engine.list(user_id=DEV_OWNER, limit=1_000)
        yield Loaded(engine=engine, app=app, routes=told | hidden, ids=[one.id for one in page.items])


async def longest(loaded: Loaded, prepare: Callable[[Loaded, int], Any]) -> Watched:
    """Return the quietest of some attempts.

    prepare: returns what is awaited while the loop is watched; it is told the number of the attempt, so that none finds
    what another left behind.
    """
    best: Watched | None = None
    for attempt in range(ATTEMPTS):
        call = prepare(loaded, attempt)
        await asyncio.sleep(0)
        with watching() as watched:
            told = await call()
        assert not isinstance(told, bytes), told
        if best is None or watched.longest_ms < best.longest_ms:
            best = watched
        if best.longest_ms <= MOST_MS / 2:
            break
    assert best is not None
    return best


def sent(method: str, path: str, body: Callable[[int], Any] | None = None, *headers: tuple[bytes, bytes]) -> Any:
    """Return what prepares a request. `{id}` in the path is a memory; the body is made before the watch begins."""

    def prepare(loaded: Loaded, attempt: int) -> Callable[[], Awaitable[bytes | None]]:
        target, _, query = path.format(id=loaded.ids[attempt]).partition("?")
        told = b"" if body is None else body(attempt)
        content = told if isinstance(told, bytes) else orjson.dumps(told)
        kind = (b"content-type", b"application/x-ndjson" if told is content and content else b"application/json")
        head = [(b"host", b"127.0.0.1"), (b"content-length", str(len(content)).encode()), *headers, kind]
        scope = {"type": "http", "method": method, "path": target, "query_string": query.encode(), "headers": head}
        return lambda: answered(loaded.app, scope, content)

    return prepare


async def answered(app: ASGIApp, scope: Any, content: bytes) -> bytes | None:
    """Ask the application; None if it answers well, else what it says. What comes is thrown away, as a socket would."""
    pieces = [content[start : start + _PIECE] for start in range(0, len(content), _PIECE)] or [b""]
    status, told = 0, b""

    async def receive() -> Any:
        if not pieces:
            return await asyncio.Event().wait()
        body = pieces.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(pieces)}

    async def send(message: Any) -> None:
        nonlocal status, told
        status, told = message.get("status", status), message.get("body", b"")[:300] or told

    await app(scope, receive, send)
    return None if 200 <= status < 400 else told or b"no answer"


QUESTION: Final = "What did Lena say about the bike in Munich in May?"
LONG_QUESTION: Final = ("Lena and Tom met Mina in Graz in May. " * 300)[:8_000]
SSE: Final = (b"accept", b"text/event-stream")
ROUTES: Final[Mapping[tuple[str, str], tuple[Any, ...]]] = {
    ("POST", "/v1/memories"): (sent("POST", "/v1/memories", lambda n: {"content": long_text(f"post {n}")}),),
    ("POST", "/v1/memories/batch"): (
        sent("POST", "/v1/memories/batch", lambda n: {"memories": inputs(2_000, f"batch {n}")}),
    ),
    ("GET", "/v1/memories"): (sent("GET", "/v1/memories?limit=1000"),),
    ("POST", "/v1/memories/search"): (
        sent("POST", "/v1/memories/search", lambda n: {"query": f"{QUESTION} {n}", "limit": 1_000, "explain": True}),
        sent("POST", "/v1/memories/search", lambda n: {"query": f"{n} {LONG_QUESTION}"[:8_192], "limit": 1_000}),
    ),
    ("GET", "/v1/memories/{memory_id}"): (sent("GET", "/v1/memories/{id}"),),
    ("PATCH", "/v1/memories/{memory_id}"): (
        sent("PATCH", "/v1/memories/{id}", lambda n: {"content": long_text(f"patch {n}")}),
    ),
    ("GET", "/v1/memories/{memory_id}/history"): (sent("GET", "/v1/memories/{id}/history"),),
    ("DELETE", "/v1/memories/{memory_id}"): (sent("DELETE", "/v1/memories/{id}"),),
    ("POST", "/v1/chat"): (
        sent("POST", "/v1/chat", lambda n: {"message": long_text(f"chat {n}")[:31_900], "session_id": "long"}),
        sent("POST", "/v1/chat", lambda n: {"message": f"{QUESTION} {n}", "session_id": "short"}, SSE),
    ),
    ("GET", "/v1/sessions"): (sent("GET", "/v1/sessions?limit=1000"),),
    ("GET", "/v1/sessions/{session_id}"): (sent("GET", "/v1/sessions/long"),),
    ("GET", "/v1/sessions/{session_id}/messages"): (sent("GET", "/v1/sessions/long/messages?limit=1000"),),
    ("PATCH", "/v1/sessions/{session_id}"): (sent("PATCH", "/v1/sessions/long", lambda n: {"title": f"{n}"}),),
    ("POST", "/v1/chat/completions"): (
        sent(
            "POST",
            "/v1/chat/completions",
            lambda n: {
                "messages": [{"role": "user", "content": text} for text in (*texts(199, f"said {n}"), QUESTION)]
            },
        ),
    ),
    ("GET", "/v1/models"): (sent("GET", "/v1/models"),),
    ("GET", "/v1/decisions"): (sent("GET", "/v1/decisions?limit=1000"),),
    ("GET", "/v1/mode"): (sent("GET", "/v1/mode"),),
    ("PUT", "/v1/mode"): (sent("PUT", "/v1/mode", lambda _: {"mode": "normal"}),),
    ("GET", "/v1/me"): (sent("GET", "/v1/me"),),
    ("GET", "/v1/me/export"): (sent("GET", "/v1/me/export"),),
    ("POST", "/v1/me/import"): (
        sent("POST", "/v1/me/import", lambda n: b"\n".join(map(orjson.dumps, inputs(2_000, f"import {n}")))),
    ),
    ("GET", "/v1/quarantine"): (sent("GET", "/v1/quarantine?limit=1000"),),
    ("GET", "/v1/tasks"): (sent("GET", "/v1/tasks?limit=1000"),),
    ("DELETE", "/v1/sources"): (sent("DELETE", "/v1/sources?session_id=fill{id}"),),
    ("GET", "/metrics"): (sent("GET", "/metrics"),),
    ("GET", "/api/performance/metrics"): (sent("GET", "/api/performance/metrics"),),
    ("GET", "/healthz"): (sent("GET", "/healthz"),),
    ("GET", "/readyz"): (sent("GET", "/readyz"),),
    ("DELETE", "/v1/me"): (sent("DELETE", "/v1/me"),),  # last: nothing is left
}
UNWATCHED: Final = {
    ("GET", "/v1/chat/turns/{turn_id}"): "sends frames that are there, as a chat's stream does",
    ("DELETE", "/v1/sessions/{session_id}"): "one statement of the store",
    ("POST", "/v1/decisions/{decision_id}"): "an update of one memory",
    ("POST", "/v1/quarantine/{memory_id}/release"): "an update of one memory",
    ("GET", "/v1/me/audit"): "needs an audit; a page of small records, at most 1,000",
    ("POST", "/v1/tasks/retry"): "one statement of the store",
    ("DELETE", "/v1/tasks"): "one statement of the store",
    ("POST", "/v1/tasks/{memory_id}/retry"): "one statement of the store",
    ("DELETE", "/v1/tasks/{memory_id}"): "one statement of the store",
}


def _export(loaded: Loaded, _: int) -> Callable[[], Awaitable[Any]]:
    async def export() -> None:
        async for _ in loaded.engine.export(user_id=DEV_OWNER):
            pass

    return export


def _added(count: int, seed: str) -> Any:
    def prepare(loaded: Loaded, attempt: int) -> Callable[[], Awaitable[Any]]:
        given = inputs(count, f"{seed} {attempt}")
        return lambda: loaded.engine.add_many(given, user_id=DEV_OWNER)

    return prepare


def _ingested(loaded: Loaded, attempt: int) -> Callable[[], Awaitable[Any]]:
    given = inputs(2_000, f"ingest {attempt}")
    return lambda: loaded.engine.ingest(given, user_id=DEV_OWNER)


def _long(loaded: Loaded, attempt: int) -> Callable[[], Awaitable[Any]]:
    given: list[Any] = [{"content": long_text(f"long {attempt} {n}")} for n in range(16)]
    return lambda: loaded.engine.add_many(given, user_id=DEV_OWNER)


def asks(**options: Any) -> Any:
    def prepare(loaded: Loaded, attempt: int) -> Callable[[], Awaitable[Any]]:
        return lambda: loaded.engine.search(f"{QUESTION} {attempt}", user_id=DEV_OWNER, **options)

    return prepare


CALLS: Final[Mapping[str, tuple[Any, ...]]] = {
    "add": (lambda one, n: lambda: one.engine.add(long_text(f"add {n}"), user_id=DEV_OWNER),),
    "add_many": (_added(BATCH, "many"), _long),
    "search": (asks(), asks(limit=1_000), asks(limit=1_000, explain=True), asks(strategies=["semantic"])),
    "list": (lambda one, n: lambda: one.engine.list(user_id=DEV_OWNER, limit=1_000 - n),),
    "get": (lambda one, n: lambda: one.engine.get(one.ids[n], user_id=DEV_OWNER),),
    "get_many": (lambda one, _: lambda: one.engine.get_many(one.ids, user_id=DEV_OWNER),),
    "update": (lambda one, n: lambda: one.engine.update(one.ids[n], user_id=DEV_OWNER, content=long_text(f"up {n}")),),
    "history": (lambda one, n: lambda: one.engine.history(one.ids[n], user_id=DEV_OWNER),),
    "facts": (lambda one, _: lambda: one.engine.facts(user_id=DEV_OWNER),),
    "superseded": (lambda one, n: lambda: one.engine.superseded(one.ids[n], user_id=DEV_OWNER),),
    "keep_both": (lambda one, n: lambda: one.engine.keep_both(one.ids[n], user_id=DEV_OWNER),),
    "ingest": (_ingested,),
    "export": (_export,),
    "failed_work": (lambda one, _: lambda: one.engine.failed_work(user_id=DEV_OWNER, limit=1_000),),
    "pending_work": (lambda one, _: lambda: one.engine.pending_work(user_id=DEV_OWNER),),
    "quarantined": (lambda one, _: lambda: one.engine.quarantined(user_id=DEV_OWNER, limit=1_000),),
    "delete_source": (lambda one, n: lambda: one.engine.delete_source(user_id=DEV_OWNER, session_id=f"fill{n}"),),
    "retry_failed": (lambda one, _: lambda: one.engine.retry_failed(user_id=DEV_OWNER),),
    "drop_failed": (lambda one, _: lambda: one.engine.drop_failed(user_id=DEV_OWNER),),
    "flush": (lambda one, _: lambda: one.engine.flush(),),
    "work_on": (lambda one, _: lambda: one.engine.work_on(one.ids, user_id=DEV_OWNER),),
    "delete": (lambda one, n: lambda: one.engine.delete(one.ids[n], user_id=DEV_OWNER),),
    "delete_all": (lambda one, _: lambda: one.engine.delete_all(user_id=DEV_OWNER),),  # last: nothing is left
}
UNCALLED: Final = {
    "chats": "opens a store",
    "replies": "opens a store",
    "store_now": "reads a clock",
    "audit_trail": "opens a store",
    "aclose": "closes",
    "catch_up": "reads a token, and what changed as a search does",
    "release": "an update of one memory",
    "erasure": "reads one receipt",
    "recheck": "counts, in each store",
    "verify_receipt": "one HMAC",
    "feedback": "needs learn_from_feedback; a write of a few numbers",
    "tune": "works in a thread",
    "undo_tuning": "one write",
}


async def test_every_route_is_in_the_table(folder: Path) -> None:
    async with opened(folder) as loaded:
        assert loaded.routes == set(ROUTES) | set(UNWATCHED)


def test_every_call_of_the_engine_is_in_the_table() -> None:
    public = {
        name
        for name, member in inspect.getmembers(MemoryEngine, inspect.isfunction)
        if not name.startswith("_") and (inspect.iscoroutinefunction(inspect.unwrap(member)) or name == "export")
    }
    assert public == set(CALLS) | set(UNCALLED)


async def test_no_route_keeps_the_event_loop(folder: Path) -> None:
    async with opened(folder) as loaded:
        assert await _late(loaded, {f"{m} {path}": calls for (m, path), calls in ROUTES.items()}) == {}


async def test_no_call_of_the_engine_keeps_the_event_loop(folder: Path) -> None:
    async with opened(folder) as loaded:
        assert await _late(loaded, CALLS) == {}


async def _late(loaded: Loaded, table: Mapping[str, tuple[Any, ...]]) -> dict[str, str]:
    late = {}
    for name, calls in table.items():
        for number, prepare in enumerate(calls):
            watched = await longest(loaded, prepare)
            assert watched.callbacks
            if watched.longest_ms > MOST_MS:
                late[f"{name} ({number})"] = f"{watched.longest_ms:.1f} ms: {watched.by_whom}"
    return late


async def test_the_first_search_reads_the_users_index_without_keeping_the_event_loop(folder: Path) -> None:
    longest_ms = MOST_MS + 1
    for _ in range(ATTEMPTS):
        async with MemoryEngine(settings_in(folder)) as engine:
            await engine.get_many(["nobody"], user_id=DEV_OWNER)
            with watching() as watched:
                found = await engine.search(QUESTION, user_id=DEV_OWNER)
            assert found.items
        longest_ms = min(longest_ms, watched.longest_ms)
        if longest_ms <= MOST_MS / 2:
            break
    assert longest_ms <= MOST_MS


async def test_the_watch_sees_what_keeps_the_loop() -> None:
    def block() -> int:
        return sum(range(2_000_000))

    with watching() as quiet:
        await asyncio.to_thread(block)
    with watching() as kept:
        asyncio.get_running_loop().call_soon(block)
        await asyncio.sleep(0.01)
    assert quiet.longest_ms < kept.longest_ms
    assert kept.longest_ms > 5
    assert "block" in kept.by_whom
