"""How adds, searches, pages and turns grow with what is stored: `python load_tests/growth_benchmark.py --help`.

The same number of memories of one owner, and spread over 100 owners; medians of single calls, one after another.
"""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from harness.machine import pin_blas


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="100,1000,10000,100000", help="memories in all (default %(default)s)")
    parser.add_argument("--owners", default="1,100", help="over how many they are spread (default %(default)s)")
    parser.add_argument("--sample", type=int, default=50, help="calls of each kind (default %(default)s)")
    pin_blas()  # before numpy is imported by any of these
    from harness.curves import Curves, p50, told
    from harness.engine_run import filled, timed

    async def measure_one(curves: Curves, size: int, owners: int, sample: int) -> None:
        with tempfile.TemporaryDirectory() as folder:
            async with filled(Path(folder), owners=owners, memories=size) as bench:
                calls = {
                    "search, all arms": bench.search,
                    "search, vectors only": bench.search_vectors,
                    "page 1": bench.page,
                    "get": bench.get,
                    "chat turn": bench.turn,
                    "add": bench.add,
                }
                for name, call in calls.items():
                    curves.add(name, size, p50(await timed(call, sample)))

    def measure(options: argparse.Namespace) -> list[Curves]:
        found = []
        for owners in map(int, options.owners.split(",")):
            asked = {"search, all arms": 25.0} if owners == 1 else {}
            who = "one owner" if owners == 1 else f"{owners} owners"
            found.append(Curves(title=f"p50 by memories, {who}", x="memories", unit="ms", asked=asked))
            for size in map(int, options.sizes.split(",")):
                asyncio.run(measure_one(found[-1], size, owners, options.sample))
        return found

    return told(parser, measure)


if __name__ == "__main__":
    sys.exit(main())
