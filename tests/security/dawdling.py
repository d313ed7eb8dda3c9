"""Connections that send a byte now and then, or nothing: none is held longer than the receive deadline. S12.

python -m tests.faults.rows S12 --count 100
"""

import asyncio
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Final

from tests.faults.rows.outcome import SLACK_S, Outcome, RowOptions, quantile
from tests.served_process import served_beside

DEADLINE_S: Final = 1.0
_EVERY_S: Final = 0.1
_PATIENCE_S: Final = 20.0
_HEAD: Final = b"POST /v1/chat HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nx-slow: " + b"y" * 1_000
WAYS: Final = ("nothing", "a head, byte by byte", "half a head, then nothing", "a body, byte by byte", "half a body")


def run(options: RowOptions) -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_run(options, Path(folder)))


async def _run(options: RowOptions, folder: Path) -> Outcome:
    counts: Counter[str] = Counter({"held longer": 0, "connections": options.count})
    async with served_beside(folder, receive_deadline_s=DEADLINE_S) as service:
        key = await asyncio.to_thread(service.key, "anna")
        ways = [WAYS[number % len(WAYS)] for number in range(options.count)]
        times = await asyncio.gather(*(_held_s(service.port, way, key) for way in ways))
    for way, held in zip(ways, times, strict=True):
        counts[way] += 1
        counts["held longer"] += held > 1.1 * DEADLINE_S + SLACK_S
    longest = {"longest, s": round(max(times), 2), "median, s": round(quantile(list(times), 0.5), 2)}
    return Outcome.of({**counts, **longest}, "held longer")


async def _held_s(port: int, way: str, key: str) -> float:
    """Return how long the service keeps such a connection, which never sends a whole request."""
    whole = _HEAD[: _HEAD.index(b"x-slow")] + f"x-api-key: {key}\r\ncontent-length: 1000\r\n\r\n".encode()
    first, rest = {
        "nothing": (b"", b""),
        "a head, byte by byte": (b"", _HEAD),
        "half a head, then nothing": (_HEAD, b""),
        "a body, byte by byte": (whole, b" " * 999),
        "half a body": (whole + b" " * 500, b""),
    }[way]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    began = time.monotonic()
    ended = asyncio.create_task(reader.read())
    try:
        writer.write(first)
        for place in range(len(rest)):
            writer.write(rest[place : place + 1])
            if (await asyncio.wait((ended,), timeout=_EVERY_S))[0]:
                break
        await asyncio.wait((ended,), timeout=_PATIENCE_S)
        return time.monotonic() - began
    finally:
        ended.cancel()
        await asyncio.gather(ended, return_exceptions=True)
        writer.close()
