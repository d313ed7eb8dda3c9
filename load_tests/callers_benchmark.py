"""Adds, searches and turns by 1 to 1,000 callers at once: `python load_tests/callers_benchmark.py --help`.

Each caller makes one call after another, all in one process; calls a second, and how long single calls take.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from harness.machine import pin_blas


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--callers", default="1,4,16,64,256,1000", help="at once (default %(default)s)")
    parser.add_argument("--calls", type=int, default=2_000, help="calls of each kind (default %(default)s)")
    parser.add_argument("--memories", type=int, default=10_000, help="stored before, of 100 owners")
    pin_blas()  # before numpy is imported by any of these
    from harness.curves import Curves, p50, p99, told
    from harness.engine_run import Bench, filled

    async def sweep(bench: Bench, options: argparse.Namespace, found: dict[str, Curves]) -> None:
        for name, call in {"add": bench.add, "search": bench.search, "chat turn": bench.turn}.items():
            await call()
            for callers in map(int, options.callers.split(",")):
                calls, taken = iter(range(max(callers, options.calls))), list[float]()

                async def caller(calls=calls, taken=taken, call=call) -> None:
                    for _ in calls:
                        started = time.perf_counter()
                        await call()
                        taken.append((time.perf_counter() - started) * 1e3)

                started = time.perf_counter()
                await asyncio.gather(*(caller() for _ in range(callers)))
                found["per_s"].add(name, callers, len(taken) / (time.perf_counter() - started))
                found["ms"].add(f"{name}, p50", callers, p50(taken))
                found["ms"].add(f"{name}, p99", callers, p99(taken))

    async def measured(options: argparse.Namespace, found: dict[str, Curves]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            async with filled(Path(folder), owners=100, memories=options.memories) as bench:
                await sweep(bench, options, found)

    def measure(options: argparse.Namespace) -> list[Curves]:
        found = {
            "per_s": Curves(title="Calls by callers at once", x="callers", unit="calls/s"),
            "ms": Curves(title="One call by callers at once", x="callers", unit="ms"),
        }
        asyncio.run(measured(options, found))
        return list(found.values())

    return told(parser, measure)


if __name__ == "__main__":
    sys.exit(main())
