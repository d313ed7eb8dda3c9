"""Generated requests by two users in thousands, all phases of schemathesis, on either backend. S19.

python -m tests.faults.rows S19-sqlite --count 50000
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tests.faults.rows.outcome import Outcome, RowOptions
from tests.mongo_server import database_url, drop, fresh_name
from tests.service_process import ROOT, key_for, serving

USERS: Final[Mapping[str, tuple[str, ...]]] = {"anna": (), "watcher": ("--operator",)}
NOT_CHECKED: Final = "positive_data_acceptance"
"""That every request that fits its schema is taken: which ids and cursors there are, no schema says."""
_WITHOUT_LINKS: Final = ("--phases", "examples,coverage,fuzzing")
_LINES: Final = "/v1/me/import"
_ROUTES: Final = (
    ("--exclude-path", _LINES, "--exclude-checks", NOT_CHECKED),
    ("--include-path", _LINES, "--exclude-checks", f"{NOT_CHECKED},negative_data_rejection", *_WITHOUT_LINKS),
)
"""Lines that are off are refused one by one, in an answer that is 200."""
_REFUSALS: Final = (400, 401, 403, 404, 405, 406, 408, 409, 413, 415, 422, 429, 431)
"""What a request that is off may be answered with; 431 comes before any route, of a head that is too large."""
_ROUND: Final = 40
"""Requests of one phase to one route; a round has some four thousand."""


def sqlite(options: RowOptions) -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        return _fuzzed(Path(folder), f"sqlite:///{folder}/context0.db", options)


def mongodb(options: RowOptions) -> Outcome:
    url = database_url(fresh_name())
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        stack.callback(drop, url)
        return _fuzzed(Path(folder), url, options)


def _fuzzed(folder: Path, store_url: str, options: RowOptions) -> Outcome:
    chosen = {"store_url": store_url, "sqlite_synchronous": "NORMAL"}
    counts: Counter[str] = Counter(dict.fromkeys(("cases", "failures", "errors", "tracebacks", "ends"), 0))
    failed: list[str] = []
    users = _users(folder, chosen)
    refusals = json.dumps([str(status) for status in _REFUSALS])
    (folder / "schemathesis.toml").write_text(f"[checks.negative_data_rejection]\nexpected-statuses = {refusals}\n")
    examples = min(_ROUND, max(1, options.count // 100))
    with serving(folder=folder, **chosen) as service:
        seed = options.seed
        while counts["cases"] < options.count and service.process.poll() is None:
            routes = 0
            for chosen_routes in _ROUTES:
                told = _round(service.url, users, folder / "report.json", seed, examples, *chosen_routes)
                counts["cases"] += told["test_cases"]["generated"]
                counts["failures"] += len(told["failures"])
                counts["errors"] += len(told["errors"])
                failed += [told["output"]] * bool(told["failures"] or told["errors"])
                routes += told["operations"]["tested"]
            counts["routes"] = routes
            seed += 1
        counts["ends"] += service.process.poll() is not None
        counts["rounds"] = seed - options.seed
        counts["tracebacks"] += (folder / "stderr").read_text().count("Traceback")
    return Outcome.of(dict(counts), "failures", "errors", "tracebacks", "ends", broken=tuple(failed[:2]))


def _users(folder: Path, chosen: Mapping[str, str]) -> Path:
    """Make a key for each user, and return the file that tells schemathesis of them."""
    keys = {user: key_for(user, folder, *more, **chosen) for user, more in USERS.items()}
    path = folder / "users.json"
    header = "X-API-Key"
    told = {"auth": [{"name": user, "fixedHeaders": [{"name": header, "value": key}]} for user, key in keys.items()]}
    path.write_text(json.dumps(told))
    return path


def _round(url: str, users: Path, report: Path, seed: int, examples: int, *routes: str) -> dict[str, Any]:
    """Run all phases once where the report is to be, by the schemathesis.toml there, and return what it tells."""
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json", "--auth-wfc", str(users)]
    command += ["--max-examples", str(examples), "--seed", str(seed), "--checks", "all"]
    command += [*routes, "--continue-on-failure", "--suppress-health-check", "all"]
    command += ["--generation-database", "none", "--warnings", "off", "--report", "json"]
    command += ["--report-json-path", str(report), "--request-timeout", "120"]
    command += ["--max-response-time", "120"]
    told_of = {**os.environ, "PYTHONPATH": str(ROOT), "SCHEMATHESIS_HOOKS": "tests.security.fuzzing_hooks"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=report.parent, env=told_of, check=False)
    if not report.exists():
        raise RuntimeError(f"schemathesis ended with {done.returncode}: {(done.stderr or done.stdout)[-500:]}")
    told: dict[str, Any] = json.loads(report.read_text())
    report.unlink()
    _, _, met = done.stdout.partition("ERRORS ==" if told["errors"] else "FAILURES ==")
    return {**told, "output": met.partition("= WARNINGS =")[0].partition("= SUMMARY =")[0][:4_000]}
