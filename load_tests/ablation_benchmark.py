"""What each optimisation gives: all on, each one off, all off: `python load_tests/ablation_benchmark.py --help`.

Every one is switched by a setting. Searches and turns are asked twice, the second time as what the caches are for.
"""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Any

from harness.machine import pin_blas

OFF: dict[str, dict[str, Any]] = {
    "search cache": {"search_cache_bytes": 0},
    "list cache": {"list_cache_bytes": 0},
    "embedding cache": {"embedding_cache_bytes": 0},
    "context cache": {"context_cache_bytes": 0},
    "owner index": {"owner_index_max_memories": 0},
}


def calls_of(bench: Any) -> dict[str, Any]:
    """Return what is timed, by its name."""
    owner = bench.owners[0]

    async def singly() -> None:
        for _ in range(100):
            await bench.add()

    return {
        "search": bench.search,
        "search asked before": lambda: bench.engine.search(bench.questions[0], user_id=owner),
        "page 1 read before": lambda: bench.engine.list(user_id=owner, limit=20),
        "chat turn in a session": lambda: bench.chat.send(bench.questions[1], user_id=owner, session_id="talk"),
        "100 adds, one by one": singly,
        "100 adds in a batch": bench.add_hundred,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--memories", type=int, default=10_000, help="of one owner (default %(default)s)")
    parser.add_argument("--sample", type=int, default=50, help="calls of each kind (default %(default)s)")
    pin_blas()  # before numpy is imported by any of these
    from harness.curves import Curves, p50, told
    from harness.engine_run import filled, timed

    async def one(curves: Curves, name: str, settings: dict[str, Any], options: argparse.Namespace) -> None:
        with tempfile.TemporaryDirectory() as folder:
            async with filled(Path(folder), owners=1, memories=options.memories, **settings) as bench:
                for kind, call in calls_of(bench).items():
                    sample = max(1, options.sample // 10) if "100" in kind else options.sample
                    curves.add(kind, name, p50(await timed(call, sample)))

    def measure(options: argparse.Namespace) -> list[Curves]:
        curves = Curves(title="p50 with one thing off", x="", unit="ms")
        everything = {key: value for settings in OFF.values() for key, value in settings.items()}
        for name, settings in {"all on": {}, **{f"no {n}": s for n, s in OFF.items()}, "all off": everything}.items():
            asyncio.run(one(curves, name, settings, options))
        return [curves]

    return told(parser, measure)


if __name__ == "__main__":
    sys.exit(main())
