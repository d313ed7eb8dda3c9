"""One user sends five times what one may; nobody else notices but by the clock, and all of theirs is answered. S18.

python -m tests.faults.rows S18 --count 1000
"""

import asyncio
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Final

import httpx

from tests.faults.rows.outcome import Outcome, RowOptions, quantile
from tests.served_process import served_beside

RATE_PER_S: Final = 40
TIMES: Final = 5
_REFUSALS: Final = frozenset({429, 503})
_NOISY_AT_ONCE: Final = 4


def run(options: RowOptions) -> Outcome:
    """count: requests of the quiet user, once in silence and once beside the noise."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_run(options, Path(folder)))


async def _run(options: RowOptions, folder: Path) -> Outcome:
    counts: Counter[str] = Counter(dict.fromkeys(("quiet user refused", "other failures", "let off"), 0))
    async with served_beside(folder, owner_rate_per_s=RATE_PER_S, owner_rate_burst=RATE_PER_S) as service:
        quiet, noisy = [
            httpx.AsyncClient(
                base_url=service.url,
                headers={"x-api-key": await asyncio.to_thread(service.key, user)},
                timeout=30,
            )
            for user in ("quiet", "noisy")
        ]
        async with quiet, noisy:
            await quiet.post("/v1/memories", json={"content": "Anna plays the cello"})
            await _quiet(quiet, 10, Counter())  # until all is warm
            alone = await _quiet(quiet, options.count, counts)
            ended = asyncio.Event()
            making = [asyncio.create_task(_noise(noisy, ended, counts)) for _ in range(_NOISY_AT_ONCE)]
            began = time.monotonic()
            beside = await _quiet(quiet, options.count, counts)
            took_s = time.monotonic() - began
            ended.set()
            await asyncio.gather(*making)
    quota = RATE_PER_S * (took_s + 1)
    counts["let off"] += counts["noisy answered"] > 1.2 * quota + _NOISY_AT_ONCE
    too_little = () if counts["noisy refused"] else ("the noisy user was never refused: there was no noise",)
    ratio = round(quantile(beside, 0.99) / quantile(alone, 0.99), 2)
    told = {**counts, "noise, times the quota": round(counts["noisy sent"] / quota, 1), "p99 beside, of alone": ratio}
    return Outcome.of(told, "quiet user refused", "other failures", "let off", broken=too_little)


async def _quiet(client: httpx.AsyncClient, count: int, counts: Counter[str]) -> list[float]:
    """Ask as often as one may, not more, and return how long each answer took."""
    times: list[float] = []
    for _ in range(count):
        began = time.monotonic()
        answer = await client.post("/v1/memories/search", json={"query": "What does Anna play?"})
        times.append(time.monotonic() - began)
        counts["quiet user answered"] += answer.is_success
        counts["quiet user refused"] += not answer.is_success
        await asyncio.sleep(max(0.0, 1.1 / RATE_PER_S - times[-1]))
    return times


async def _noise(client: httpx.AsyncClient, ended: asyncio.Event, counts: Counter[str]) -> None:
    """Send its share of the noise, at an even pace."""
    number = 0
    while not ended.is_set():
        began, number = time.monotonic(), number + 1
        answer = await client.post("/v1/memories/search", json={"query": f"What is number {number}?"})
        counts["noisy sent"] += 1
        counts["noisy answered"] += answer.is_success
        counts["noisy refused"] += answer.status_code in _REFUSALS
        counts["other failures"] += not answer.is_success and answer.status_code not in _REFUSALS
        await asyncio.sleep(max(0.0, _NOISY_AT_ONCE / (TIMES * RATE_PER_S) - (time.monotonic() - began)))
