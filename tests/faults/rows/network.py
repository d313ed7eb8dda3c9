"""D8, D9, D18: each server behind a proxy that refuses, hangs, delays, resets, cuts and trickles, in turn.

An answer is right or a typed error, within its budget; a part that is missing is named; afterwards all works again.
"""

import asyncio
import itertools
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any, Final, Literal

from context0.cache.shared import SharedCache
from context0.chat.service import ChatService
from context0.clock import SystemClock
from context0.embeddings.options import EmbedderOptions
from context0.embeddings.registry import build_embedder
from context0.llm.options import LlmOptions
from context0.llm.registry import build_llm
from context0.memory.engine import MemoryEngine
from context0.memory.parts import EngineParts, Limits
from stores.errors import StoreError
from stores.local.vectors import LocalVectors
from stores.mongo.chats import MongoChats
from stores.mongo.client import MongoDatabase, MongoOptions
from stores.mongo.documents import MongoDocuments
from stores.mongo.graph import MongoGraph
from stores.redis.cache import RedisCache
from stores.sqlite.chats import SqliteChats
from stores.sqlite.database import SqliteDatabase
from stores.sqlite.documents import SqliteDocuments
from stores.sqlite.graph import SqliteGraph
from tests.engine_bench import HashingEmbedder
from tests.fault_proxy import BLACKHOLE, HEALTHY, REFUSE, TRICKLE, Fault, FaultProxy, cut, delay, fault_proxy, reset
from tests.faults.rows.outcome import Lag, Outcome, RowOptions, Tally, loop_lag, quantile
from tests.loopback_llm import Reply, loopback_llm
from tests.loopback_openai import loopback_openai
from tests.mongo_server import database_url, fresh_name
from tests.redis_server import redis_server

FAULTS: Final[Mapping[str, Fault]] = {
    "refuse": REFUSE,
    "blackhole": BLACKHOLE,
    "jitter": delay(0.02, 0.1),
    "late": delay(5.0),
    "reset": reset(20),
    "cut": cut(20),
    "trickle": TRICKLE,
}
BUDGET_S: Final = 1.0
MONGODB_S: Final = BUDGET_S + 0.5
"""PyMongo looks for a server in steps of half a second, whatever its deadline."""
RECOVERY_S: Final = 60.0
_LAG_S: Final = 0.5
"""A call that blocked the loop while a server is silent would block it for a second and more."""
_USER: Final = "anna"
_FACT: Final = "Anna plays the cello"
_QUESTION: Final = "What does Anna play? cello"
_SAID: Final = "You play the cello."


def run(work: Callable[[RowOptions, Path], Coroutine[Any, Any, Outcome]], options: RowOptions) -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(work(options, Path(folder)))


def mongodb(options: RowOptions) -> Outcome:
    """D8: MongoDB; additions that were acknowledged are there afterwards, once."""
    return run(_mongodb, options)


def redis(options: RowOptions) -> Outcome:
    """D9: Redis, which nobody may notice."""
    return run(_redis, options)


def llm(options: RowOptions) -> Outcome:
    """D18: the language model; a turn has its answer, from memory if need be, and says so."""
    return run(_llm, options)


def embeddings(options: RowOptions) -> Outcome:
    """D8, D17: the server of embeddings; a search says that one arm is missing, and nothing stays unindexed."""
    return run(_embeddings, options)


def faults(options: RowOptions) -> list[tuple[str, Fault]]:
    """Return `count` faults: each kind in turn, in an order by chance."""
    kinds = list(FAULTS.items())
    Random(options.seed).shuffle(kinds)
    return list(itertools.islice(itertools.cycle(kinds), options.count))


def engine_on(documents: Any, graph: Any, chats: Any, **parts: Any) -> MemoryEngine:
    limits = Limits(
        index_interval_s=0.2, search_deadline_ms=BUDGET_S * 1_000, owner_index_staleness_s=0.0, search_cache_bytes=0
    )
    known = {"embedder": HashingEmbedder(), "clock": SystemClock(), "limits": limits, **parts}
    return MemoryEngine(
        parts=EngineParts(documents=documents, graph=graph, chats=chats, vectors=LocalVectors(documents), **known)
    )


def sqlite_engine(folder: Path, *, synchronous: Literal["FULL", "NORMAL"] = "NORMAL", **parts: Any) -> MemoryEngine:
    database = SqliteDatabase(folder / "context0.db", synchronous=synchronous)
    return engine_on(SqliteDocuments(database), SqliteGraph(database), SqliteChats(database), **parts)


@asynccontextmanager
async def faulty(
    proxy: FaultProxy, tally: Tally, kind: str, fault: Fault, recovered: Callable[[], Awaitable[bool]]
) -> AsyncIterator[None]:
    """Let the proxy fail while the block lasts, and wait until what stands behind it is used again."""
    tally.counts[f"faults: {kind}"] += 1
    await proxy.turn(fault)
    yield
    await proxy.turn(HEALTHY)
    began = time.monotonic()
    while not await recovered():
        if time.monotonic() - began > RECOVERY_S:
            tally.broken.append(f"{kind}: it does not come back")
            return
        await asyncio.sleep(0.02)
    tally.counts["recoveries"] += 1


def told(tally: Tally, lag: Lag, **more: float) -> Outcome:
    if lag.max_s > _LAG_S:
        tally.broken.append(f"the event loop stood still for {lag.max_s:.2f} s")
    p99 = round(quantile(tally.times_s, 0.99), 3)
    return tally.outcome(**more, **{"event loop lag max, s": round(lag.max_s, 3), "answer or error p99, s": p99})


async def _mongodb(options: RowOptions, _folder: Path) -> Outcome:
    tally, url = Tally(), database_url(fresh_name())
    name, port = url.rpartition("/")[2], int(url.rpartition("/")[0].rpartition(":")[2])
    added: list[str] = []

    async with fault_proxy(port) as proxy, loop_lag() as lag:
        mongo = MongoOptions(timeout_s=BUDGET_S, server_selection_s=BUDGET_S, min_pool=0)
        database = MongoDatabase(f"mongodb://127.0.0.1:{proxy.port}/{name}", options=mongo)
        documents = MongoDocuments(database)
        async with engine_on(documents, MongoGraph(database), MongoChats(database)) as engine:
            first = await engine.add(_FACT, user_id=_USER)

            async def is_back() -> bool:
                try:
                    return bool((await engine.list(user_id=_USER)).items)
                except StoreError:
                    return False

            def found(answer: Any) -> bool:
                return bool(answer.degraded) or any(one.memory.id == first.id for one in answer.items)

            async def add(text: str) -> None:
                if await tally.call("add", MONGODB_S, lambda: engine.add(text, user_id=_USER), bool) is not None:
                    added.append(text)

            for number, (kind, fault) in enumerate(faults(options)):
                async with faulty(proxy, tally, kind, fault, is_back):
                    await asyncio.gather(
                        tally.call("get", MONGODB_S, lambda: engine.get(first.id, user_id=_USER), bool),
                        tally.call(
                            "list", MONGODB_S, lambda: engine.list(user_id=_USER), lambda page: bool(page.items)
                        ),
                        tally.call("search", MONGODB_S, lambda: engine.search(_QUESTION, user_id=_USER), found),
                        add(f"note number {number}"),
                    )
            stored = [one.content async for one, _ in engine.export(user_id=_USER)]
    lost, twice = len(set(added) - set(stored)), len(stored) - len(set(stored))
    if lost or twice:
        tally.broken.append(f"{lost} lost, {twice} twice")
    return told(tally, lag, acknowledged=len(added), lost=lost, duplicates=twice)


async def _redis(options: RowOptions, folder: Path) -> Outcome:
    tally = Tally()
    questions = [f"note {n}" for n in range(20)]
    with redis_server(folder) as server:
        async with fault_proxy(server.port) as proxy, loop_lag() as lag:
            shared = SharedCache(RedisCache(f"redis://127.0.0.1:{proxy.port}/0"))
            async with loopback_openai() as vectors:
                options_of = EmbedderOptions(base_url=vectors.base_url, api_key="x", model="stub", cache_bytes=3_000)
                embedder = build_embedder("openai", options_of, None, shared)
                async with sqlite_engine(folder, embedder=embedder, shared=shared) as engine:
                    notes = [{"content": text} for text in questions]
                    await engine.add_many(notes, user_id=_USER, wait=True)  # type: ignore[arg-type]  # plain dicts

                    async def answers() -> list[list[str]]:
                        found = [await engine.search(text, user_id=_USER, limit=3) for text in questions]
                        return [[item.memory.content for item in one.items] for one in found]

                    async def is_back() -> bool:
                        hits = shared.statistics().hits
                        await answers()
                        return shared.statistics().hits > hits

                    expected = await answers()
                    for kind, fault in faults(options):
                        async with faulty(proxy, tally, kind, fault, is_back):
                            await tally.call("20 searches", 20 * BUDGET_S, answers, lambda got: got == expected)
    errors = sum(count for name, count in tally.counts.items() if name.startswith("typed errors"))
    if errors:
        tally.broken.append(f"{errors} searches failed, for the lack of a cache")
    return told(tally, lag, errors=errors)


async def _llm(options: RowOptions, folder: Path) -> Outcome:
    tally, opened = Tally(), 0
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(loopback_llm())
        server.otherwise = Reply(tokens=tuple(_SAID.split(" ")), interval_s=0.0)
        proxy = await stack.enter_async_context(fault_proxy(int(server.base_url.rpartition(":")[2].split("/")[0])))
        lag = await stack.enter_async_context(loop_lag())
        known = LlmOptions(
            base_url=f"http://127.0.0.1:{proxy.port}/v1",
            model="stub",
            deadline_s=BUDGET_S,
            first_token_s=0.4,
            between_tokens_s=0.4,
            breaker_open_s=0.5,
        )
        model = build_llm("openai", known)
        stack.push_async_callback(model.aclose)
        engine = await stack.enter_async_context(sqlite_engine(folder))
        chat = await stack.enter_async_context(ChatService(engine, llm=model))
        await engine.add(_FACT, user_id=_USER)

        async def ask() -> Any:
            return await chat.send(_QUESTION, user_id=_USER)

        def is_told(reply: Any) -> bool:
            whole = reply.text == _SAID.replace(" ", "") and reply.state == "complete"
            missing = reply.state == "fallback" and reply.fallback and _FACT in reply.text
            return bool(whole or missing or (reply.state == "partial" and reply.degraded))

        async def is_back() -> bool:
            return bool((await ask()).state == "complete")

        for kind, fault in faults(options):
            async with faulty(proxy, tally, kind, fault, is_back):
                await asyncio.gather(*(tally.call("turn", BUDGET_S, ask, is_told) for _ in range(10)))
                connected = proxy.connections
                began = time.monotonic()
                await tally.call("turn", BUDGET_S, ask, is_told)
                if proxy.connections == connected and time.monotonic() - began < 0.4 and kind != "jitter":
                    opened += 1
    return told(tally, lag, **{"faults in which the breaker answered": opened})


async def _embeddings(options: RowOptions, folder: Path) -> Outcome:
    tally, added = Tally(), 0
    async with loopback_openai() as server, fault_proxy(_port_of(server.base_url)) as proxy, loop_lag() as lag:
        url = f"http://127.0.0.1:{proxy.port}/v1"
        known = EmbedderOptions(base_url=url, api_key="x", model="stub", deadline_s=BUDGET_S, cache_bytes=0)
        async with sqlite_engine(folder, embedder=build_embedder("openai", known)) as engine:
            await engine.add(_FACT, user_id=_USER, wait=True)

            async def is_back() -> bool:
                found = await engine.search("cello", user_id=_USER)
                indexed = await engine._parts.documents.status()
                return not found.degraded and not indexed.get("index_pending")

            def is_named(found: Any) -> bool:
                by_word = any(one.memory.content == _FACT for one in found.items)
                return by_word and found.degraded in ((), ("semantic",))

            for number, (kind, fault) in enumerate(faults(options)):
                async with faulty(proxy, tally, kind, fault, is_back):
                    note, question = f"oboe note {number}", f"cello {number}"
                    await asyncio.gather(
                        tally.call("add", BUDGET_S, lambda note=note: engine.add(note, user_id=_USER), bool),  # type: ignore[misc]
                        tally.call(
                            "search",
                            BUDGET_S,
                            lambda question=question: engine.search(question, user_id=_USER),  # type: ignore[misc]
                            is_named,
                        ),
                    )
                added += 1
            left = int((await engine._parts.documents.status()).get("index_pending", 0))
    if left:
        tally.broken.append(f"{left} are not indexed")
    return told(tally, lag, **{"added while the server failed": added, "pending in the end": left})


def _port_of(url: str) -> int:
    return int(url.rpartition(":")[2].partition("/")[0])
