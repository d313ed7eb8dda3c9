"""Thousands of streams at once from one process, beside a bare app: `python load_tests/streams_benchmark.py --help`.

Every stream is a chat turn of a user of its own; the model is a loopback server in a process of its own. A stream is
whole, or refused cleanly with 503 and Retry-After; anything else is a failure. The clients are this process.
"""

import argparse
import asyncio
import json
import secrets
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jwt

sys.path.insert(0, str(Path(__file__).parents[1]))

from harness.curves import Curves, p50, p99, told

from load_tests.http_benchmark import _bare, _model, _rss_mb
from load_tests.service.pipelines import request_of
from tests.served_process import served

SHARE_OK = 0.999


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """How one ended. first_byte_ms: from the request to the first byte of the answer."""

    status: str
    first_byte_ms: float


async def read(port: int, request: bytes, opened: asyncio.Semaphore) -> Stream:
    """Read one stream to its end on a connection of its own."""
    try:
        async with opened:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        started = time.perf_counter()
        writer.write(request)
        received = await reader.read(1 << 16)
        first_byte_ms = (time.perf_counter() - started) * 1e3
        tail = received
        while not tail.endswith(b"\r\n0\r\n\r\n") and received[:12] == b"HTTP/1.1 200":
            fresh = await reader.read(1 << 16)
            if not fresh:
                break
            tail = (tail + fresh)[-4_096:]
        writer.close()
    except OSError as failed:
        return Stream(status=type(failed).__name__, first_byte_ms=0.0)
    if received.startswith(b"HTTP/1.1 503") and b"retry-after" in received.lower():
        return Stream(status="shed", first_byte_ms=first_byte_ms)
    whole = received.startswith(b"HTTP/1.1 200") and b"event: done" in tail
    return Stream(status="whole" if whole else received[:12].decode(errors="replace"), first_byte_ms=first_byte_ms)


async def all_read(port: int, requests: Sequence[bytes]) -> list[Stream]:
    opened = asyncio.Semaphore(1_000)  # as many as a listening socket lets wait
    return await asyncio.gather(*(read(port, request, opened) for request in requests))


def tell(curves: dict[str, Curves], name: str, ended: Sequence[Stream], rss_mb: float) -> None:
    whole = [one.first_byte_ms for one in ended if one.status == "whole"]
    shed = [one.first_byte_ms for one in ended if one.status == "shed"]
    counts = {"whole": len(whole), "shed": len(shed), "failed": len(ended) - len(whole) - len(shed), "MB": rss_mb}
    for line, value in counts.items():
        curves["counts"].add(line, name, value)
    if whole:
        curves["ms"].add("first byte, p50", name, p50(whole))
        curves["ms"].add("first byte, p99", name, p99(whole))
    if shed:
        curves["ms"].add("refusal, p99", name, p99(shed))
    for status in {one.status for one in ended} - {"whole", "shed"}:
        print(f"{name}: failed: {status}")


async def measured(options: argparse.Namespace, folder: Path, curves: dict[str, Curves]) -> None:
    body = json.dumps({"message": "What did Lena do with the bike?"}).encode()
    (folder / "answer").write_bytes(b"{}")
    async with _bare(folder / "answer", first_s=options.first_token_s) as floor:
        asked = [request_of("POST", "/v1/chat", "none", body, "text/event-stream")] * options.streams
        tell(curves, "bare app", await all_read(floor.port, asked), _rss_mb(floor.pid))
    secret, until = secrets.token_hex(32), time.time() + 3_600
    users = [jwt.encode({"sub": f"user {n}", "exp": until}, secret) for n in range(options.streams)]
    asked = [request_of("POST", "/v1/chat", token, body, "text/event-stream") for token in users]
    async with _model(first_token_ms=int(1_000 * options.first_token_s), tokens=5, interval_ms=200) as (url, _):
        let_in = options.let_in or options.streams // 2
        for name, most in (("Context0", 2 * options.streams), (f"Context0, {let_in:,} let in", let_in)):
            (folder / name).mkdir()
            settings = {
                "jwt_secret": secret,
                "max_requests": most,
                "max_loop_lag_ms": 60_000 if most > options.streams else 250,
                "llm_provider": "openai",
                "llm_model": "stub",
                "llm_base_url": url,
                "llm_api_key": "none",
                "llm_first_token_s": 300,
                "llm_deadline_s": 600,
                "llm_max_connections": 10_000,
                "chat_extraction": "rules",
                "log_level": "WARNING",
            }
            with served(folder / name, **settings) as service:
                tell(curves, name, await all_read(service.port, asked), _rss_mb(service.process.pid))


def measure(options: argparse.Namespace) -> list[Curves]:
    most_failed = (1 - SHARE_OK) * options.streams
    curves = {
        "counts": Curves(title="Streams", x="", unit="number", asked={"failed": most_failed, "MB": 1_024}),
        "ms": Curves(title="Streams", x="", unit="ms", asked={"first byte, p99": 10_000, "refusal, p99": 100}),
    }
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measured(options, Path(folder), curves))
    return list(curves.values())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=10_000, help="at once; `ulimit -n` must let them")
    parser.add_argument("--let-in", type=int, help="in the second run: CONTEXT0_MAX_REQUESTS (default: half)")
    parser.add_argument("--first-token-s", type=float, default=8.0, help="of the model (default %(default)s)")
    return told(parser, measure)


if __name__ == "__main__":
    sys.exit(main())
