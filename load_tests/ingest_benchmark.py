"""What filling a memory costs, beside its floors.

    python load_tests/ingest_benchmark.py [--size 20000] [--rounds 3] [--readers 2] [--json FILE] [--check]

Bulk: `engine.ingest` beside "embed + SQLite batch insert + FTS5" of the same texts, by itself and with processes that
read texts (CONTEXT0_INGEST_READERS), and `add_many` call after call; in turns, medians. Single: durable adds of one
caller, and of 64 at once. Slow API: 50 adds a second while each call for vectors takes 300 ms. Storm: 1,000 adds while
every fifth call fails, until nothing is pending.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from statistics import median

from harness.machine import machine_line, pin_blas

GOALS = {
    "bulk ingest, share of the floor": (">=", 0.5),
    "bulk ingest with readers, share of the floor": (">=", 0.5),
    "64 callers, times the rate of one": (">=", 5.0),
    "acknowledged p50, ms (API: 300 ms)": ("<=", 10.0),
    "found by meaning p99, ms (API: 300 ms)": ("<=", 1_000.0),
    "pending after a storm of 1,000 adds": ("<=", 0.0),
}


def measured(options: argparse.Namespace, folder: Path) -> dict[str, float]:
    """Return every figure by its name; bulk in turns, so that a noisy moment meets all."""
    from harness.dataset import conversations
    from harness.embedding import _loaded
    from ingest import bulk, single, slow_api

    model = _loaded(import_module("wordllama"))
    items = bulk.items_of(conversations(owners=1, turns_each=options.size, seed=11))
    model.embed([item["content"] for item in items[:1_000]], norm=True)
    rates: dict[str, list[float]] = {"floor": [], "ingest": [], "readers": [], "add_many": []}
    for turn in range(options.rounds):
        rates["floor"].append(bulk.floor(items, model, folder / f"floor{turn}.db"))
        rates["ingest"].append(asyncio.run(bulk.ingest(items, folder / f"ingest{turn}.db")))
        rates["readers"].append(
            asyncio.run(bulk.ingest(items, folder / f"readers{turn}.db", ingest_readers=options.readers))
        )
        rates["add_many"].append(asyncio.run(bulk.add_many(items, folder / f"add_many{turn}.db")))
    floor, ingest, readers, add_many = map(median, rates.values())
    found = {
        "floor: embed + SQLite + FTS5, memories/s": floor,
        "ingest, memories/s": ingest,
        f"ingest with {options.readers} readers, memories/s": readers,
        "add_many by 1,000, memories/s": add_many,
        "bulk ingest, share of the floor": ingest / floor,
        "bulk ingest with readers, share of the floor": readers / floor,
    }
    pairs = [
        asyncio.run(single.rates(items[:4_000], folder / f"single{turn}.db", callers=64))
        for turn in range(options.rounds)
    ]
    one, many = median(pair[0] for pair in pairs), median(pair[1] for pair in pairs)
    found |= {"single adds, one caller, adds/s": one, "single adds, 64 callers, adds/s": many}
    found["64 callers, times the rate of one"] = many / one
    times = asyncio.run(slow_api.times(items[:500], folder / "slow.db", every_s=0.02))
    found["acknowledged p50, ms (API: 300 ms)"] = times.acknowledged_p50
    found["found by word p99, ms (API: 300 ms)"] = times.by_word_p99
    found["found by meaning p50, ms (API: 300 ms)"] = times.by_meaning_p50
    found["found by meaning p99, ms (API: 300 ms)"] = times.by_meaning_p99
    storm = asyncio.run(slow_api.storm(items[:1_000], folder / "storm.db"))
    found |= {f"storm: {name}": float(value) for name, value in asdict(storm).items() if name != "pending"}
    found["pending after a storm of 1,000 adds"] = float(storm.pending)
    return found


def missed(found: dict[str, float]) -> list[str]:
    """Return the goals that are not reached."""
    return [
        name for name, (sign, goal) in GOALS.items() if (found[name] < goal if sign == ">=" else found[name] > goal)
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=20_000, help="memories of a bulk run (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds in which they take turns (default %(default)s)")
    parser.add_argument("--readers", type=int, default=2, help="processes that read texts (default %(default)s)")
    parser.add_argument("--json", type=Path, help="write everything to this file")
    parser.add_argument("--check", action="store_true", help="exit 1 when a goal is missed")
    options = parser.parse_args()
    pin_blas()  # before numpy is imported by any of these
    with tempfile.TemporaryDirectory() as name:
        found = measured(options, Path(name))
    late = missed(found)
    print(f"{machine_line()}\n\n| figure | value | goal |\n|---|---:|---|")
    for figure, value in found.items():
        sign, goal = GOALS.get(figure, ("", 0.0))
        told = "" if not sign else f"{sign} {goal:g}: {'missed' if figure in late else 'reached'}"
        print(f"| {figure} | {value:,.2f} | {told} |")
    if options.json:
        options.json.write_text(json.dumps({"machine": machine_line(), "figures": found, "missed": late}, indent=2))
    return 1 if options.check and late else 0


if __name__ == "__main__":
    sys.exit(main())
