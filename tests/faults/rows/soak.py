"""D23: a service under mixed load while what it stands on fails at random; then what it uses is compared.

MongoDB, Redis, the model and the embeddings stand behind proxies; one of them fails for a few seconds, again and again.
What is kept is bounded: what is added is deleted again, sessions too. So memory, descriptors and tasks must stay level.
"""

import asyncio
import itertools
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final, TypeVar

import httpx
import orjson
import psutil

from tests.fault_proxy import HEALTHY, FaultProxy, fault_proxy
from tests.faults.rows.network import FAULTS
from tests.faults.rows.outcome import Outcome, RowOptions
from tests.faults.rows.service import Usage, client_of, usage_of
from tests.loopback_llm import Reply, loopback_llm
from tests.loopback_openai import loopback_openai
from tests.mongo_process import MongoProcess
from tests.redis_server import redis_server
from tests.served_process import Served, served_beside

T = TypeVar("T")

_FAULT_S: Final = 4.0
_CALM_S: Final = 8.0
_QUIET_S: Final = 1.0
_PAUSE_S: Final = 0.05
_PATIENCE_S: Final = 120.0
_KEPT: Final = 30
"""Memories of a user at the same time, and turns of a session, before they are deleted."""
_WARM_SHARE: Final = 0.25
_MOST_DRIFT: Final = 0.05
_DOWN: Final = frozenset({502, 503, 504, 507})
_WORDS: Final = ("cello", "harp", "oboe", "viola", "horn", "lute", "flute", "organ", "drum", "bell")
_SETTINGS: Final[Mapping[str, object]] = {
    "mongodb_timeout_ms": 2_000,
    "search_deadline_ms": 2_000,
    "embedding_provider": "openai",
    "embedding_model": "stub",
    "embedding_api_key": "x",
    "embedding_deadline_s": 2.0,
    "llm_provider": "openai",
    "llm_model": "stub",
    "llm_api_key": "x",
    "llm_first_token_s": 1.0,
    "llm_between_tokens_s": 1.0,
    "llm_deadline_s": 3.0,
    "llm_breaker_open_s": 1.0,
    "chat_extraction": "rules",
    "search_cache_bytes": 1 << 20,
    "list_cache_bytes": 1 << 20,
    "embedding_cache_bytes": 1 << 20,
    "context_cache_bytes": 2 << 20,
    "turn_log_s": 5,
    "metrics_window_s": 60,
    "idempotency_kept_s": 60,
    "log_level": "ERROR",
}


@dataclass(slots=True)
class Load:
    """What the users have met. running: cleared while they pause."""

    counts: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    running: asyncio.Event = field(default_factory=asyncio.Event)
    under_way: int = 0


def run(options: RowOptions) -> Outcome:
    """count: users. seconds: how long."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_soak(options, Path(folder)))


async def _soak(options: RowOptions, folder: Path) -> Outcome:
    load, samples, random = Load(), list[Usage](), Random(options.seed)
    connections = list[Counter[str]]()
    async with _stack(folder) as (service, proxies):
        keys = [await asyncio.to_thread(service.key, f"user {number}") for number in range(options.count)]
        operator = await asyncio.to_thread(service.key, "operator", "--operator")
        async with asyncio.TaskGroup() as group:
            load.running.set()
            users = [group.create_task(_user(service.url, key, load, random.random())) for key in keys]
            ends_at = time.monotonic() + options.seconds
            while time.monotonic() < ends_at:
                name = random.choice(sorted(proxies))
                kind = random.choice(sorted(FAULTS))
                load.counts["faults"] += 1
                await proxies[name].turn(FAULTS[kind])
                await asyncio.sleep(_FAULT_S)
                await proxies[name].turn(HEALTHY)
                await asyncio.sleep(_CALM_S)
                samples.append(await _sampled(service, operator, load))
                connections.append(_connections(service, proxies))
            for user in users:
                user.cancel()
        lost = await _missing(service.url, keys)
    drifts = _drifts(samples)
    broken = [f"{name} drifts by {100 * drift:.1f} %" for name, drift in drifts.items() if drift > _MOST_DRIFT]
    counts = {
        "users": options.count,
        **load.counts,
        "samples": len(samples),
        "first third RSS, MB": _third(samples, 0).rss,
        "last third RSS, MB": _third(samples, 2).rss,
        "first third descriptors": _third(samples, 0).descriptors,
        "last third descriptors": _third(samples, 2).descriptors,
        **{f"first third connections to {name}": number for name, number in _third_of(connections, 0).items()},
        **{f"last third connections to {name}": number for name, number in _third_of(connections, 2).items()},
        **{f"{name} drift, %": round(100 * drift, 2) for name, drift in drifts.items()},
        "lost": lost,
    }
    return Outcome.of(counts, "lost", broken=(*broken, *load.broken[:20]))


@asynccontextmanager
async def _stack(folder: Path) -> AsyncIterator[tuple[Served, dict[str, FaultProxy]]]:
    """Start everything; the service reaches the rest through the proxies only."""
    async with AsyncExitStack() as stack:
        mongo = await asyncio.to_thread(MongoProcess, folder)
        stack.callback(mongo.kill)
        redis = stack.enter_context(redis_server(folder))
        llm, vectors = (
            await stack.enter_async_context(loopback_llm()),
            await stack.enter_async_context(loopback_openai()),
        )
        llm.otherwise, llm.keep_requests = Reply(tokens=("You ", "said ", "so.")), False
        ports = {
            "mongodb": _port_of(mongo.url("")),
            "redis": redis.port,
            "llm": _port_of(llm.base_url),
            "embeddings": _port_of(vectors.base_url),
        }
        proxies = {name: await stack.enter_async_context(fault_proxy(port)) for name, port in ports.items()}
        at = {name: f"127.0.0.1:{proxy.port}" for name, proxy in proxies.items()}
        forgetting = asyncio.create_task(_forget(vectors.requests))
        stack.callback(forgetting.cancel)
        running = served_beside(
            folder,
            store_url=f"mongodb://{at['mongodb']}/soak",
            cache_url=f"redis://{at['redis']}/0",
            llm_base_url=f"http://{at['llm']}/v1",
            embedding_base_url=f"http://{at['embeddings']}/v1",
            **_SETTINGS,
        )
        yield await stack.enter_async_context(running), proxies


async def _forget(requests: list[Any]) -> None:
    while True:
        await asyncio.sleep(10)
        requests.clear()


async def _user(url: str, key: str, load: Load, chance: float) -> None:
    """Use every part of the service, in turn."""
    random = Random(chance)
    async with client_of(url, key, _PATIENCE_S) as client:
        while not (first := await _ask(client, load, "POST", "/v1/memories", {"content": "the anchor of all"})):  # noqa: ASYNC110
            await asyncio.sleep(_PAUSE_S)
        held: list[str] = []
        for turn in itertools.count():
            await load.running.wait()
            load.under_way += 1
            try:
                await _round(client, load, random, held, turn, first["id"])
            except httpx.HTTPError as error:
                load.broken.append(f"no answer: {type(error).__name__}")
            finally:
                load.under_way -= 1
            await asyncio.sleep(_PAUSE_S)


async def _round(client: httpx.AsyncClient, load: Load, random: Random, held: list[str], turn: int, first: str) -> None:
    word, other = random.choice(_WORDS), random.choice(_WORDS)
    note = {"content": f"the {word} stands beside the {other}"}
    added = await _ask(client, load, "POST", "/v1/memories", note, key=f"add {turn}".replace(" ", "-"))
    if added and added["id"] not in held:
        held.append(added["id"])
    found = await _ask(client, load, "POST", "/v1/memories/search", {"query": "anchor of all"})
    if found and not found["degraded"] and first not in [one["memory"]["id"] for one in found["items"]]:
        load.broken.append("a search that is whole does not find what is there")
    listed = await _ask(client, load, "GET", "/v1/memories")
    if listed and not listed["items"]:
        load.broken.append("a list is empty that is not")
    session = f"talk {turn // _KEPT}"
    message = {"message": f"I like the {word}", "session_id": session}
    if turn % 2:
        await _ask(client, load, "POST", "/v1/chat", message, key=f"turn-{turn}")
    else:
        await _streamed(client, load, message)
    if held and turn % 3 == 0:
        await _ask(client, load, "PATCH", f"/v1/memories/{random.choice(held)}", {"tags": [word]})
    if len(held) > _KEPT:
        await _ask(client, load, "DELETE", f"/v1/memories/{held.pop(0)}")
    if turn % _KEPT == 0 and turn:
        await _ask(client, load, "DELETE", f"/v1/sessions/talk {turn // _KEPT - 1}")
        await _tidy(client, load, first, held)


async def _tidy(client: httpx.AsyncClient, load: Load, first: str, held: list[str]) -> None:
    """Delete what the turns of chats have left behind."""
    page = await _ask(client, load, "GET", "/v1/memories?limit=200")
    for memory in (page or {"items": []})["items"]:
        if memory["id"] != first and memory["id"] not in held:
            await _ask(client, load, "DELETE", f"/v1/memories/{memory['id']}")


async def _ask(
    client: httpx.AsyncClient, load: Load, method: str, path: str, body: object = None, *, key: str | None = None
) -> dict[str, Any] | None:
    """Return the answer; None for a failure, which must be a typed one that passes."""
    headers = {} if key is None else {"idempotency-key": key}
    response = await client.request(method, path, json=body, headers=headers)
    load.counts["requests"] += 1
    if response.is_success:
        return orjson.loads(response.content) if response.content else {}
    code = response.json()["error"]["code"]
    load.counts[f"{response.status_code} {code}"] += 1
    if response.status_code not in _DOWN and code not in ("not_found", "in_flight", "conflict"):
        load.broken.append(f"{method} {path.partition('?')[0]}: {response.status_code} {code}")
    return None


async def _streamed(client: httpx.AsyncClient, load: Load, message: dict[str, str]) -> None:
    load.counts["requests"] += 1
    async with client.stream("POST", "/v1/chat", json={**message, "stream": True}) as response:
        text = (await response.aread()).decode()
    if response.is_success and "event: done" not in text and "event: error" not in text:
        load.broken.append("a stream ends with neither `done` nor `error`")
    elif not response.is_success:
        load.counts[f"{response.status_code} in a stream"] += 1


async def _sampled(service: Served, key: str, load: Load) -> Usage:
    """Let the users pause, and read what the process uses when nothing is under way."""
    load.running.clear()
    while load.under_way:  # noqa: ASYNC110 - a few times a minute
        await asyncio.sleep(_PAUSE_S)
    await asyncio.sleep(_QUIET_S)
    used = await usage_of(service, key)
    load.running.set()
    return used


async def _missing(url: str, keys: list[str]) -> int:
    missing = 0
    for key in keys:
        async with client_of(url, key, _PATIENCE_S) as client:
            page = (await client.get("/v1/memories?limit=1000")).json()
            missing += "the anchor of all" not in [one["content"] for one in page["items"]]
    return missing


def _connections(service: Served, proxies: Mapping[str, FaultProxy]) -> Counter[str]:
    """Return how many connections the process holds to each."""
    names = {proxy.port: name for name, proxy in proxies.items()}
    held = psutil.Process(service.process.pid).net_connections("tcp")
    found = Counter(names[one.raddr.port] for one in held if one.raddr and one.raddr.port in names)
    return Counter({name: found[name] for name in sorted(proxies)})


def _part(samples: Sequence[T], number: int) -> Sequence[T]:
    """Return a third of the samples after the warm-up."""
    warm = samples[int(len(samples) * _WARM_SHARE) :]
    size = max(1, len(warm) // 3)
    return warm[number * size : (number + 1) * size] or warm[-1:]


def _third_of(connections: Sequence[Counter[str]], number: int) -> dict[str, float]:
    """Return the medians of a third."""
    part = _part(connections, number)
    return {name: statistics.median(one[name] for one in part) for name in part[0]}


def _third(samples: list[Usage], number: int) -> Usage:
    """Return the medians of a third."""
    part = _part(samples, number)
    return Usage(**{name: statistics.median(getattr(one, name) for one in part) for name in Usage.__slots__})


def _drifts(samples: list[Usage]) -> dict[str, float]:
    """Return by how much each has grown from the first third to the last one; shrinking is none."""
    first, last = _third(samples, 0), _third(samples, 2)
    return {
        name: max(0.0, getattr(last, name) / getattr(first, name) - 1.0) for name in ("rss", "descriptors", "tasks")
    }


def _port_of(url: str) -> int:
    return int(url.rpartition(":")[2].partition("/")[0])
