"""`engine.search` with all arms beside the bare floors, in one run: `python load_tests/retrieval_benchmark.py --help`.

Owners of three sizes: each recorded conversation by itself, all of them as one owner, and 100,000 turns made of them.
Static vectors, SQLite, the default settings. A question is asked once cold (never asked before: the question is read
and embedded), then once warm (both remembered). The floors do one thing each, with the question's vector and words
handed to them: a numpy dot product over the same matrix, the ten nearest of it, the ten best of an FTS5 query with OR
over the owner's range of rowids, and "bare hybrid": nearest, matching and reading the texts of ten. BLAS has one
thread. The contestants take turns, fifty questions at a time, so that the machine's noise falls on all.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.machine import machine_line, pin_blas

if TYPE_CHECKING:
    from retrieval.figures import Figures
    from retrieval.floors import Floors
    from retrieval.layouts import Layout

    from context0 import MemoryEngine

TURN = 50
BATCH = 1_000
LIMIT = 10
OPENING_MS = 60_000
LAYOUTS = ("each", "all", "many")


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="+", help="recorded conversations (.jsonl, .jsonl.gz), LoCoMo's first")
    parser.add_argument("--layouts", default=",".join(LAYOUTS), help="which of %(default)s")
    parser.add_argument("--turns", type=int, default=100_000, help="turns of the largest owner (default %(default)s)")
    parser.add_argument("--questions", type=int, default=300, help="at most so many a layout (default %(default)s)")
    parser.add_argument("--keep", type=Path, help="keep the stores in this folder, and take up those that are there")
    parser.add_argument("--json", type=Path, help="write everything to this file")
    parser.add_argument("--markdown", action="store_true", help="print Markdown tables instead of plain lines")
    parser.add_argument("--check", action="store_true", help="exit 1 when a median is above its threshold")
    return parser


async def measured(layout: "Layout", folder: Path, questions: int, offset: int) -> "Figures":
    """Store the layout unless it is there already, ask its questions, and return the times.

    offset: another for each layout, so that each asks questions that no cache of this process knows.
    """
    from retrieval.figures import Figures
    from retrieval.floors import Floors

    from context0 import MemoryEngine, Settings

    step = max(1, len(layout.asked) // questions)
    asked = list(layout.asked[offset % step :: step])[:questions]
    floors = Floors()
    store = folder / f"{layout.key}-{layout.size}.db"
    filled = store.exists()
    async with MemoryEngine(Settings(store_url=f"sqlite:///{store}", search_cache_bytes=0)) as engine:
        started = time.perf_counter()
        if not filled:
            await fill(engine, layout)
        add_s = time.perf_counter() - started
        await fill_floors(floors, layout)
        started = time.perf_counter()
        for owner in layout.memories:
            await engine.search("first of all", user_id=owner, deadline_ms=OPENING_MS)  # reads the owner's index
        figures = Figures(
            layout=layout.name,
            size=layout.size,
            owner_size=layout.owner_size,
            add_s=add_s,
            open_s=time.perf_counter() - started,
        )
        for start in range(0, len(asked), TURN):
            part = asked[start : start + TURN]
            await ask(engine, part, figures, "cold")
            await ask(engine, part, figures, "warm")
            await ask_floors(floors, part, figures)
    floors.close()
    return figures


async def fill(engine: "MemoryEngine", layout: "Layout") -> None:
    for owner, memories in layout.memories.items():
        for start in range(0, len(memories), BATCH):
            await engine.add_many(memories[start : start + BATCH], user_id=owner)
            print(f"\r{layout.name}: {start:,} of {len(memories):,} stored", end="", file=sys.stderr, flush=True)
    print("\r" + " " * 78 + "\r", end="", file=sys.stderr)


async def fill_floors(floors: "Floors", layout: "Layout") -> None:
    for owner, memories in layout.memories.items():
        texts = [memory["content"] for memory in memories]
        vectors = await floors.embedder.embed(texts)
        spoken = [f"{m['occurred_at']:%d %B %Y} {m['speaker']} {m['content']}" for m in memories]
        floors.add(owner, spoken, vectors)


async def ask(engine: "MemoryEngine", asked: Sequence[tuple[str, str]], figures: "Figures", kind: str) -> None:
    for owner, question in asked:
        started = time.perf_counter()
        result = await engine.search(question, user_id=owner, limit=LIMIT)
        figures.add(kind, time.perf_counter() - started)
        for stage, took_ms in result.timings_ms.items():
            figures.add(f"{kind}.{stage}", took_ms / 1000)


async def ask_floors(floors: "Floors", asked: Sequence[tuple[str, str]], figures: "Figures") -> None:
    from retrieval.floors import words_of

    vectors = [(await floors.embedder.embed([question]))[0] for _, question in asked]
    words = [words_of(question) for _, question in asked]
    for (owner, _), vector in zip(asked, vectors, strict=True):
        figures.time("dot product", lambda owner=owner, vector=vector: floors.dot(owner, vector))
    for (owner, _), vector in zip(asked, vectors, strict=True):
        figures.time("ten nearest", lambda owner=owner, vector=vector: floors.nearest(owner, vector))
    for (owner, _), some in zip(asked, words, strict=True):
        figures.time("FTS5", lambda owner=owner, some=some: floors.matching(owner, some))
    for (owner, _), vector, some in zip(asked, vectors, words, strict=True):
        figures.time("bare hybrid", lambda owner=owner, v=vector, some=some: floors.hybrid(owner, v, some))


def chosen(options: argparse.Namespace) -> "list[Layout]":
    from retrieval.layouts import all_in_one, one_by_one, read_all, repeated

    wanted = options.layouts.split(",")
    files = read_all(options.data)
    together = [conversation for conversations in files.values() for conversation in conversations]
    layouts = []
    if "each" in wanted:
        layouts.append(one_by_one(next(iter(files.values()))))
    if "all" in wanted:
        layouts.append(all_in_one(together))
    if "many" in wanted:
        layouts.append(repeated(together, options.turns))
    return layouts


async def run(options: argparse.Namespace, folder: Path) -> "list[Figures]":
    layouts = enumerate(chosen(options))
    return [await measured(layout, folder, options.questions, offset) for offset, layout in layouts]


def main() -> int:
    options = arguments().parse_args()
    pin_blas()  # before numpy is imported by any of these
    from retrieval.figures import as_json, missed, tables

    with tempfile.TemporaryDirectory() as scratch:
        folder = options.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        figures = asyncio.run(run(options, folder))
    if options.json:
        told = {"machine": machine_line(), "layouts": [as_json(one) for one in figures]}
        options.json.write_text(json.dumps(told, indent=2), encoding="utf-8")
    print(f"{machine_line()}\n")
    print("\n".join(tables(figures, markdown=options.markdown)))
    late = missed(figures)
    print("\n" + ("; ".join(late) if late else "every median is below its threshold"))
    return 1 if options.check and late else 0


if __name__ == "__main__":
    sys.exit(main())
