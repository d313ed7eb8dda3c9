"""D20: clients that take nothing of a streamed answer, or a byte a second, while the model goes on and on.

The service keeps a bounded part of what they have not taken, and closes them; others get their answers meanwhile, and
afterwards it holds nothing of it, though the clients still hold their ends: no task, no descriptor, no model's call.
"""

import asyncio
import json
import resource
import socket
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from load_tests.service.pipelines import request_of
from tests.faults.rows.disconnects import settings_for
from tests.faults.rows.outcome import Outcome, RowOptions, quantile
from tests.faults.rows.service import Usage, client_of, level_usage
from tests.loopback_llm import LoopbackLLM, Reply, Request, loopback_llm
from tests.served_process import Served, served_beside

DEADLINE_S: Final = 6.0
SPEECH: Final = ("word " * 3_200,) * 1_000
"""16 MB, 160 kB a second."""
_INTERVAL_S: Final = 0.1
_FILL_S: Final = 20.0
"""So long it takes at most until the buffers on the way are full, on a busy machine."""
_ASKED: Final = "go on and on"
_SEGMENT_BYTES: Final = 1_000
"""As over a network: on the loopback the system would take megabytes of each stream off the service's hands."""
_WINDOW_BYTES: Final = 4_096
_MOST_KB: Final = 2_048
"""Of resident memory, for each such client: its part of the stream and the answer, twice over for malloc's holes."""
_PAGE_MB: Final = resource.getpagesize() / 1e6
_WARM: Final = 10
_PATIENCE_S: Final = 60.0


def run(options: RowOptions) -> Outcome:
    """count: connections, all at once; every other one reads a byte a second."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_run(options, Path(folder)))


def _bounds(count: int) -> dict[str, object]:
    """Calls of the model for all of them, and small caches: what ended may be kept, but is not what is looked for."""
    small = {"turn_log_max_bytes": 1 << 20, "context_cache_bytes": 1 << 20}
    return {"send_deadline_s": DEADLINE_S, "llm_max_connections": count + 50, **small}


@dataclass(slots=True)
class _Beside:
    """What another user met meanwhile, and what the service used at most."""

    times_s: list[float] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    peak_mb: float = 0.0

    async def go_on(self, service: Served, key: str, *, turns: int = 1_000_000) -> None:
        """One turn after the other, so many or until this is cancelled."""
        async with client_of(service.url, key) as client:
            for _ in range(turns):
                began = time.monotonic()
                answer = await client.post("/v1/chat", json={"message": "Yes or no?"})
                self.times_s.append(time.monotonic() - began)
                if not answer.is_success or answer.json()["text"] != "Yes.":
                    self.broken.append(f"another user's turn: {answer.status_code} {answer.text[:100]}")

    async def watch(self, service: Served) -> None:
        """Look at the memory, until this is cancelled."""
        while True:
            self.peak_mb = max(self.peak_mb, _rss_mb(service))
            await asyncio.sleep(0.05)


async def _run(options: RowOptions, folder: Path) -> Outcome:
    async with (
        loopback_llm(_answer) as model,
        served_beside(folder, **settings_for(model, **_bounds(options.count))) as service,
    ):
        model.keep_requests = False
        anna, ben, operator = [
            await asyncio.to_thread(service.key, *told) for told in (("anna",), ("ben",), ("operator", "--operator"))
        ]
        async with _slow_readers(service.port, anna, _WARM):
            await _closed(model, _WARM)
        await _Beside().go_on(service, ben, turns=_WARM)  # which leaves a connection to the model in the pool
        before, beside = await level_usage(service, operator), _Beside()
        others = [asyncio.create_task(work) for work in (beside.go_on(service, ben), beside.watch(service))]
        async with _slow_readers(service.port, anna, options.count):
            times_s = await _closed(model, options.count)
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            after = await level_usage(service, operator, before)
    return _outcome(options.count, times_s, beside, before, after)


def _rss_mb(service: Served) -> float:
    return int(Path(f"/proc/{service.process.pid}/statm").read_text().split()[1]) * _PAGE_MB


def _outcome(count: int, times_s: list[float], beside: _Beside, before: Usage, after: Usage) -> Outcome:
    grown_kb = round(1_000 * (beside.peak_mb - before.rss) / count)
    longest = max(times_s, default=0.0)
    counts = {
        "connections": count,
        "not closed": count - len(times_s),
        "closed after p50, s": round(quantile(times_s, 0.5), 2),
        "closed after, longest, s": round(longest, 2),
        "kB grown at the peak, for each": grown_kb,
        "MB grown in the end": round(after.rss - before.rss, 1),
        "others' turns": len(beside.times_s),
        "others' turns p99, s": round(quantile(beside.times_s, 0.99), 2),
        "tasks left": max(0.0, after.tasks - before.tasks),
        "descriptors left": max(0.0, after.descriptors - before.descriptors),
    }
    broken = beside.broken[:10]
    if longest > _FILL_S + 1.1 * DEADLINE_S:
        broken.append(f"one was held for {longest:.1f} s")
    if grown_kb > _MOST_KB:
        broken.append(f"{grown_kb} kB for each")
    if not beside.times_s:
        broken.append("nobody else had a turn")
    return Outcome.of(counts, "not closed", "tasks left", "descriptors left", broken=tuple(broken))


def _answer(request: Request) -> Reply:
    """To slow readers a speech, to others a word."""
    is_slow = _ASKED in json.dumps(request.body)
    return Reply(tokens=SPEECH, interval_s=_INTERVAL_S) if is_slow else Reply(tokens=("Yes", "."))


async def _closed(model: LoopbackLLM, count: int) -> list[float]:
    """Return after how long the call of each was cut off, in the order in which that happened."""
    began, gone, times_s = time.monotonic(), model.cancelled, list[float]()
    with suppress(TimeoutError):
        async with asyncio.timeout(_PATIENCE_S):
            while len(times_s) < count:
                wanted = gone + len(times_s) + 1
                await model.until(lambda wanted=wanted: model.cancelled >= wanted, within_s=_PATIENCE_S)  # type: ignore[misc]
                times_s.append(time.monotonic() - began)
    return times_s


@asynccontextmanager
async def _slow_readers(port: int, key: str, count: int) -> AsyncIterator[None]:
    """Ask so often at once; the connections stay open until the block ends, whatever the service does."""
    tasks = [asyncio.create_task(_read_slowly(port, key, at_all=bool(number % 2))) for number in range(count)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _read_slowly(port: int, key: str, *, at_all: bool) -> None:
    """Ask, and read a byte a second, or nothing, until this is cancelled."""
    loop = asyncio.get_running_loop()
    with socket.socket() as slow:
        slow.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, _SEGMENT_BYTES)
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _WINDOW_BYTES)
        slow.setblocking(False)
        await loop.sock_connect(slow, ("127.0.0.1", port))
        body = json.dumps({"message": f"Please {_ASKED}."}).encode()
        await loop.sock_sendall(slow, request_of("POST", "/v1/chat", key, body, "text/event-stream"))
        while True:
            await asyncio.sleep(1.0)
            if at_all:
                with suppress(OSError):
                    await loop.sock_recv(slow, 1)
