"""Context0 beside its peers and a bare floor, in one run: `python load_tests/peers_benchmark.py --help`."""

import argparse
import asyncio
import json
import sys
from pathlib import Path

from harness.machine import machine_line, pin_blas
from peers import PEERS


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=10_000, help="memories stored (default %(default)s)")
    parser.add_argument(
        "--layout",
        choices=("100x100", "1x10000", "both"),
        default="both",
        help="100 memories per owner, all of one owner, or both after one another (default)",
    )
    parser.add_argument("--peers", default=",".join(PEERS), help="comma-separated; default all: %(default)s")
    parser.add_argument("--queries", type=int, default=200, help="questions, each asked once per kind of search")
    parser.add_argument("--adds", type=int, default=100, help="single adds on top of the filled store")
    parser.add_argument("--rounds", type=int, default=5, help="rounds in which the peers take turns")
    parser.add_argument("--reopenings", type=int, default=5, help="fresh processes for the first search")
    parser.add_argument("--budget-s", type=float, default=10, help="seconds after which one measure of a round stops")
    parser.add_argument("--fill-budget-s", type=float, default=300, help="seconds after which a peer's bulk load stops")
    parser.add_argument("--json", type=Path, help="write everything to this file")
    parser.add_argument("--markdown", action="store_true", help="print Markdown instead of drawn tables")
    parser.add_argument("--check", action="store_true", help="exit 1 when a threshold is missed")
    return parser


def main() -> int:
    parser = arguments()
    options = parser.parse_args()
    pin_blas()  # before numpy is imported by any of these
    from harness.report import document, lead, markdown, show
    from harness.run import measured, shapes
    from harness.schedule import Plan
    from rich.console import Console

    peers = [name.strip() for name in options.peers.split(",") if name.strip()]
    if unknown := sorted(set(peers) - set(PEERS)):
        parser.error(f"unknown peers: {', '.join(unknown)}; known: {', '.join(PEERS)}")
    if options.size % 100 or options.size <= 0 or options.queries < options.rounds or options.adds < options.rounds:
        parser.error("--size is a multiple of 100; --queries and --adds are at least --rounds")
    plan = Plan(
        rounds=options.rounds,
        queries=options.queries,
        adds=options.adds,
        reopenings=options.reopenings,
        measure_budget_s=options.budget_s,
        fill_budget_s=options.fill_budget_s,
    )
    with Console(stderr=True).status("starting") as status:
        reports = [
            asyncio.run(measured(shape, peers, plan, status.update)) for shape in shapes(options.size, options.layout)
        ]
    machine = machine_line()
    if options.json:
        options.json.write_text(json.dumps(document(machine, plan, reports), indent=2), encoding="utf-8")
    output = Console(width=None if sys.stdout.isatty() else 200)
    for line in lead(machine, reports[0]):
        print(line, end="\n\n" if options.markdown else "\n")
    for table in (table for report in reports for table in report.tables()):
        print(markdown(table)) if options.markdown else show(output, table)
    missed = any(not verdict.passed for report in reports for verdict in report.verdicts)
    return 1 if options.check and missed else 0


if __name__ == "__main__":
    sys.exit(main())
