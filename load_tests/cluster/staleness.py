"""How old a read may be after another process has acknowledged a write: by polling, and with the consistency token."""

import asyncio
import statistics
import time
from typing import Any

import httpx

from load_tests.cluster.processes import Fleet

_HEADER = "context0-consistency"
_POLL_S = 0.1


async def measured(fleet: Fleet, *, writes: int, users: int, bound_s: float) -> dict[str, Any]:
    """Write through one process, read through another; half of the reads are searches, half are lists."""
    without: list[float] = []
    late: list[float] = []
    with_token = [0, 0]
    async with asyncio.TaskGroup() as group:
        for number in range(users):
            group.create_task(_user(fleet, f"reader{number}", writes // users, without, late, with_token))
    return {
        "writes": len(without),
        "bound_s": bound_s,
        "last_stale_read_max_s": round(max(late, default=0.0), 3),
        "last_stale_read_p50_s": round(statistics.median(late), 3) if late else 0.0,
        "writes_not_seen_at_once": len(late),
        "seen_after_max_s": round(max(without), 3),
        "beyond_the_bound": sum(age > bound_s for age in late),
        "reads_with_token": with_token[0],
        "stale_with_token": with_token[1],
    }


async def _user(
    fleet: Fleet, user: str, writes: int, without: list[float], late: list[float], with_token: list[int]
) -> None:
    headers = {"authorization": f"Bearer {fleet.token(user)}"}
    async with (
        httpx.AsyncClient(base_url=fleet.urls[0], headers=headers, timeout=120) as first,
        httpx.AsyncClient(base_url=fleet.urls[1], headers=headers, timeout=120) as second,
    ):
        await _add(first, f"{user} begins")
        await _search(second, "begins", {})
        for number in range(writes):
            word = f"{user}w{number}z"
            writer, reader = (first, second) if number % 2 else (second, first)
            read = _search if number % 4 < 2 else _list
            await _search(reader, word, {})  # what the reader holds is new now: the worst moment for a write
            added = await _add(writer, f"note of {word}")
            acknowledged, memory_id = time.perf_counter(), added.json()["id"]
            last_stale = None
            while True:
                began = time.perf_counter() - acknowledged
                if memory_id in await read(reader, word, {}):
                    break
                last_stale = began
                await asyncio.sleep(_POLL_S)
            without.append(began)
            if last_stale is not None:
                late.append(last_stale)
            again = await _add(writer, f"then {word}")
            token = {_HEADER: again.headers[_HEADER]}
            with_token[0] += 1
            with_token[1] += again.json()["id"] not in await read(reader, word, token)


async def _add(client: httpx.AsyncClient, content: str) -> httpx.Response:
    return await _asked(client, "POST", "/v1/memories", json={"content": content})


async def _search(client: httpx.AsyncClient, word: str, headers: dict[str, str]) -> list[str]:
    body = {"query": word, "limit": 5}
    told = await _asked(client, "POST", "/v1/memories/search", json=body, headers=headers)
    return [one["memory"]["id"] for one in told.json()["items"]]


async def _list(client: httpx.AsyncClient, _: str, headers: dict[str, str]) -> list[str]:
    told = await _asked(client, "GET", "/v1/memories", params={"limit": 5}, headers=headers)
    return [one["id"] for one in told.json()["items"]]


async def _asked(client: httpx.AsyncClient, method: str, path: str, **request: Any) -> httpx.Response:
    return (await client.request(method, path, **request)).raise_for_status()
