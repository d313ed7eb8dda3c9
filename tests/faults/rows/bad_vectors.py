"""D17: a server of embeddings that answers wrongly in every way: no wrong vector is stored, and what waits comes after.

Each round adds memories, searches and does the index work while the server fails in one way; then it is well again.
Whatever is stored, during and after, is the one right vector of its text: in the documents, in a store of vectors of
its own, and in the cache. A search meanwhile says which part of it is missing.
"""

import asyncio
import itertools
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any, Final

import numpy as np

from context0.embeddings.options import EmbedderOptions
from context0.embeddings.protocol import Embedder
from context0.embeddings.registry import build_embedder
from context0.errors import EmbeddingError, EmbeddingModelMismatch
from context0.memory.engine import MemoryEngine
from stores.records import Scope
from stores.reference.vectors import ReferenceVectors
from tests.engine_bench import EngineBench, open_bench
from tests.faults.rows.outcome import Outcome, RowOptions
from tests.loopback_openai import (
    CUT,
    DIMENSION,
    HANG,
    Answer,
    LoopbackOpenAI,
    Request,
    answer_with,
    good,
    items_for,
    loopback_openai,
    one_short,
    refusal,
    swapped,
    vector_of,
    with_vector,
)

MEMORIES: Final = 6
USER: Final = "anna"
_DEADLINE_S: Final = 0.5
_LONGEST_S: Final = 60.0
_SPOILT: Final = "x5 "
_ALIKE: Final = 0.999
_ZERO: Final = ("bad vectors stored", "left pending", "wrong empty answers", "not found afterwards", "odd failures")
Fault = Callable[[Request], Answer] | Answer


def _each(vector: object) -> Fault:
    """Return an answer in which every vector is this one."""
    return lambda request: answer_with([{**item, "embedding": vector} for item in items_for(request)])


def _numbered(change: Callable[[int, int], int]) -> Fault:
    """Return an answer with other numbers at its vectors. change: takes a number and how many there are."""

    def reply(request: Request) -> Answer:
        items = items_for(request)
        return answer_with([{**item, "index": change(item["index"], len(items))} for item in items])

    return reply


def _spoilt(request: Request) -> Answer:
    """Return a good answer but for the vectors of some texts."""
    items = items_for(request)
    spoilt = [{**item, "embedding": [0.0] * DIMENSION} for item in items]
    return answer_with([spoilt[n] if _SPOILT in text else items[n] for n, text in enumerate(request.texts)])


def _shortened(request: Request) -> Answer:
    vectors = [vector_of(text, DIMENSION // 2).tolist() for text in request.texts]
    return answer_with([{"object": "embedding", "index": n, "embedding": one} for n, one in enumerate(vectors)])


FAULTS: Final[Mapping[str, Fault]] = {
    "NaN": _each([float("nan")] * DIMENSION),
    "one NaN": with_vector([float("nan"), *[0.5] * (DIMENSION - 1)]),
    "infinity": _each([float("inf"), *[0.0] * (DIMENSION - 1)]),
    "beyond float32": _each([1e300] * DIMENSION),
    "zero": _each([0.0] * DIMENSION),
    "wrong dimension": _shortened,
    "two dimensions": with_vector([0.5] * (DIMENSION + 1)),
    "no dimension": _each([]),
    "text for numbers": _each(["a"] * DIMENSION),
    "none for numbers": _each(None),
    "short list": one_short,
    "empty list": answer_with([]),
    "swapped order": swapped,
    "one number twice": _numbered(lambda _, __: 0),
    "numbers too high": _numbered(lambda number, count: number + count),
    "429": refusal(429),
    "429, later": refusal(429, retry_after="60"),
    "500": refusal(500),
    "401": refusal(401),
    "400": refusal(400),
    "one text": _spoilt,
    "no JSON": Answer(b"<html>"),
    "another shape": Answer(b'{"data": {"embedding": [1, 2]}}'),
    "timeout": HANG,
    "cut": CUT,
}
HARMLESS: Final = frozenset({"swapped order", "one number twice"})
"""The vectors are numbered, so that their order says nothing; and a text that is asked for alone has the number 0."""
MILD: Final = HARMLESS | {"one text"}
"""What a search need not notice."""
MODEL_CHANGE: Final = "model change"


def run(options: RowOptions) -> Outcome:
    """count: rounds, each fault in turn, and after them the change of the model."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_run(options, Path(folder)))


async def _run(options: RowOptions, folder: Path) -> Outcome:
    counts: Counter[str] = Counter(dict.fromkeys(_ZERO, 0))
    met: list[str] = []
    kinds = [*FAULTS, MODEL_CHANGE]
    Random(options.seed).shuffle(kinds)
    async with loopback_openai() as server, open_bench("sqlite", folder) as bench:
        stored = ReferenceVectors()
        embedder = _embedder(server, "stub")
        engine = bench.engine(embedder=embedder, vectors=stored, search_deadline_ms=60_000)
        await engine.add("the first word", user_id=USER, wait=True)  # so that the store has its model
        for number, kind in enumerate(itertools.islice(itertools.cycle(kinds), options.count)):
            counts["rounds"] += 1
            before = Counter(counts)
            if kind == MODEL_CHANGE:
                await _changed(bench, server, stored, counts, number)
            else:
                await _faulty(bench, engine, server, kind, counts, number)
            await _healed(bench, engine, server, counts, number)
            await _look(engine, stored, counts)
            met += [f"{kind}: {name}" for name in _ZERO if counts[name] > before[name]]
        for text in [memory.content async for memory, _ in engine.export(user_id=USER)]:
            counts["looks into the cache"] += 1
            counts["bad vectors stored"] += not _is_right((await embedder.embed([text]))[0], text)
        await embedder.aclose()
    return Outcome.of(dict(counts), *_ZERO, broken=tuple(met[:8]))


def _embedder(server: LoopbackOpenAI, model: str) -> Embedder:
    known = EmbedderOptions(
        base_url=server.base_url,
        model=model,
        encoding_format="float",
        deadline_s=_DEADLINE_S,
        attempt_timeout_s=_DEADLINE_S / 2,
    )
    return build_embedder("openai", known)


def _texts(number: int) -> list[str]:
    return [f"word{number}x{n} stands in round {number}" for n in range(MEMORIES)]


async def _faulty(
    bench: EngineBench, engine: MemoryEngine, server: LoopbackOpenAI, kind: str, counts: Counter[str], number: int
) -> None:
    """Add, search and work while the server fails."""
    server.otherwise = FAULTS[kind]
    notes: list[Any] = [{"content": text} for text in _texts(number)]
    await engine.add_many(notes, user_id=USER)
    for _ in range(2):
        await engine.flush()
        bench.clock.advance(minutes=11)
    found = await engine.search(f"What is round {number}? word{number}x0", user_id=USER, min_relevance=0)
    counts["searches meanwhile"] += 1
    counts["searches that name what is missing"] += "semantic" in found.degraded
    counts["wrong empty answers"] += not found.items or (kind not in MILD and not found.degraded)
    pending = [memory async for memory, _ in engine.export(user_id=USER) if memory.index.state != "done"]
    counts["pending meanwhile"] += len(pending)
    counts["odd failures"] += (kind not in HARMLESS) != bool(pending)


async def _changed(
    bench: EngineBench, server: LoopbackOpenAI, stored: ReferenceVectors, counts: Counter[str], number: int
) -> None:
    """Let a process with another model try the same: it is told so, and stores no vector of that model."""
    server.otherwise = _of_another_model
    other = _embedder(server, "another")
    engine = bench.engine(embedder=other, vectors=stored)
    for work in (
        lambda: engine.add(_texts(number)[0], user_id=USER),
        lambda: engine.search("What is it?", user_id=USER),
        engine.flush,
    ):
        try:
            await work()
        except EmbeddingModelMismatch:
            counts["refused for another model"] += 1
        except EmbeddingError:
            counts["odd failures"] += 1
    bench.forget(engine)
    await engine.aclose()


def _of_another_model(request: Request) -> Answer:
    """Of the same length, and all others."""
    items = items_for(request)
    return answer_with([{**item, "embedding": [-value for value in item["embedding"]]} for item in items])


async def _healed(
    bench: EngineBench, engine: MemoryEngine, server: LoopbackOpenAI, counts: Counter[str], number: int
) -> None:
    """Let the server be well again, and see what waited come, and be found."""
    server.otherwise = good
    async with asyncio.timeout(_LONGEST_S):
        for _ in range(5):
            bench.clock.advance(minutes=11)
            await engine.flush()
    states = Counter([memory.index.state async for memory, _ in engine.export(user_id=USER)])
    counts["left pending"] += sum(count for state, count in states.items() if state != "done")
    text = _texts(number)[0]
    known = {memory.content async for memory, _ in engine.export(user_id=USER)}
    if text in known:
        found = await engine.search(text, user_id=USER, strategies=["semantic"], min_relevance=0)
        counts["searches afterwards"] += 1
        counts["not found afterwards"] += not found.items or found.items[0].memory.content != text


async def _look(engine: MemoryEngine, stored: ReferenceVectors, counts: Counter[str]) -> None:
    """Compare every vector that is stored with the right one of its text."""
    scope = Scope(owner=USER)
    texts = {memory.id: memory.content async for memory, _ in engine.export(user_id=USER)}
    async for rows in engine._parts.documents.scan(scope=scope):
        for row in rows:
            if row.embedding is not None:
                counts["vectors looked at"] += 1
                counts["bad vectors stored"] += not _is_right(np.frombuffer(row.embedding, "<f4"), texts[row.id])
    for memory_id, vector in stored._points.get(scope.owner, {}).items():
        counts["vectors looked at"] += 1
        counts["bad vectors stored"] += memory_id not in texts or not _is_right(vector, texts[memory_id])


def _is_right(vector: Any, text: str) -> bool:
    right = vector_of(text)
    return vector.shape == right.shape and bool(np.isfinite(vector).all()) and float(vector @ right) > _ALIKE
