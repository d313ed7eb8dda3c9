"""What the service costs beside the library, and how its streams behave: `python load_tests/http_benchmark.py --help`.

overhead   p50 of a search and of the time to the first token, one at a time: over HTTP minus in this process.
rate       cached searches a second beside a bare FastAPI route that returns the same bytes, 16 connections, in turns.
streams    1,000 open streams in one process: how many are served whole, resident memory.
cuts       disconnects in the middle of an answer: how long until the model's call is closed, tasks that are left.
resume     resumable turns cut at random places: is each token there, exactly once.
"""

import argparse
import asyncio
import json
import os
import random
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import jwt

sys.path.insert(0, str(Path(__file__).parents[1]))

from context0 import AsyncContext0Client, ChatService, MemoryEngine, Settings
from load_tests.service.pipelines import Caller, answers_per_s, request_of
from tests.fault_proxy import cut, fault_proxy
from tests.served_process import served

QUESTION = "What did Lena do with the bike?"
MEMORIES = 1_000


async def overhead(options: argparse.Namespace, folder: Path) -> dict[str, float]:
    """Ask alternately over HTTP and in this process, with the same memories; the chat's model answers at once.

    Over HTTP by a plain connection, which is what the service costs, and by httpx beside it, which takes its own time.
    """
    memories = [{"content": f"Lena {n} lent the bike to Tom in week {n}", "speaker": "user"} for n in range(MEMORIES)]
    here = Settings(store_url=f"sqlite:///{folder}/here.db", data_dir=folder / "here", llm_provider="scripted")
    (folder / "there").mkdir()
    with served(folder / "there", llm_provider="scripted", log_level="WARNING") as service:
        key = service.key("anna")
        pid, caller = service.process.pid, await Caller.connected(service.port)
        search = partial(request_of, "POST", "/v1/memories/search", key)
        turn = partial(request_of, "POST", "/v1/chat", key, accept="text/event-stream")
        async with MemoryEngine(here) as engine, ChatService(engine) as chat:
            await engine.add_many(memories, user_id="anna")
            async with httpx.AsyncClient(base_url=service.url, headers={"X-API-Key": key}) as client:
                (await client.post("/v1/memories/batch", json={"memories": memories})).raise_for_status()
                searches = await _in_turns(
                    options.sample,
                    lambda n: _search(engine, f"{QUESTION} {n}"),
                    lambda n: caller.ms(search(json.dumps({"query": f"{QUESTION} {n}"}).encode())),
                    lambda n: _search_by_httpx(client, f"{QUESTION} httpx {n}"),
                )
                tokens = await _in_turns(
                    options.sample,
                    lambda n: _first_token(chat, f"{QUESTION} {n}"),
                    lambda n: caller.ms(turn(json.dumps({"message": f"{QUESTION} {n}"}).encode()), b"event: token"),
                    lambda n: _first_token_by_httpx(client, f"{QUESTION} httpx {n}"),
                )
                cpu = await _cpu_of_turns(options.sample, chat, pid, caller, turn)
            await caller.aclose()
    return {
        "search_in_process_ms": searches[0],
        "search_http_ms": searches[1],
        "search_overhead_ms": searches[1] - searches[0],
        "search_httpx_ms": searches[2],
        "first_token_in_process_ms": tokens[0],
        "first_token_http_ms": tokens[1],
        "first_token_overhead_ms": tokens[1] - tokens[0],
        "first_token_httpx_ms": tokens[2],
        "turn_in_process_cpu_ms": cpu[0],
        "turn_http_cpu_ms": cpu[1],
    }


async def rate(options: argparse.Namespace, folder: Path) -> dict[str, float]:
    """Ask the service and a bare route for the same bytes, in turns: who is first changes from round to round."""
    folder.mkdir()
    with served(folder, log_level="WARNING", owner_rate_per_s=1e6, owner_rate_burst=1_000_000) as service:
        key = service.key("anna")
        body = json.dumps({"query": QUESTION, "limit": 10}).encode()
        headers = {"X-API-Key": key}
        async with httpx.AsyncClient(base_url=service.url, headers=headers) as client:
            memories = [{"content": f"Lena lent the bike to Tom in week {n}"} for n in range(MEMORIES)]
            (await client.post("/v1/memories/batch", json={"memories": memories})).raise_for_status()
            answered = await client.post("/v1/memories/search", json=json.loads(body))
            answer = answered.raise_for_status().content
        (folder / "answer.json").write_bytes(answer)
        async with _bare(folder / "answer.json") as floor:
            request = request_of("POST", "/v1/memories/search", key, body)
            ports = {"bare": floor.port, "service": service.port}
            pids = {"bare": floor.pid, "service": service.process.pid}
            rates: dict[str, list[float]] = {name: [] for name in ports}
            cpu_us: dict[str, list[float]] = {name: [] for name in ports}
            for number in range(options.rounds + 1):
                order = list(ports) if number % 2 else list(reversed(ports))
                for name in order:
                    before = _cpu_s(pids[name])
                    per_s = await answers_per_s(ports[name], request, connections=16, seconds=options.seconds)
                    if number:  # the first round warms both
                        rates[name].append(per_s)
                        cpu_us[name].append((_cpu_s(pids[name]) - before) / (per_s * options.seconds) * 1e6)
    return {
        "service_per_s": statistics.median(rates["service"]),
        "bare_per_s": statistics.median(rates["bare"]),
        "ratio": statistics.median(mine / bare for mine, bare in zip(rates["service"], rates["bare"], strict=True)),
        "service_cpu_us": statistics.median(cpu_us["service"]),
        "bare_cpu_us": statistics.median(cpu_us["bare"]),
        "bytes": len(answer),
    }


async def streams(options: argparse.Namespace, folder: Path) -> dict[str, float]:
    """Open many streams, each of a user of its own, all of them at the same time, and read each to its end."""
    folder.mkdir()
    async with _model(first_token_ms=8_000, tokens=5, interval_ms=200) as (model_url, stats):
        secret = secrets.token_hex(32)
        with _with_model(folder, model_url, jwt_secret=secret) as service:
            body = json.dumps({"message": QUESTION}).encode()
            ask = partial(request_of, "POST", "/v1/chat", body=body, accept="text/event-stream")
            until = time.time() + 900
            users = [jwt.encode({"sub": f"user {n}", "exp": until}, secret) for n in range(options.streams)]
            started = time.perf_counter()
            ended = await asyncio.gather(*(_is_answered(service.port, ask(token)) for token in users))
            took = time.perf_counter() - started
            peak, cpu_s = (await stats())["peak"], _cpu_s(service.process.pid)
            rss = _rss_mb(service.process.pid)
    return {
        "streams": len(ended),
        "whole": sum(ended),
        "open_at_once": peak,
        "rss_mb": rss,
        "seconds": took,
        "cpu_s": cpu_s,
    }


async def cuts(options: argparse.Namespace, folder: Path) -> dict[str, float]:
    """Close connections in the middle of answers, and wait until the model's call is closed."""
    folder.mkdir()
    async with _model(first_token_ms=20, tokens=500, interval_ms=20) as (model_url, stats):
        with _with_model(folder, model_url) as service:
            headers = {"X-API-Key": service.key("anna", "--operator")}
            async with httpx.AsyncClient(base_url=service.url, headers=headers, timeout=60) as client:
                await _cut_after(client, 1)
                before = await _tasks(client)
                waits = []
                for n in range(options.cuts):
                    count = (await stats())["cancelled"]
                    await _cut_after(client, 1 + n % 7)
                    started = time.perf_counter()
                    while (await stats())["cancelled"] <= count:
                        await asyncio.sleep(0.001)
                    waits.append((time.perf_counter() - started) * 1000)
                after = await _tasks(client)
    waits.sort()
    return {
        "cuts": len(waits),
        "closed_p50_ms": statistics.median(waits),
        "closed_p99_ms": waits[int(0.99 * (len(waits) - 1))],
        "tasks_before": before,
        "tasks_after": after,
    }


async def resume(options: argparse.Namespace, folder: Path) -> dict[str, float]:
    """Read resumable turns through a proxy that cuts the first connections of each at random places."""
    folder.mkdir()
    chance = random.Random(7)
    whole = 0
    async with _model(first_token_ms=20, tokens=40, interval_ms=5) as (model_url, _):
        with _with_model(folder, model_url) as service:
            key = service.key("anna")
            for _ in range(options.resumes):
                places = [cut(chance.randrange(1_000, 6_000)), cut(chance.randrange(200, 3_000))]
                async with fault_proxy(service.port, places) as proxy:
                    whole += await _is_whole(f"http://127.0.0.1:{proxy.port}", key)
    return {"turns": options.resumes, "whole": whole}


async def _is_whole(url: str, key: str) -> bool:
    """Tell whether the tokens of one resumable turn are its text: each there, and once."""
    told, done = "", ""
    async with AsyncContext0Client(url, key) as client:
        async for event in client.chat.stream(QUESTION, resumable=True):
            told += event.text if event.type == "token" else ""
            done = event.text if event.type == "done" else done
    return bool(done) and told == done


async def _in_turns(sample: int, *asks: Callable[[int], Awaitable[float]]) -> list[float]:
    """Return the median of each in ms, asked in turns, the first ten left out; who is first changes."""
    times: list[list[float]] = [[] for _ in asks]
    for n in range(sample + 10):
        for place in range(len(asks)):
            which = (place + n) % len(asks)
            took = await asks[which](n)
            if n >= 10:
                times[which].append(took)
    return [statistics.median(taken) for taken in times]


async def _search(engine: MemoryEngine, text: str) -> float:
    started = time.perf_counter()
    await engine.search(text, user_id="anna")
    return (time.perf_counter() - started) * 1000


async def _search_by_httpx(client: httpx.AsyncClient, text: str) -> float:
    started = time.perf_counter()
    await client.post("/v1/memories/search", json={"query": text})
    return (time.perf_counter() - started) * 1000


async def _first_token_by_httpx(client: httpx.AsyncClient, text: str) -> float:
    started, took = time.perf_counter(), 0.0
    headers = {"Accept": "text/event-stream"}
    async with client.stream("POST", "/v1/chat", json={"message": text}, headers=headers) as response:
        async for line in response.aiter_lines():
            if line == "event: token" and not took:
                took = (time.perf_counter() - started) * 1000
    return took


async def _first_token(chat: ChatService, text: str) -> float:
    started, took = time.perf_counter(), 0.0
    async for event in chat.stream(text, user_id="anna"):
        if event.type == "token" and not took:
            took = (time.perf_counter() - started) * 1000
    return took


async def _cpu_of_turns(
    sample: int, chat: ChatService, pid: int, caller: Caller, turn: Callable[[bytes], bytes]
) -> tuple[float, float]:
    """Return the processor time of a whole turn in ms: of this process, and of the service, in blocks by turns."""
    here, there = 0.0, 0.0
    for block in range(4):
        started = time.process_time()
        for n in range(sample // 4):
            await _first_token(chat, f"{QUESTION} {block} {n}")
        here += time.process_time() - started
        started = _cpu_s(pid)
        for n in range(sample // 4):
            await caller.ms(turn(json.dumps({"message": f"{QUESTION} {block} {n}"}).encode()))
        there += _cpu_s(pid) - started
    whole = sample // 4 * 4 / 1000
    return here / whole, there / whole


async def _is_answered(port: int, request: bytes) -> bool:
    """Read one stream on a connection of its own; False where it is cut."""
    caller = await Caller.connected(port)
    try:
        return await caller.ms(request, b"event: done") > 0
    except RuntimeError:
        return False
    finally:
        await caller.aclose()


async def _cut_after(client: httpx.AsyncClient, tokens: int) -> None:
    headers = {"Accept": "text/event-stream"}
    async with client.stream("POST", "/v1/chat", json={"message": QUESTION}, headers=headers) as response:
        async for line in response.aiter_lines():
            tokens -= line == "event: token"
            if not tokens:
                return


async def _tasks(client: httpx.AsyncClient) -> int:
    """Return the service's tasks once their number stands still."""
    last = -1
    for _ in range(50):
        answer = (await client.get("/api/performance/metrics")).json()
        if answer["process"]["tasks"] == last:
            return last
        last = answer["process"]["tasks"]
        await asyncio.sleep(0.2)
    return last


@asynccontextmanager
async def _model(
    *, first_token_ms: int, tokens: int, interval_ms: int
) -> AsyncIterator[tuple[str, Callable[[], Awaitable[dict[str, int]]]]]:
    command = [sys.executable, "-m", "tests.loopback_llm", "--port", "0", "--first-token-ms", str(first_token_ms)]
    command += ["--tokens", str(tokens), "--interval-ms", str(interval_ms)]
    process = subprocess.Popen(command, cwd=Path(__file__).parents[1], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    try:
        async with httpx.AsyncClient() as client:

            async def stats() -> dict[str, int]:
                told: dict[str, int] = (await client.get(url.removesuffix("/v1") + "/stats")).json()
                return told

            yield url, stats
    finally:
        process.terminate()
        process.wait()


def _with_model(folder: Path, url: str, **settings: object) -> Any:
    return served(
        folder,
        llm_provider="openai",
        llm_model="stub",
        llm_base_url=url,
        llm_api_key="none",
        llm_first_token_s=60,
        llm_deadline_s=120,
        llm_max_connections=2_000,
        chat_extraction="rules",
        log_level="WARNING",
        **settings,
    )


class _Bare(NamedTuple):
    port: int
    pid: int


@asynccontextmanager
async def _bare(answer: Path, *, first_s: float = 0.0) -> AsyncIterator[_Bare]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "load_tests.service.bare", str(answer), str(port), str(first_s)]
    process = subprocess.Popen(command, cwd=Path(__file__).parents[1])
    try:
        async with httpx.AsyncClient() as client:
            for _ in range(200):
                try:
                    await client.get(f"http://127.0.0.1:{port}/")
                    break
                except httpx.TransportError:
                    await asyncio.sleep(0.05)
        yield _Bare(port, process.pid)
    finally:
        process.terminate()
        process.wait()


def _cpu_s(pid: int) -> float:
    """Return the processor time that a process has taken, in steps of 10 ms."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _rss_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/status").read_text("utf-8").split("VmRSS:")[1].split()[0]) / 1024


PARTS: dict[str, Callable[[argparse.Namespace, Path], Awaitable[dict[str, float]]]] = {
    "overhead": overhead,
    "rate": rate,
    "streams": streams,
    "cuts": cuts,
    "resume": resume,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", default=",".join(PARTS), help="which of %(default)s")
    parser.add_argument("--sample", type=int, default=300, help="calls of the overhead, each way (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of the rate (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=2.0, help="of one round (default %(default)s)")
    parser.add_argument("--streams", type=int, default=1_000, help="streams at the same time (default %(default)s)")
    parser.add_argument("--cuts", type=int, default=200, help="disconnects (default %(default)s)")
    parser.add_argument("--resumes", type=int, default=100, help="turns that are cut and resumed (default %(default)s)")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args()
    told: dict[str, dict[str, float]] = {}
    for part in options.parts.split(","):
        with tempfile.TemporaryDirectory() as folder:
            told[part] = asyncio.run(PARTS[part](options, Path(folder) / part if part != "overhead" else Path(folder)))
        print(part, {name: round(value, 2) for name, value in told[part].items()}, flush=True)
    if options.json:
        options.json.write_text(json.dumps(told, indent=2), "utf-8")


if __name__ == "__main__":
    main()
