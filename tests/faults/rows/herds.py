"""D21: many who miss the same thing at the same moment: one of them asks for it, and no one takes it from the others.

On the cache's single flight, and on the embeddings behind an engine's searches. In each round the leader stays, goes
away, or meets an error, which goes to all who wait and is not kept.
"""

import asyncio
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any, Final

from context0.cache.bounded import BoundedCache
from context0.cache.loading import LoadingCache
from context0.embeddings.options import EmbedderOptions
from context0.embeddings.registry import build_embedder
from context0.memory.engine import MemoryEngine
from tests.faults.rows.network import sqlite_engine
from tests.faults.rows.outcome import Outcome, RowOptions
from tests.loopback_openai import LoopbackOpenAI, loopback_openai, refusal
from tests.upstream import Upstream

KEYS: Final = 5
_ENDS: Final = ("stays", "goes away", "fails")
_USER: Final = "anna"
_FACT: Final = "Anna plays the cello"


def cache(options: RowOptions) -> Outcome:
    """count: callers of one key at once."""
    return asyncio.run(_cache(options))


def embeddings(options: RowOptions) -> Outcome:
    """count: searches of one text at once."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_embeddings(options, Path(folder)))


async def _cache(options: RowOptions) -> Outcome:
    counts: Counter[str] = Counter({"more than one call": 0, "followers that failed": 0, "errors kept": 0})
    loaded: LoadingCache[str, str] = LoadingCache(BoundedCache(max_bytes=1 << 20, ttl_s=60))
    for number in range(KEYS):
        for end in _ENDS:
            key, upstream = f"{end} {number}", Upstream()
            upstream.error = ValueError("down") if end == "fails" else None
            asked = [asyncio.create_task(loaded.get_or_load(key, upstream)) for _ in range(options.count)]
            await upstream.called.wait()
            followers = _without_leader(asked, end)
            upstream.go.set()
            answers = await asyncio.gather(*followers, return_exceptions=True)
            _count(counts, followers, upstream.calls)
            counts["followers that failed"] += sum(
                not isinstance(one, ValueError) if end == "fails" else one != "answer 1" for one in answers
            )
            upstream.error = None
            counts["errors kept"] += end == "fails" and await loaded.get_or_load(key, upstream) != "answer 2"
    return _outcome(counts)


async def _embeddings(options: RowOptions, folder: Path) -> Outcome:
    counts: Counter[str] = Counter({"more than one call": 0, "followers that failed": 0, "errors kept": 0})
    async with loopback_openai() as server:
        known = EmbedderOptions(base_url=server.base_url, api_key="x", model="stub")
        embedder = build_embedder("openai", known)
        async with sqlite_engine(folder, embedder=embedder) as engine:
            await engine.add(_FACT, user_id=_USER, wait=True)
            for number in range(KEYS):
                for end in _ENDS:
                    await _searches(engine, server, f"cello {end} {number}", end, options.count, counts)
    return _outcome(counts)


async def _searches(
    engine: MemoryEngine, server: LoopbackOpenAI, text: str, end: str, callers: int, counts: Counter[str]
) -> None:
    """Search for one text as often as there are callers, while the server of embeddings lets them wait."""

    async def search() -> Any:
        return await engine.search(text, user_id=_USER, deadline_ms=60_000)

    before = len(server.requests)
    server.gate.clear()
    if end == "fails":
        server.script(refusal(400))
    asked = [asyncio.create_task(search()) for _ in range(callers)]
    await server.arrived(before + 1)
    followers = _without_leader(asked, end)
    server.gate.set()
    answers = await asyncio.gather(*followers, return_exceptions=True)
    _count(counts, followers, len(server.requests) - before)
    missing = ("semantic",) if end == "fails" else ()
    counts["followers that failed"] += sum(not _is_found(one, missing) for one in answers)
    if end == "fails":
        counts["errors kept"] += not _is_found(await search(), ())


def _without_leader(asked: list["asyncio.Task[Any]"], end: str) -> list["asyncio.Task[Any]"]:
    if end != "goes away":
        return asked
    asked[0].cancel()
    return asked[1:]


def _count(counts: Counter[str], followers: list["asyncio.Task[Any]"], calls: int) -> None:
    counts["callers"] += len(followers)
    counts["calls upstream"] += calls
    counts["more than one call"] += calls != 1


def _is_found(found: Any, missing: tuple[str, ...]) -> bool:
    if isinstance(found, BaseException):
        return False
    return found.degraded == missing and [one.memory.content for one in found.items] == [_FACT]


def _outcome(counts: Counter[str]) -> Outcome:
    return Outcome.of(
        {"keys": KEYS * len(_ENDS), **counts}, "more than one call", "followers that failed", "errors kept"
    )
