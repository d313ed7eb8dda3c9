"""Hit rates of searches and of embeddings, over the engine: one owner and twenty, with writes between."""

import asyncio
import random
import tempfile
from dataclasses import replace
from datetime import timedelta
from typing import Any

from caches.workload import QUERIES, Remote, memories, questions, zipf
from context0 import MemoryEngine, Settings
from context0.embeddings.cached import Cached
from context0.embeddings.keys import VectorSource
from context0.runtime import build_parts


def rows() -> list[dict[str, Any]]:
    return [row for owners, writes in ((1, 0), (20, 0), (20, 100)) for row in asyncio.run(asked(owners, writes))]


async def asked(owners: int, writes_every: int) -> list[dict[str, Any]]:
    """Ask 10,000 questions, let the searches' time pass but not the embeddings', and ask 10,000 more."""
    draw = random.Random(7)
    texts = questions(draw)
    remote = Remote()
    source = VectorSource(provider="study", model=remote.model)
    cached = Cached(remote, source, ttl=timedelta(hours=24))
    with tempfile.TemporaryDirectory() as folder:
        parts = build_parts(Settings(data_dir=folder, store_url=f"sqlite:///{folder}/s.db"))
        async with MemoryEngine(parts=replace(parts, embedder=cached)) as engine:
            for owner in range(owners):
                await engine.add_many(memories(draw, 500), user_id=f"owner {owner}", wait=True)
            searches = engine._answers.searches.cache.cache  # noqa: SLF001 - five minutes are not waited for
            told: list[dict[str, Any]] = []
            for day in ("first 10,000", "next 10,000"):
                before, vectors = searches.statistics(), cached.statistics()
                for number, rank in enumerate(zipf(draw)):
                    owner = f"owner {draw.randrange(owners)}"
                    await engine.search(texts[rank], user_id=owner)
                    if writes_every and number % writes_every == 0:
                        await engine.add(f"news {day} {number}", user_id=owner)
                after, then = searches.statistics(), cached.statistics()
                misses = then.misses - vectors.misses
                told.append(
                    {
                        "owners": owners,
                        "a write every": f"{writes_every} searches" if writes_every else "–",
                        "queries": day,
                        "searches held": percent(after.hits - before.hits, QUERIES),
                        "embeddings paid for": misses,
                        "searches that paid for none": percent(QUERIES - min(misses, QUERIES), QUERIES),
                        "embedding cache, when asked": percent(
                            then.hits - vectors.hits, then.hits - vectors.hits + misses
                        ),
                    }
                )
                searches.clear()  # as after its five minutes
            return told


def percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "–"
