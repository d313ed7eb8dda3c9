"""What the process of a service uses, and clients of it."""

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from tests.served_process import Served

LEVEL_S: Final = 20.0
_LOOK_S: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """rss: resident memory in MB."""

    rss: float
    descriptors: float
    tasks: float


def client_of(url: str, key: str, patience_s: float = 30.0) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=url, headers={"authorization": f"Bearer {key}"}, timeout=patience_s)


async def usage_of(service: Served, operator: str) -> Usage:
    """Read what the process uses now. operator: the key of one."""
    async with client_of(service.url, operator) as client:
        told = (await client.get("/metrics")).text
    tasks = next(float(line.split()[-1]) for line in told.splitlines() if line.startswith("context0_tasks"))
    place = Path(f"/proc/{service.process.pid}")
    pages = int((place / "statm").read_text().split()[1])
    return Usage(rss=round(pages * 4_096 / 1e6, 1), descriptors=len(list((place / "fd").iterdir())), tasks=tasks)


async def level_usage(service: Served, operator: str, least: Usage | None = None) -> Usage:
    """Return what the process uses when nothing goes on in it: it stands still, or is no more than `least`."""
    ends_at, before = time.monotonic() + LEVEL_S, await usage_of(service, operator)
    while True:
        await asyncio.sleep(_LOOK_S)
        now = await usage_of(service, operator)
        is_level = (now.descriptors, now.tasks) == (before.descriptors, before.tasks)
        is_low = least is None or (now.descriptors <= least.descriptors and now.tasks <= least.tasks)
        if (is_level and is_low) or time.monotonic() > ends_at:
            return now
        before = now
