"""The tuner's rollout beside the naive double loop, in one run: `python load_tests/tuner_benchmark.py --help`.

Both rank the same recorded searches under the same weight vectors. The naive loop is what one would write first: for
each vector, for each search, one numpy product and one comparison per judgement. It runs on a share of the vectors and
must come to the same earnings, to a millionth: signals and weights are small binary fractions, so that every score is
exact, whatever the order of summing, and a tie is a tie. BLAS has one thread; the two take turns, medians count.

With `--data` conversations with questions (see `context0 evaluate`) say what is learned: of all conversations but one
the searches are judged as a person would who reads the first ten, and the weights that are kept rank those of the one
held back. Once from the weights of the engine, once from weights that are all alike.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from harness.machine import machine_line, pin_blas

if TYPE_CHECKING:
    from context0.evaluation.recording import Case
    from context0.memory.feedback import Episode
    from stores.records import FloatMatrix, FloatVector

T = TypeVar("T")

LEAST_RATIO = 20.0
SHOWN = 10
MOST_CANDIDATES = 64
MOST_EPISODES = 500
JUDGEMENTS = (1, 2, 5)


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--episodes", type=int, default=500, help="judged searches (default %(default)s)")
    parser.add_argument("--candidates", type=int, default=4_096, help="weight vectors (default %(default)s)")
    parser.add_argument("--naive", type=int, default=32, help="weight vectors for the naive loop (default %(default)s)")
    parser.add_argument("--signals", type=int, default=12, help="signals of a memory (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of which the median counts (default %(default)s)")
    parser.add_argument("--data", type=Path, action="append", default=[], help="conversations to learn from")
    parser.add_argument("--json", type=Path, help="write everything to this file")
    parser.add_argument("--markdown", action="store_true", help="print a Markdown table instead of plain lines")
    parser.add_argument("--check", action="store_true", help=f"exit 1 when a ratio is below {LEAST_RATIO:g}")
    return parser


def recorded(count: int, signals: int, judgements: int) -> "list[Episode]":
    """Return searches of 64 candidates with so many judgements each, useful and useless by turns, the first useful."""
    import numpy as np

    from context0.memory.feedback import MAX_CANDIDATES, Episode
    from context0.memory.ids import MemoryIds

    random = np.random.default_rng(judgements)
    now, ids = datetime(2026, 1, 1, tzinfo=UTC), MemoryIds()
    episodes = []
    for number in range(count):
        features = np.round(random.standard_normal((MAX_CANDIDATES, signals)) * 16).astype(np.float32)
        names = [ids.new(now)[0] for _ in range(MAX_CANDIDATES)]
        episode = Episode.of_search(str(number), features / np.float32(16), names, now)
        for turn, row in enumerate(random.permutation(10)[:judgements].tolist()):
            episode = episode.judged(names[row], useful=turn % 2 == 0)
        episodes.append(episode)
    return episodes


def naive_rollout(episodes: "Sequence[Episode]", weights: "FloatMatrix") -> "FloatMatrix":
    """Return what `rollout` returns, one vector and one search at a time."""
    import numpy as np

    from context0.memory.rollout import worths

    worth = worths()
    best = np.cumsum(worth[1:])
    earned = np.zeros((len(weights), len(episodes)), np.float32)
    places = [[(episode.ids.index(one), useful) for one, useful in episode.useful.items()] for episode in episodes]
    for at, vector in enumerate(weights):
        for number, episode in enumerate(episodes):
            scores = episode.features @ vector
            good = [np.count_nonzero(scores >= scores[row]) for row, useful in places[number] if useful]
            bad = [1 + np.count_nonzero(scores > scores[row]) for row, useful in places[number] if not useful]
            halves = [worth[good].sum() / best[len(good) - 1]] if good else []
            halves += [1 - worth[bad].sum() / best[len(bad) - 1]] if bad else []
            earned[at, number] = sum(halves) / len(halves)
    return earned


def measured(options: argparse.Namespace, judgements: int) -> dict[str, float]:
    """Time both on searches with so many judgements each. Raises AssertionError when they differ."""
    import numpy as np

    from context0.memory.rollout import pack, rollout

    episodes = recorded(options.episodes, options.signals, judgements)
    drawn = np.random.default_rng(0).integers(0, 129, (options.candidates, options.signals))
    weights = drawn.astype(np.float32) / np.float32(64)
    replay = pack(episodes)
    vectorised, naive, packing = [], [], []
    for _ in range(options.rounds):
        seconds, fast = timed(lambda: rollout(replay, weights))
        vectorised.append(options.candidates * options.episodes / seconds)
        seconds, slow = timed(lambda: naive_rollout(episodes, weights[: options.naive]))
        naive.append(options.naive * options.episodes / seconds)
        packing.append(timed(lambda: pack(episodes))[0])
        np.testing.assert_allclose(fast[: options.naive], slow, atol=1e-6)
    fast_per_s, slow_per_s = statistics.median(vectorised), statistics.median(naive)
    return {
        "judgements": judgements,
        "rollout_per_s": fast_per_s,
        "naive_per_s": slow_per_s,
        "ratio": fast_per_s / slow_per_s,
        "rollout_s": options.candidates * options.episodes / fast_per_s,
        "packing_ms": 1_000 * statistics.median(packing),
    }


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """Return how many seconds `work` took, and what it returned."""
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


async def learned_from(path: Path) -> list[str]:
    """Return a line a conversation held back, and the means."""
    from context0 import MemoryEngine, Settings
    from context0.evaluation.datasets import read_conversations
    from context0.evaluation.recording import record
    from context0.evaluation.report import APART
    from context0.evaluation.storing import Dataset, RunOptions, store
    from context0.runtime import build_parts

    dataset = Dataset(name=path.name, conversations=tuple(read_conversations(path)))
    with tempfile.TemporaryDirectory(prefix="context0-tuner-") as folder:
        parts = build_parts(Settings(store_url=f"sqlite:///{folder}/tuner.db"))
        async with MemoryEngine(parts=parts) as engine:
            stored, _ = await store(engine, dataset, RunOptions(), silent)
            cases = await record(parts, dataset, stored, RunOptions(), silent)
    counted = [case for case in cases if case.relevant and case.category not in APART]
    return [line for kind in ("engine", "alike") for line in held_back(counted, kind)]


def silent(stage: str, done: int, total: int) -> None:
    """Nobody watches."""


def held_back(cases: "Sequence[Case]", kind: str) -> list[str]:
    """Return a line a conversation: its recall before and after, weights from the engine or all of them 1 or -1."""
    import numpy as np

    from context0.evaluation.metrics import recall_at
    from context0.evaluation.recording import Variant, ranking
    from context0.memory.signals import SIGNALS
    from context0.memory.tuning import tune

    def recall(own: "Sequence[Case]", vector: "FloatVector") -> float:
        variant = Variant(weights=dict(zip(SIGNALS, vector.tolist(), strict=True)))
        return 100 * statistics.mean(recall_at(ranking(case, variant, SHOWN), case.relevant, SHOWN) for case in own)

    lines, recalls = [], []
    start = cases[0].voices.weights if kind == "engine" else np.sign(cases[0].voices.weights)
    for name in sorted({case.conversation for case in cases}):
        others = [case for case in cases if case.conversation != name]
        own = [case for case in cases if case.conversation == name]
        outcome = tune([judged(case, start) for case in others[:MOST_EPISODES]], SIGNALS, start)
        before, after = recall(own, start), recall(own, outcome.weights)
        recalls += [(before, after, len(own))]
        lines.append(f"  {kind:6} {name:14} {before:5.1f} -> {after:5.1f}  ({outcome.reason}, {len(own)} questions)")
    total = sum(count for *_, count in recalls)
    before, after = (sum(one[at] * one[2] for one in recalls) / total for at in (0, 1))
    return [*lines, f"  {kind:6} {'all':14} {before:5.1f} -> {after:5.1f}"]


def judged(case: "Case", start: "FloatVector") -> "Episode":
    """Return the search as it is remembered, judged by who read the first ten: what holds the evidence was useful, and
    the first of the others was not."""
    import numpy as np

    from context0.memory.feedback import Episode, signal_matrix
    from context0.memory.fusion import best
    from context0.memory.signals import SIGNALS, weigh

    voices = replace(case.voices, weights=start)
    weighed = weigh(case.query, case.arms, case.snapshot, case.allowed, voices, keep=True)
    rows = best(weighed.total, case.allowed, case.snapshot.ids, MOST_CANDIDATES, None)
    ids = [case.snapshot.ids[row] for row in rows]
    features = signal_matrix({str(name): one for name, one in weighed.signals.items()}, SIGNALS, np.array(rows))
    episode = Episode.of_search(case.query.request.text, features, ids, case.query.now)
    shown = {memory_id: case.stored.turn_of_memory[memory_id] in case.relevant for memory_id in ids[:SHOWN]}
    for memory_id in [memory_id for memory_id, is_useful in shown.items() if is_useful]:
        episode = episode.judged(memory_id, useful=True)
    useless = next((memory_id for memory_id, is_useful in shown.items() if not is_useful), None)
    return episode if useless is None else episode.judged(useless, useful=False)


def table(rows: Sequence[Mapping[str, float]], *, markdown: bool) -> list[str]:
    """Return the lines of the table, Markdown's or plain ones."""
    head = [
        "judgements a search",
        "rollout, candidate-episodes/s",
        "naive loop",
        "ratio",
        "whole rollout, s",
        "packing, ms",
    ]
    cells = [
        [
            f"{row['judgements']:.0f}",
            f"{row['rollout_per_s']:,.0f}",
            f"{row['naive_per_s']:,.0f}",
            f"{row['ratio']:.0f} ×",
            f"{row['rollout_s']:.2f}",
            f"{row['packing_ms']:.1f}",
        ]
        for row in rows
    ]
    if markdown:
        return [f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *cells)]
    widths = [max(len(line[column]) for line in (head, *cells)) for column in range(len(head))]
    return ["  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in (head, *cells)]


def main() -> int:
    options = arguments().parse_args()
    pin_blas()  # before numpy is imported by any of these
    rows = [measured(options, judgements) for judgements in JUDGEMENTS]
    machine = machine_line()
    if options.json:
        plan = {name: value for name, value in vars(options).items() if isinstance(value, int)}
        told = {"machine": machine, "plan": plan, "least_ratio": LEAST_RATIO, "rows": rows}
        options.json.write_text(json.dumps(told, indent=2), encoding="utf-8")
    print(
        f"{machine}; {options.candidates:,} vectors of {options.signals} signals, {options.episodes} searches of 64\n"
    )
    print("\n".join(table(rows, markdown=options.markdown)))
    learned = {path.name: asyncio.run(learned_from(path)) for path in options.data}
    for name, lines in learned.items():
        print(f"\n{name}, recall@10 of the conversation held back, after feedback on the others")
        print("\n".join(lines))
    missed = [row for row in rows if row["ratio"] < LEAST_RATIO]
    print(f"\nat least {LEAST_RATIO:g} times the naive loop: {'MISS' if missed else 'pass'}")
    return 1 if options.check and missed else 0


if __name__ == "__main__":
    sys.exit(main())
