"""Reports what a service measured: of a day, or what changed between two snapshots.

    python scripts/performance_report.py now.json                        # since the start
    python scripts/performance_report.py now.json --since yesterday.json # only the time between them
    python scripts/performance_report.py after.json --before before.json --worse-than 0.2
    python scripts/performance_report.py http://127.0.0.1:8000 --save today.json

A snapshot is what /api/performance/metrics?sketches=true answers: a file, or the address of a service, whose key is
read from standard input with --key-stdin. Exit codes: 0 done, 1 worse than allowed, 2 bad usage or no snapshot.
"""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import httpx

from context0.observability.reports import (
    NotASnapshot,
    Tolerance,
    compared,
    comparison_markdown,
    daily_markdown,
    rows_json,
    rows_of,
)

_PATH: Final = "/api/performance/metrics?sketches=true"
_TIMEOUT_S: Final = 10.0


def main(arguments: list[str] | None = None) -> int:
    """Print the report as Markdown, or as JSON with --json, and return the exit code."""
    options = _parser().parse_args(arguments)
    key = sys.stdin.readline().strip() if options.key_stdin else ""
    try:
        snapshot = read(options.snapshot, key)
        if options.save is not None:
            options.save.write_text(json.dumps(snapshot), "utf-8")
        if options.before is not None:
            return _compare(snapshot, read(options.before, key), options)
        rows = rows_of(snapshot, None if options.since is None else read(options.since, key))
    except (OSError, ValueError, httpx.HTTPError, httpx.InvalidURL) as exc:
        print(f"error: {exc}", file=sys.stderr)
        return 2
    print(json.dumps(rows_json(snapshot, rows)) if options.as_json else daily_markdown(snapshot, rows), end="")
    return 0


def read(place: str, key: str = "") -> Any:
    """Return the snapshot of a file or a service. Raises OSError, httpx.HTTPError, NotASnapshot."""
    if not place.startswith(("http://", "https://")):
        text = Path(place).read_text("utf-8")
    else:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        answer = httpx.get(place.rstrip("/") + _PATH, headers=headers, timeout=_TIMEOUT_S)
        if answer.is_error:
            raise NotASnapshot(f"the service answered {answer.status_code}; is the key right, are metrics on?")
        text = answer.text
    try:
        return json.loads(text)
    except ValueError:
        raise NotASnapshot("not JSON: save what /api/performance/metrics answers, and give that file") from None


def _compare(after: Any, before: Any, options: argparse.Namespace) -> int:
    tolerance = Tolerance(share=options.worse_than, least=options.least)
    changes = compared(rows_of(before), rows_of(after), tolerance)
    worse = [change for change in changes if change.verdict == "worse"]
    if options.as_json:
        print(json.dumps({"worse": len(worse), "changes": [asdict(change) for change in changes]}))
    else:
        print(comparison_markdown(changes, tolerance), end="")
    return 1 if worse else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Report what a service measured.")
    parser.add_argument("snapshot", help="a file, or the address of a service")
    other = parser.add_mutually_exclusive_group()
    other.add_argument("--since", help="an earlier snapshot: report the time between the two")
    other.add_argument("--before", help="another snapshot: report what changed")
    parser.add_argument("--worse-than", type=float, default=0.2, metavar="SHARE", help="slower by this: exit code 1")
    parser.add_argument("--least", type=int, default=20, metavar="N", help="observations that a comparison needs")
    parser.add_argument("--save", type=Path, metavar="FILE", help="keep the snapshot")
    parser.add_argument("--key-stdin", action="store_true", help="read the service's key from standard input")
    parser.add_argument("--json", dest="as_json", action="store_true", help="print JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
