"""Two processes of the service on one MongoDB and one Redis: coherence, restarts, doubled tasks, Redis in trouble.

    python -m load_tests.cluster_benchmark [--json cluster.json] [--parts staleness restarts tasks redis] [--writes N]

MongoDB is the stand-in of the tests, or a real one by CONTEXT0_TEST_MONGODB_URI; needs a redis-server. Exit status 1
when something was lost, doubled, failed, or older than the bound.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from load_tests.cluster.doubled_tasks import doubled
from load_tests.cluster.processes import fleet
from load_tests.cluster.redis_troubles import troubled
from load_tests.cluster.restarts import restarted
from load_tests.cluster.staleness import measured
from tests.mongo_server import database_url, drop, fresh_name
from tests.redis_server import redis_server

PARTS: Final = ("staleness", "restarts", "tasks", "redis")
BOUND_S: Final = 1.0
ZERO: Final = (
    *("beyond_the_bound", "stale_with_token", "failed", "stale", "lost", "duplicates"),
    *("duplicate_vectors", "duplicate_edges", "given_up"),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--writes", type=int, default=1_000, help="writes whose age is measured, and tasks")
    parser.add_argument("--rounds", type=int, default=5, help="how often each process is restarted")
    parser.add_argument("--users", type=int, default=6)
    parser.add_argument("--each-s", type=float, default=5.0, help="how long each trouble of Redis lasts")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    told: dict[str, dict[str, Any]] = {}
    for part in options.parts:
        told[part] = _run(part, options)
        print(f"**{part}**", *(f"- {name}: {value}" for name, value in told[part].items()), "", sep="\n", flush=True)
    if options.json:
        options.json.write_text(json.dumps(told, indent=2), encoding="utf-8")
    bad = {f"{part}.{name}": row[name] for part, row in told.items() for name in ZERO if row.get(name)}
    print("missed: " + json.dumps(bad) if bad else "nothing lost, doubled, failed, or older than the bound")
    return 1 if bad else 0


def _run(part: str, options: argparse.Namespace) -> dict[str, Any]:
    """Run one part on a database and a Redis of its own."""
    store_url = database_url(fresh_name())
    with tempfile.TemporaryDirectory() as name, redis_server(Path(name)) as redis:
        folder = Path(name)
        try:
            if part == "tasks":
                return asyncio.run(doubled(store_url, redis.url, folder, memories=options.writes))
            with fleet(folder, store_url, cache_url=redis.url, owner_index_staleness_s=BOUND_S) as processes:
                if part == "staleness":
                    work = measured(processes, writes=options.writes, users=options.users, bound_s=BOUND_S)
                elif part == "restarts":
                    work = restarted(processes, folder, rounds=options.rounds, users=options.users)
                else:
                    work = troubled(processes, folder, redis, each_s=options.each_s, users=options.users)
                return asyncio.run(work)
        finally:
            drop(store_url)


if __name__ == "__main__":
    sys.exit(main())
