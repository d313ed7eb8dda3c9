"""D9: a Redis that is killed, hung, flushed or full is a slower system: no error and no other answer."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from context0.cache.shared import SharedCache
from context0.embeddings.cached import Cached
from context0.embeddings.keys import VectorSource
from context0.embeddings.shared import SharedVectors
from context0.memory.engine import MemoryEngine
from stores.errors import StoreError, Timeout, Unavailable
from stores.redis.cache import RedisCache
from stores.redis.options import RedisOptions
from tests.engine_bench import HashingEmbedder, contents, many, open_bench
from tests.redis_server import RedisServer, redis_server

QUESTIONS: Final = [f"note {n}" for n in range(30)]
ENDS: Final = 60.0
"""By then every wait has ended, on a busy machine too."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path) as running:
        yield running


class Process:
    """An engine with embeddings from afar: a small cache in memory, and the shared one."""

    def __init__(self, engine: MemoryEngine, embedder: HashingEmbedder, shared: SharedCache) -> None:
        self.engine = engine
        self.embedder = embedder
        self.shared = shared

    async def answers(self) -> list[list[str]]:
        async with asyncio.timeout(ENDS):
            return [contents(await self.engine.search(text, user_id="anna")) for text in QUESTIONS]


@asynccontextmanager
async def processes(folder: Path, url: str, number: int = 1) -> AsyncIterator[list[Process]]:
    source = VectorSource(provider="test", model="hashing")
    made: list[Process] = []
    async with open_bench("sqlite", folder) as bench:
        for _ in range(number):
            embedder = HashingEmbedder(local=False)
            shared = SharedCache(RedisCache(url))
            second = SharedVectors(embedder, source, shared, ttl=timedelta(hours=1))
            cached = Cached(second, source, max_bytes=3_000)
            made.append(Process(bench.engine(embedder=cached, shared=shared), embedder, shared))
        await made[0].engine.add_many(many(30), user_id="anna", wait=True)
        yield made


async def test_what_one_process_embedded_another_takes_from_redis(tmp_path: Path, server: RedisServer) -> None:
    async with processes(tmp_path, server.url, 2) as (first, second):
        assert await first.answers() == await second.answers()
        assert first.embedder.calls
        assert second.embedder.calls == []


@pytest.mark.parametrize("fault", ["kill", "hang", "flush", "plant"])
async def test_the_answers_stay_the_same(tmp_path: Path, server: RedisServer, fault: str) -> None:
    async with processes(tmp_path, server.url) as (process,):
        expected = await process.answers()
        if fault == "kill":
            server.kill()
        elif fault == "hang":
            server.hang()
        elif fault == "flush":
            server.command("FLUSHALL")
        else:
            plant(server)
        assert [await process.answers() for _ in range(3)] == [expected] * 3
        told = process.shared.statistics()
        assert (told.failures > 0) == (fault in ("kill", "hang"))
        assert (told.invalid > 0) == (fault == "plant")


def plant(server: RedisServer) -> None:
    """Put another value under every key: of the right length, with the right beginning."""
    keys = [line for line in server.command("KEYS", "*").split(b"\r\n") if line.startswith(b"context0:")]
    assert len(keys) >= len(QUESTIONS)
    for key in keys:
        server.command("SET", key.decode(), "c0\x01" + "x" * (16 + 256))


async def test_a_redis_that_comes_back_is_used_again(tmp_path: Path, server: RedisServer) -> None:
    async with processes(tmp_path, server.url) as (process,):
        expected = await process.answers()
        server.kill()
        assert await process.answers() == expected
        server.start()
        hits = process.shared.statistics().hits
        async with asyncio.timeout(ENDS):
            while process.shared.statistics().hits < hits + 5:
                assert await process.answers() == expected


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl", "noeviction"])
async def test_a_redis_that_evicts_or_refuses_is_only_slower(tmp_path: Path, policy: str) -> None:
    with redis_server(tmp_path, "--maxmemory", "1mb", "--maxmemory-policy", policy) as server:
        store = RedisCache(server.url, RedisOptions(deadline_s=10.0))
        async with processes(tmp_path, server.url) as (process,):
            expected = await process.answers()
            refused = 0
            for number in range(64):
                try:
                    await store.put_many([(f"{number}-{n}", b"x" * 4_000) for n in range(20)], ttl_s=60)
                except Unavailable:
                    refused += 1
            assert refused > 0 or policy != "noeviction"  # an empty Redis has 1 MB nearly full
            assert await process.answers() == expected
        await store.aclose()


async def test_many_who_wait_for_a_hung_redis_all_end_and_get_nothing(server: RedisServer) -> None:
    store = RedisCache(server.url)
    shared = SharedCache(store)
    shared.arm(bytes(32))
    await shared.put_many([(b"n" * 32, b"value")], ttl_s=60)
    server.hang()
    async with asyncio.timeout(ENDS):
        found = await asyncio.gather(*(shared.get_many([b"n" * 32]) for _ in range(500)))
    assert found == [[None]] * 500
    await shared.aclose()


async def test_a_call_that_was_given_up_mixes_up_no_answers(server: RedisServer) -> None:
    store = RedisCache(server.url, RedisOptions(deadline_s=10.0, max_connections=4))
    names = [f"key-{n}" for n in range(50)]
    await store.put_many([(name, name.encode()) for name in names], ttl_s=60)
    for _ in range(5):
        server.hang()
        calls = [asyncio.create_task(store.get_many([name])) for name in names]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for call in calls[::2]:
            call.cancel()
        server.go_on()
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert answers[1::2] == [[name.encode()] for name in names[1::2]]
        assert [await store.get_many([name]) for name in names] == [[name.encode()] for name in names]
    await store.aclose()


@pytest.mark.parametrize("fault", ["kill", "hang", "not ours"])
async def test_the_store_itself_raises_its_own_errors_only(server: RedisServer, fault: str) -> None:
    store = RedisCache(server.url)
    if fault == "kill":
        server.kill()
    elif fault == "hang":
        server.hang()
    else:
        server.command("LPUSH", "context0:a", "x")
    calls: list[Any] = [store.put_missing("a", b"x", ttl_s=1)]
    if fault != "not ours":
        calls += [store.get_many(["a"]), store.put_many([("a", b"x")], ttl_s=1), store.delete_many(["a"])]
    for call in calls:
        with pytest.raises(StoreError) as caught:
            await call
        assert isinstance(caught.value, Timeout if fault == "hang" else Unavailable)
    await store.aclose()


async def test_an_address_where_nothing_listens_or_answers_is_unavailable() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(1)
        store = RedisCache(f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        with pytest.raises(Timeout, match="did not answer"):
            await store.get_many(["a"])
        await store.aclose()
