"""Runs rows of the fault matrix at their full counts, and writes one report with every denominator.

python scripts/soak.py --rows D1,D3 --kills 1000 --minutes 30 --out report.md --json report.json

Each row runs in a process of its own; the rows of a report that is there already stay, but those that ran again.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]


def chosen(names: str, known: Sequence[str]) -> list[str]:
    """Return the rows that are named: D1 is all of D1-…; nothing is all."""
    wanted = [name for name in names.split(",") if name]
    for name in wanted:
        if not any(_is_of(row, name) for row in known):
            raise SystemExit(f"there is no row {name}; there are {', '.join(known)}")
    return [row for row in known if not wanted or any(_is_of(row, name) for name in wanted)]


def _is_of(row: str, name: str) -> bool:
    return row == name or row.partition("-")[0] == name


def run(row: str, count: int, seconds: float, seed: int) -> dict[str, Any]:
    """Run one row, and return what came of it; one that ends without an outcome is broken."""
    command = [sys.executable, "-m", "tests.faults.rows", row, "--count", str(count)]
    command += ["--seconds", str(seconds), "--seed", str(seed)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(  # noqa: S603 - our own program, of rows that are in the table
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    conditions = {"command": " ".join(["python", *command[1:]]), "commit": commit(), "ran_at": _now()}
    if done.returncode:
        ended = f"it ended with {done.returncode}: {done.stderr.strip().splitlines()[-1:] or ''}"
        return {"row": row, "counts": {}, "took_s": 0.0, "broken": [ended], **conditions}
    return {**json.loads(done.stdout.splitlines()[-1]), **conditions}


def commit() -> str:
    command = [shutil.which("git") or "git", "describe", "--always", "--dirty"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603 - as it stands here
    return told.stdout.strip()


def machine() -> dict[str, str]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpus": str(os.cpu_count()),
        "memory": f"{memory / (1 << 30):.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def rendered(report: Mapping[str, Any], titles: Mapping[str, str]) -> str:
    """Return the report as Markdown."""
    told = ", ".join(f"{name} {value}" for name, value in report["machine"].items())
    lines = [
        "# Faults and attacks: what was done, and what came of it",
        "",
        f"Written by `python scripts/soak.py` on: {told}.",
        "",
    ]
    lines += ["| row | what | counts | seconds | commit | |", "|---|---|---|---|---|---|"]
    for name, row in sorted(report["rows"].items(), key=lambda item: _order(item[0])):
        counts = "; ".join(f"{what} {count:,}" for what, count in row["counts"].items())
        verdict = "passed" if not row["broken"] else "**broken**: " + "; ".join(row["broken"][:3])
        cells = (name, titles.get(name, ""), counts, f"{row['took_s']:,}", row["commit"], verdict)
        lines.append(f"| {' | '.join(cells)} |")
    commands = sorted({row["command"] for row in report["rows"].values()})
    return "\n".join([*lines, "", "Commands:", "", *(f"- `{command}`" for command in commands), ""])


def _order(name: str) -> tuple[str, int, str]:
    return name[0], int("".join(filter(str.isdigit, name.partition("-")[0])) or 0), name


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def main() -> None:
    sys.path.insert(0, str(ROOT))
    from tests.faults.rows.table import ROWS

    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", default="", help="such as D1,D8-mongodb; default all")
    parser.add_argument("--kills", type=int, help="how often, in place of each row's own full count")
    parser.add_argument("--minutes", type=float, help="how long, of rows that last a time")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path, help="default: reports/fault_report.md, security_report.md of S")
    parser.add_argument("--json", type=Path, help="as --out, with .json")
    told = parser.parse_args()
    titles = {row: entry.title for row, entry in ROWS.items()}
    is_broken = False
    for name in chosen(told.rows, list(ROWS)):
        seconds = ROWS[name].seconds if told.minutes is None else told.minutes * 60
        outcome = run(name, told.kills or ROWS[name].full, seconds, told.seed)
        is_broken = is_broken or bool(outcome["broken"])
        sys.stdout.write(f"{name}: {'; '.join(outcome['broken']) or 'passed'} {json.dumps(outcome['counts'])}\n")
        sys.stdout.flush()
        usual = ROOT / "reports" / ("security_report" if name.startswith("S") else "fault_report")
        noted, told_at = told.json or usual.with_suffix(".json"), told.out or usual.with_suffix(".md")
        report: dict[str, Any] = json.loads(noted.read_text()) if noted.exists() else {"rows": {}}
        report["machine"] = machine()
        report["rows"][name] = outcome
        noted.parent.mkdir(parents=True, exist_ok=True)
        noted.write_text(json.dumps(report, indent=1, sort_keys=True) + "\n")
        told_at.write_text(rendered(report, titles))
    sys.exit(int(is_broken))


if __name__ == "__main__":
    main()
