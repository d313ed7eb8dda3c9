"""What is too much: too many requests, too large, too slow; health stays live, others are served. S6, S12, S18, D22."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from context0.api.body import BodyLimits
from context0.api.errors import Refused
from context0.api.fairness import FairGate
from context0.api.limits import Buckets, RequestLimits
from context0.api.server import MAX_HEAD_BYTES, ServerTimes
from context0.llm.protocol import Prompt
from context0.llm.scripted import ScriptedLLM
from context0.observability.loop_lag import LoopLagMonitor
from context0.observability.recorder import SILENT
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


async def test_waiting_requests_are_taken_from_their_users_in_turn() -> None:
    gate, order = FairGate(RequestLimits(at_work=1, owner_max_waiting=3)), list[str]()

    async def work(owner: str) -> None:
        place = await gate.enter(owner)
        order.append(owner)
        await asyncio.sleep(0)
        place.leave()
        place.leave()  # twice lets nobody else in

    first = await gate.enter("anna")
    waiting = [asyncio.create_task(work(owner)) for owner in ("anna", "anna", "anna", "ben", "cleo")]
    await asyncio.sleep(0)
    with pytest.raises(Refused) as refused:
        await gate.enter("anna")
    assert (refused.value.status_code, refused.value.code) == (429, "too_many_waiting")
    waiting[0].cancel()
    await asyncio.sleep(0)
    first.leave()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert order == ["ben", "cleo", "anna", "anna"] or order == ["anna", "ben", "cleo", "anna"]
    assert (await gate.enter("anna")) is not None, "every place was given back"


async def test_who_waits_for_something_else_keeps_no_place() -> None:
    gate = FairGate(RequestLimits(at_work=1, place_hold_s=0.0))
    await gate.enter("anna")
    async with asyncio.timeout(5):
        await gate.enter("ben")


async def test_while_the_event_loop_is_late_new_requests_are_refused_and_health_stays(tmp_path: Path) -> None:
    late_ms, held = [0.0], Held()
    limits = RequestLimits(max_loop_lag_ms=50.0)
    async with opened(tmp_path, llm=held.llm, requests=limits, loop_lag_ms=lambda: late_ms[0]) as service:
        anna = await service.client("anna")
        late_ms[0] = 51.0
        assert (await anna.get("/v1/memories")).status_code == 200, "with nothing else to do it is not us"
        running = ask(anna)
        await held.asked(1)
        refused = await anna.get("/v1/memories")
        assert (refused.status_code, code_of(refused), refused.headers["retry-after"]) == (503, "overloaded", "1")
        async with service.bare() as nobody:
            assert (await nobody.get("/healthz")).status_code == 200
        late_ms[0] = 49.0
        assert (await anna.get("/v1/memories")).status_code == 200
        held.go.set()
        assert (await running).status_code == 200


async def test_a_hiccup_of_the_event_loop_is_not_taken_for_load() -> None:
    async with LoopLagMonitor(SILENT, interval_s=0.001) as lag:
        await asyncio.sleep(0.02)
        time.sleep(0.05)  # noqa: ASYNC251 - it is the hiccup
        await asyncio.sleep(0.001)
        assert lag.standing_ms < 40


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


async def test_a_byte_now_and_then_does_not_put_off_the_end_of_a_head_or_a_body(tmp_path: Path) -> None:
    """The deadline is of the whole, whatever trickles in. S12."""
    times, bodies = ServerTimes(head_deadline_s=0.3), BodyLimits(deadline_s=0.3)
    async with opened(tmp_path, server_times=times, bodies=bodies) as service:
        key = await service.key("anna")
        head = f"POST /v1/memories HTTP/1.1\r\nhost: x\r\nx-api-key: {key}\r\ncontent-type: application/json\r\n"
        whole = f"{head}content-length: 1000\r\n\r\n".encode()
        assert await _trickled(service, b"", head.encode()) == b""
        told = await _trickled(service, whole, b" " * 1_000)
        assert told.startswith(b"HTTP/1.1 408 ") or not told, "who still sends may not hear it"


async def _trickled(service: ServiceBench, first: bytes, rest: bytes) -> bytes:
    """Send a byte every 20 ms until the service closes the connection; return what it says."""
    url = httpx.URL(service.url)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    answer = asyncio.create_task(reader.read())
    try:
        writer.write(first)
        async with asyncio.timeout(10):
            for place in range(len(rest)):
                writer.write(rest[place : place + 1])
                if (await asyncio.wait((answer,), timeout=0.02))[0]:
                    break
            return await answer
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def test_who_reads_a_byte_now_and_then_is_given_up(tmp_path: Path) -> None:
    """What waits for a slow reader does not wait for ever. D20."""
    many = [{"content": f"{n} " + "x" * 4_000} for n in range(1_000)]
    async with opened(tmp_path, server_times=ServerTimes(stall_s=0.3)) as service:
        await service.services.engine.add_many(many, user_id="anna")
        key = await service.key("anna")
        url = httpx.URL(service.url)
        slow = socket.socket()
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        slow.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(slow, (url.host, url.port))
        with slow:
            head = f"GET /v1/memories?limit=1000 HTTP/1.1\r\nhost: x\r\nx-api-key: {key}\r\n\r\n"
            await loop.sock_sendall(slow, head.encode())
            connections = service.server.server_state.connections
            async with asyncio.timeout(10):
                assert await loop.sock_recv(slow, 1) == b"H"
                assert connections
                while connections:
                    await loop.sock_recv(slow, 1)
                    await asyncio.sleep(0.02)


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


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/healthz", {"code", "message", "request_id"}),
        ("/v1/models", {"code", "message", "request_id", "type", "param"}),
    ],
)
async def test_a_head_without_end_is_refused(tmp_path: Path, path: str, told: set[str]) -> None:
    async with opened(tmp_path) as service:
        lines = f"GET {path} HTTP/1.1\r\n".encode() + b"x-a: b\r\n" * (MAX_HEAD_BYTES // 8 + 1)
        head, _, body = (await _raw(service, lines)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 431 ")
    assert b"\r\ncontent-type: application/json\r\n" in head
    error = orjson.loads(body)["error"]
    assert (error.keys(), error["code"]) == (told, "head_too_large")


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
