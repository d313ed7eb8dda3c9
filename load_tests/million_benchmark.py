"""One owner with a million memories: filled, its vectors' files written, opened again, searched: `… --help`.

The texts are conversations over and over with words exchanged (see `retrieval/layouts.py`); the questions are drawn
evenly from all of them. What is nearest is told by the exact product with all vectors. `--keep FOLDER` keeps the store,
and uses what is there.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from harness.machine import pin_blas

OWNER = "everyone"
LIMIT = 10
SAME = 1e-6
"""Scores closer than this are told apart by rounding only."""
ARMS = ("semantic", "keyword", "entity", "temporal")
SHARES = (0.5, 0.1, 0.01, 0.001)
SMALL = Path(__file__).parents[1] / "tests" / "data" / "retrieval_small.jsonl"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=1_000_000, help="memories (default %(default)s)")
    parser.add_argument("--questions", type=int, default=100, help="of each kind (default %(default)s)")
    parser.add_argument("--data", type=Path, default=SMALL, help="conversations (default: those of the tests)")
    parser.add_argument("--keep", type=Path, help="a folder for the store")
    parser.add_argument("--files-from", type=int, default=20_000, help="the setting (default %(default)s)")
    parser.add_argument("--proposed", type=int, help="rows that the signs propose, in place of their own number")
    pin_blas()  # before numpy is imported by any of these
    from harness.curves import Curves, told

    async def run(folder: Path, options: argparse.Namespace, times: Curves, counts: Curves) -> None:
        await fill(folder, options, counts)
        await search(folder, options, times, counts)

    def measure(options: argparse.Namespace) -> list[Curves]:
        asked_ms = {"vector store alone, p50": 3.0, "search, all arms, p50": 25.0}
        asked = {"missed of the ten nearest, %": 1.0, "memory of the index, MB": 700.0}
        times = Curves(title=f"{options.size:,} memories of one owner", x="", unit="ms", asked=asked_ms)
        counts = Curves(title=f"{options.size:,} memories of one owner", x="", unit="as named", asked=asked)
        with tempfile.TemporaryDirectory() as folder:
            kept = options.keep or Path(folder)
            kept.mkdir(parents=True, exist_ok=True)
            asyncio.run(run(kept, options, times, counts))
        return [times, counts]

    return told(parser, measure)


def parts_of(folder: Path, options: argparse.Namespace) -> Any:
    from context0 import Settings
    from context0.runtime import build_parts
    from stores.local import file_vectors

    file_vectors.PROPOSED = options.proposed or file_vectors.PROPOSED

    return build_parts(
        Settings(
            store_url=f"sqlite:///{folder}/million.db", data_dir=folder, vector_files_from=options.files_from,
            owner_index_max_memories=1_000, search_cache_bytes=0, search_deadline_ms=600_000, _env_file=None,
        )
    )  # fmt: skip


async def fill(folder: Path, options: argparse.Namespace, counts: Any) -> None:
    from context0 import MemoryEngine
    from context0.evaluation.datasets import read_conversations
    from load_tests.retrieval.layouts import copies

    parts = parts_of(folder, options)
    async with MemoryEngine(parts=parts) as engine:
        await engine.list(user_id=OWNER, limit=1)  # opens the store
        stored = (await parts.documents.count(_scope()))["memories"]
        started = time.perf_counter()
        if stored < options.size:
            source = islice(copies(list(read_conversations(options.data))), stored, options.size)
            await engine.ingest(source, user_id=OWNER)
            counts.add("filling, memories/s", "", (options.size - stored) / (time.perf_counter() - started))
        started, processor = time.perf_counter(), time.process_time()
        await parts.vectors.build(_scope(), lambda done, of: print(f"files: {done:,} of {of:,}", file=sys.stderr))
        counts.add("building, s", "", time.perf_counter() - started)
        counts.add("building, s of processor", "", time.process_time() - processor)
        counts.add("most memory so far, MB", "", _status("VmHWM"))


async def search(folder: Path, options: argparse.Namespace, times: Any, counts: Any) -> None:
    from harness.curves import p50, p99

    from context0 import MemoryEngine
    from context0.evaluation.datasets import read_conversations

    parts, scope = parts_of(folder, options), _scope()
    questions = [q.text for one in read_conversations(options.data) for q in one.questions]
    questions = list(dict.fromkeys(questions))
    questions = questions[:: max(1, len(questions) // options.questions)][: options.questions]
    async with MemoryEngine(parts=parts) as engine:
        await engine.list(user_id="somebody else", limit=1)
        asked = await parts.embedder.embed(questions)
        before = {kind: _status(kind) for kind in ("RssAnon", "RssFile")}
        started = time.perf_counter()
        await parts.vectors.query(asked[0], scope=scope, limit=LIMIT)
        times.add("opening the vectors", "", (time.perf_counter() - started) * 1e3)
        found, taken = await _queries(parts.vectors, asked, scope)
        times.add("vector store alone, p50", "", p50(taken))
        times.add("vector store alone, p99", "", p99(taken))
        for kind, name in (("RssAnon", "memory of the index, MB"), ("RssFile", "… mapped and touched, MB")):
            counts.add(name, "", _status(kind) - before[kind])
        for arm in (*ARMS, "all arms"):
            chosen = {} if arm == "all arms" else {"strategies": [arm]}
            times.add(f"search, {arm}, p50", "", p50(await _searches(engine, questions, **chosen)))
        await compare(parts, asked, found, times, counts)


async def compare(parts: Any, asked: Any, found: Sequence[set[str]], times: Any, counts: Any) -> None:
    """Tell what of the nearest was missed, among all memories and among shares of them.

    Of memories that are equally near, any is as good as any: copies have the same vector.
    """
    import numpy as np
    from harness.curves import p50

    ids, matrix = await _all_vectors(parts.documents, _scope())
    row_of = {memory_id: row for row, memory_id in enumerate(ids.tolist())}

    def missed(found: Sequence[set[str]], part: Any) -> float:
        near = 0
        for row, those in zip(asked, found, strict=True):
            tenth = np.partition(part @ row, -LIMIT)[-LIMIT]
            near += int((matrix[[row_of[one] for one in those]] @ row >= tenth - SAME).sum())
        return 100 * (1 - near / (LIMIT * len(found)))

    counts.add("missed of the ten nearest, %", "", missed(found, matrix))
    draw = np.random.default_rng(5)
    for share in SHARES:
        among = np.sort(draw.choice(len(ids), max(LIMIT, int(share * len(ids))), replace=False))
        narrowed, taken = await _queries(parts.vectors, asked, _scope(), among=ids[among].tolist())
        counts.add(f"missed among {100 * share:g} % of all, %", "", missed(narrowed, matrix[among]))
        times.add(f"vector store among {100 * share:g} % of all, p50", "", p50(taken))


def _scope() -> Any:
    from stores.records import Scope

    return Scope(owner=OWNER)


async def _queries(vectors: Any, asked: Any, scope: Any, **among: Any) -> tuple[list[set[str]], list[float]]:
    found, taken = [], []
    for row in asked:
        started = time.perf_counter()
        hits = await vectors.query(row, scope=scope, limit=LIMIT, **among)
        taken.append((time.perf_counter() - started) * 1e3)
        found.append({hit.id for hit in hits})
    return found, taken


async def _searches(engine: Any, questions: Sequence[str], **chosen: Any) -> list[float]:
    taken = []
    for question in questions:
        started = time.perf_counter()
        await engine.search(question, user_id=OWNER, limit=LIMIT, **chosen)
        taken.append((time.perf_counter() - started) * 1e3)
        if sum(taken) > 60_000:  # so many are enough of slow ones
            break
    return taken


async def _all_vectors(documents: Any, scope: Any) -> tuple[Any, Any]:
    import numpy as np

    ids, blocks = [], []
    async for rows in documents.scan(scope=scope):
        ids += [row.id for row in rows]
        blocks.append(np.frombuffer(b"".join(row.embedding for row in rows), "<f4").reshape(len(rows), -1))
    return np.array(ids), np.concatenate(blocks)


def _status(name: str) -> float:
    """Return a figure of this process's memory in MB."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    raise LookupError(name)


if __name__ == "__main__":
    sys.exit(main())
