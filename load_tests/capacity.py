"""What many memories of many owners need, from costs that are measured now: bytes, CPU, commands, and where it ends.

    python -m load_tests.capacity [--memories 100000000] [--owners 1000000] [--json out.json] [--markdown out.md]

Every assumption is a flag (prices are for a month). Commands are counted on the MongoDB stand-in of the tests, or a
real server by CONTEXT0_TEST_MONGODB_URI. How many owners are in memory is simulated: Zipf sizes, requests by size.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from load_tests.harness.machine import pin_blas

_ROUNDS = 4


def main() -> int:
    options = _arguments()
    pin_blas()  # before numpy is imported by any of these
    from load_tests.sizing.commands import counted
    from load_tests.sizing.costs import measured
    from load_tests.sizing.owners import resident, sizes
    from load_tests.sizing.plan import Assumptions, assumed, planned
    from load_tests.sizing.report import markdown
    from tests.mongo_server import database_url, drop, fresh_name

    given = {name: type(default)(getattr(options, name)) for name, default in assumed().items()}
    assumptions = Assumptions(**given)
    with tempfile.TemporaryDirectory() as folder:
        costs = asyncio.run(measured(Path(folder), memories=options.measure, repeats=options.repeats))
    url = database_url(fresh_name())
    try:
        commands = asyncio.run(counted(url, repeats=min(20, options.repeats)))
    finally:
        drop(url)
    owned = sizes(assumptions.owners, assumptions.memories).tolist()
    one = {
        "index_bytes": (costs.index_fixed_bytes, costs.index_bytes),
        "most_indexed": assumptions.most_indexed,
        "requests": options.requests,
        "seed": 7,
    }
    residency = [
        resident(owned, **one, processes=processes, gb_each=gb_each, sticky=sticky)
        for processes in options.processes
        for gb_each in options.gb
        for sticky in (True, False)
    ]
    processes = 1
    for _ in range(_ROUNDS):  # how many processes there are says how many owners have room, and the other way round
        best = resident(owned, **one, processes=processes, gb_each=assumptions.process_index_gb, sticky=True)
        plan = planned(costs, commands, owned[0], best, assumptions)
        processes = plan.processes
    residency.append(best)
    text = markdown(costs, commands, residency, plan, assumptions)
    print(text)
    if options.markdown:
        options.markdown.write_text(text, encoding="utf-8")
    if options.json:
        told: dict[str, Any] = {
            "assumptions": asdict(assumptions),
            "costs": asdict(costs),
            "commands": commands,
            "residency": [asdict(row) for row in residency],
            "plan": asdict(plan),
        }
        options.json.write_text(json.dumps(told, indent=2), encoding="utf-8")
    return 0


def _arguments() -> argparse.Namespace:
    from load_tests.sizing.plan import assumed

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in assumed().items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=float, default=default, metavar=f"{default:g}")
    parser.add_argument("--measure", type=int, default=8_000, help="memories whose costs are measured")
    parser.add_argument("--repeats", type=int, default=200, help="how often each operation is measured")
    parser.add_argument("--requests", type=int, default=1_000_000, help="of the simulation")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--gb", type=float, nargs="+", default=[0.5, 2.0, 8.0], help="for indexes, in each process")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
