"""What `early_stop` saves and costs: recall@10 and time with and without it, where an embedding takes its time.

    python load_tests/early_stop_benchmark.py locomo.jsonl.gz beam.jsonl.gz --delay-ms 50

The embedder is the configured one (static, or `--onnx FOLDER`) behind a delay, as over a network. Questions without
evidence, of LoCoMo's category 5 and of BEAM's ordering, summary and abstention are left out.
"""

import argparse
import asyncio
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.machine import machine_line, pin_blas

if TYPE_CHECKING:
    from context0 import MemoryEngine
    from context0.evaluation.datasets import Conversation

LEFT_OUT = frozenset({"5", "event_ordering", "summarization", "abstention"})
LIMIT = 10
BATCH = 500
DRAWS = 2_000


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--delay-ms", type=float, default=50.0, help="of an embedding (default %(default)s)")
    parser.add_argument("--onnx", help="a folder with model.onnx and tokenizer.json, instead of static vectors")
    parser.add_argument("--json", type=Path, help="write everything to this file")
    return parser


class Delayed:
    """An embedder whose answers to single texts, which are questions, come late."""

    def __init__(self, embedder: Any, delay_s: float) -> None:
        self._embedder = embedder
        self._delay_s = delay_s
        self.asked = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._embedder, name)

    async def embed(self, texts: Sequence[str]) -> Any:
        if len(texts) == 1:
            self.asked += 1
            await asyncio.sleep(self._delay_s)
        return await self._embedder.embed(texts)


@dataclass(frozen=True, slots=True)
class Asked:
    """One question both ways: recall@10 and milliseconds. stopped: no vector was asked for."""

    recall: float
    recall_early: float
    took_ms: float
    took_early_ms: float
    stopped: bool


async def asked_all(conversations: "Sequence[Conversation]", options: argparse.Namespace, folder: str) -> list[Asked]:
    from context0 import MemoryEngine, Settings
    from context0.runtime import build_parts

    model: dict[str, Any] = {"embedding_provider": "onnx", "embedding_model": options.onnx} if options.onnx else {}
    parts = build_parts(Settings(store_url=f"sqlite:///{folder}/early.db", **model))
    embedder = Delayed(parts.embedder, options.delay_ms / 1000)
    asked = []
    async with MemoryEngine(parts=replace(parts, embedder=embedder)) as engine:
        for one in conversations:
            memories: list[Any] = [
                {
                    "content": turn.content[:15_000],
                    "speaker": turn.speaker,
                    "session_id": f"{one.id}-{turn.session}",
                    "occurred_at": turn.occurred_at,
                    "metadata": {"turn_id": turn.id},
                }
                for turn in one.turns
                if turn.content.strip()
            ]
            for start in range(0, len(memories), BATCH):
                await engine.add_many(memories[start : start + BATCH], user_id=one.id)
            await engine.search("first of all", user_id=one.id)
            known = {turn.id for turn in one.turns}
            for question in one.questions:
                evidence = known.intersection(question.evidence)
                if evidence and question.category not in LEFT_OUT:
                    asked.append(await both_ways(engine, embedder, one.id, question.text, evidence))
    return asked


async def both_ways(engine: "MemoryEngine", embedder: Delayed, owner: str, question: str, evidence: set[str]) -> Asked:
    recalls, times = [], []
    asked = 0
    for early_stop in (True, False):
        before, started = embedder.asked, time.perf_counter()
        found = await engine.search(question, user_id=owner, limit=LIMIT, early_stop=early_stop)
        times.append(1000 * (time.perf_counter() - started))
        asked = asked if not early_stop else embedder.asked - before
        turns = {item.memory.metadata["turn_id"] for item in found.items}
        recalls.append(len(turns & evidence) / len(evidence))
    return Asked(recalls[1], recalls[0], times[1], times[0], stopped=asked == 0)


def summary(name: str, asked: Sequence[Asked]) -> dict[str, Any]:
    lost = [100 * (one.recall - one.recall_early) for one in asked]
    draw = random.Random(0)
    means = sorted(statistics.fmean(draw.choices(lost, k=len(lost))) for _ in range(DRAWS))
    return {
        "data": name,
        "questions": len(asked),
        "stopped": round(statistics.fmean(one.stopped for one in asked), 3),
        "recall_at_10": round(100 * statistics.fmean(one.recall for one in asked), 2),
        "points_lost": round(statistics.fmean(lost), 2),
        "interval_95": [round(means[DRAWS // 40], 2), round(means[-DRAWS // 40], 2)],
        "mean_ms": round(statistics.fmean(one.took_ms for one in asked), 2),
        "mean_ms_early_stop": round(statistics.fmean(one.took_early_ms for one in asked), 2),
    }


def main() -> int:
    options = arguments().parse_args()
    pin_blas()  # before numpy is imported by any of these
    from context0.evaluation.datasets import read_conversations

    rows = []
    for path in options.data:
        with tempfile.TemporaryDirectory() as folder:
            asked = asyncio.run(asked_all(list(read_conversations(path)), options, folder))
        rows.append(summary(path.name, asked))
        print(json.dumps(rows[-1]))
    if options.json:
        told = {"machine": machine_line(), "delay_ms": options.delay_ms, "onnx": options.onnx, "rows": rows}
        options.json.write_text(json.dumps(told, indent=2), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
