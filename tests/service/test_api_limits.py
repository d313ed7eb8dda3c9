"""What is too much: too many requests, too large, too slow; health stays live, others are served. S6, S12, S18, D22."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from context0.api.body import BodyLimits
from context0.api.limits import Buckets, RequestLimits
from context0.api.server import MAX_HEAD_BYTES, ServerTimes
from context0.llm.protocol import Prompt
from context0.llm.scripted import ScriptedLLM
from tests.engine_bench import open_bench
from tests.service_bench import ServiceBench, code_of, open_service

FIVE: Any = {"requests": RequestLimits(max_requests=5, owner_max_requests=3)}


class Held:
    """A model that answers when it is let go."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self._arrived: asyncio.Queue[None] = asyncio.Queue()
        self.llm = ScriptedLLM(self._answer, first_token_s=1.0, sleep=self._wait)

    def _answer(self, prompt: Prompt) -> str:
        return prompt.question

    async def _wait(self, _: float) -> None:
        self._arrived.put_nowait(None)
        await self.go.wait()

    async def asked(self, times: int) -> None:
        """Wait until it was asked so often."""
        async with asyncio.timeout(5):
            for _ in range(times):
                await self._arrived.get()


@asynccontextmanager
async def opened(folder: Path, **changes: Any) -> AsyncIterator[ServiceBench]:
    async with open_bench("reference", folder) as bench, open_service(bench.engine(), **changes) as service:
        yield service


def ask(client: httpx.AsyncClient) -> "asyncio.Task[httpx.Response]":
    return asyncio.create_task(client.post("/v1/chat", json={"message": "hello there"}))


async def test_more_than_the_service_can_do_is_refused_at_once_and_health_stays(tmp_path: Path) -> None:
    held = Held()
    async with opened(tmp_path, llm=held.llm, **FIVE) as service:
        clients = [await service.client(user) for user in ("anna", "ben")]
        running = [ask(clients[0]) for _ in range(3)] + [ask(clients[1]) for _ in range(2)]
        await held.asked(5)
        refused = await clients[1].get("/v1/memories")
        assert (refused.status_code, code_of(refused), refused.headers["retry-after"]) == (503, "overloaded", "1")
        async with service.bare() as nobody:
            assert (await nobody.get("/healthz")).status_code == 200
        held.go.set()
        assert [(await one).status_code for one in running] == [200] * 5
        assert (await clients[1].get("/v1/memories")).status_code == 200


async def test_one_user_cannot_take_all(tmp_path: Path) -> None:
    held = Held()
    async with opened(tmp_path, llm=held.llm, **FIVE) as service:
        anna, ben = await service.client("anna"), await service.client("ben")
        running = [ask(anna) for _ in range(3)]
        await held.asked(3)
        refused = await anna.get("/v1/memories")
        assert (refused.status_code, code_of(refused)) == (429, "too_many_requests")
        assert (await ben.get("/v1/memories")).status_code == 200
        held.go.set()
        await asyncio.gather(*running)
        assert (await anna.get("/v1/memories")).status_code == 200


async def test_a_user_who_asks_too_often_is_told_when_to_come_back(tmp_path: Path) -> None:
    slow = RequestLimits(owner_rate_per_s=0.001, owner_rate_burst=2)
    async with opened(tmp_path, requests=slow) as service:
        anna, ben = await service.client("anna"), await service.client("ben")
        answers = [await anna.get("/v1/memories") for _ in range(3)]
        assert [one.status_code for one in answers] == [200, 200, 429]
        assert code_of(answers[2]) == "rate_limited"
        assert 900 < int(answers[2].headers["retry-after"]) <= 1_000
        assert (await ben.get("/v1/memories")).status_code == 200


def test_a_bucket_fills_again_and_never_above_its_brim() -> None:
    now = [0.0]
    buckets = Buckets(2.0, 3, clock=lambda: now[0])
    assert [buckets.take("anna") for _ in range(4)] == [0, 0, 0, 0.5]
    assert buckets.take("ben") == 0
    now[0] = 0.5
    assert [buckets.take("anna") for _ in range(2)] == [0, 0.5]
    now[0] = 100.0
    assert [buckets.take("anna") for _ in range(4)] == [0, 0, 0, 0.5]


async def test_a_request_that_is_too_large_is_refused_before_it_is_read(tmp_path: Path) -> None:
    async with opened(tmp_path, bodies=BodyLimits(max_bytes=10_000)) as service:
        anna = await service.client("anna")
        refused = await anna.post("/v1/memories", json={"content": "x" * 20_000})
        assert (refused.status_code, code_of(refused)) == (413, "too_large")

        async def endless() -> AsyncIterator[bytes]:
            while True:
                yield b"x" * 1_000

        try:
            streamed = await anna.post("/v1/memories", content=endless(), headers={"content-type": "application/json"})
        except httpx.TransportError:
            pass  # the service closed while we were still sending
        else:
            assert streamed.status_code == 413
        assert (await anna.get("/v1/memories")).json()["items"] == []


async def test_a_body_that_dawdles_is_given_up(tmp_path: Path) -> None:
    async with opened(tmp_path, bodies=BodyLimits(deadline_s=0.1)) as service:
        key = await service.key("anna")
        head = f"POST /v1/memories HTTP/1.1\r\nhost: x\r\nx-api-key: {key}\r\ncontent-type: application/json\r\n"
        told = await _raw(service, f"{head}content-length: 100\r\n\r\n{{".encode())
        assert told.startswith(b"HTTP/1.1 408 ")
        assert orjson.loads(told.partition(b"\r\n\r\n")[2])["error"]["code"] == "too_slow"


@pytest.mark.parametrize("sent", [b"", b"G", b"GET / HTTP/1.1\r\nhost: x\r\n"])
async def test_a_head_that_dawdles_is_given_up(tmp_path: Path, sent: bytes) -> None:
    async with opened(tmp_path, server_times=ServerTimes(head_deadline_s=0.1)) as service:
        assert await _raw(service, sent) == b""


async def test_a_second_request_that_dawdles_is_given_up_too(tmp_path: Path) -> None:
    async with opened(tmp_path, server_times=ServerTimes(head_deadline_s=0.1)) as service:
        url = httpx.URL(service.url)
        reader, writer = await asyncio.open_connection(url.host, url.port)
        writer.write(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        writer.write(b"GET /healthz HTTP/1.1\r\nho")
        async with asyncio.timeout(10):
            assert b"HTTP/1.1" not in await reader.read()
        writer.close()


async def test_a_head_without_end_is_refused(tmp_path: Path) -> None:
    async with opened(tmp_path) as service:
        lines = b"GET /healthz HTTP/1.1\r\n" + b"x-a: b\r\n" * (MAX_HEAD_BYTES // 8 + 1)
        assert (await _raw(service, lines)).startswith(b"HTTP/1.1 431 ")


async def _raw(service: ServiceBench, sent: bytes) -> bytes:
    """Send bytes, and return all that comes until the service closes the connection."""
    url = httpx.URL(service.url)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    try:
        writer.write(sent)
        async with asyncio.timeout(10):
            return await reader.read()
    finally:
        writer.close()
