"""The tuner's rollout beside the naive double loop, in one run: `python load_tests/tuner_benchmark.py --help`.

Both rank the same recorded searches under the same weight vectors. The naive loop is what one would write first: for
each vector, for each search, one numpy product and one comparison per judgement. It runs on a share of the vectors and
must come to the same earnings, to a millionth: signals and weights are small binary fractions, so that every score is
exact, whatever the order of summing, and a tie is a tie. BLAS has one thread; the two take turns, medians count.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from harness.machine import machine_line, pin_blas

if TYPE_CHECKING:
    from context0.memory.feedback import Episode
    from stores.records import FloatMatrix

T = TypeVar("T")

LEAST_RATIO = 20.0
JUDGEMENTS = (1, 2, 5)


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--episodes", type=int, default=500, help="judged searches (default %(default)s)")
    parser.add_argument("--candidates", type=int, default=4_096, help="weight vectors (default %(default)s)")
    parser.add_argument("--naive", type=int, default=32, help="weight vectors for the naive loop (default %(default)s)")
    parser.add_argument("--signals", type=int, default=13, help="signals of a memory (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of which the median counts (default %(default)s)")
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
    missed = [row for row in rows if row["ratio"] < LEAST_RATIO]
    print(f"\nat least {LEAST_RATIO:g} times the naive loop: {'MISS' if missed else 'pass'}")
    return 1 if options.check and missed else 0


if __name__ == "__main__":
    sys.exit(main())
