"""What the caches give and cost: hit rates, speed, bytes, eviction, Redis in trouble, and whether warming would pay.

    python load_tests/cache_study.py [--json cache.json] [--markdown cache.md] [--parts traffic speed …]

One owner, or 20, who ask 10,000 questions of 1,000 by Zipf's law (s = 1). Everything runs in one process per part;
ratios are taken in one run. `redis_faults` and `cold_process` need a redis-server, and say so where there is none.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # from a checkout it runs without an installation

from harness.machine import machine_line, pin_blas

Row = Mapping[str, Any]


PARTS = ("traffic", "speed", "bytes_held", "eviction", "redis_faults", "cold_process", "warming")


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--parts", nargs="+", metavar="PART", help="only these: traffic speed bytes eviction redis warming"
    )
    parser.add_argument("--json", type=Path, help="write all rows to this file")
    parser.add_argument("--markdown", type=Path, help="write the tables to this file")
    return parser


def table(name: str, rows: list[Row]) -> str:
    columns = list(dict.fromkeys(column for row in rows for column in row))
    lines = [f"**{name}**", "", "| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(str(row.get(column, "–")) for column in columns) + " |" for row in rows]
    return "\n".join(lines)


def main() -> int:
    options = arguments().parse_args()
    pin_blas()  # before numpy is imported by any of these
    told: dict[str, list[Row]] = {}
    tables = [machine_line()]
    print(tables[0])
    for name in options.parts or PARTS:
        told[name] = list(import_module(f"caches.{name}").rows())
        tables.append(table(name, told[name]))
        print("\n" + tables[-1], flush=True)
    if options.json:
        options.json.write_text(json.dumps({"machine": tables[0], **told}, indent=2), encoding="utf-8")
    if options.markdown:
        options.markdown.write_text("\n\n".join(tables) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
