"""Processes of the service over one MongoDB and one Redis: coherent, restarted one by one, nothing lost (D12, A4).

The benchmark itself, with small numbers; `load_tests/cluster_benchmark.py` says what it measures.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from tests.command_line import ROOT
from tests.mongo_server import mongo_uri
from tests.redis_server import redis_server

SMALL: Final = ("--writes", "24", "--rounds", "1", "--users", "2", "--each-s", "1")


def run(tmp_path: Path, *parts: str) -> dict[str, Any]:
    with redis_server(tmp_path):
        pass  # skips where there is none
    told = tmp_path / "cluster.json"
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("CONTEXT0_", "PYTEST_"))}
    command = [sys.executable, "-m", "load_tests.cluster_benchmark", *SMALL, "--parts", *parts, "--json", str(told)]
    ran = subprocess.run(
        command,
        cwd=ROOT,
        env={**plain, "CONTEXT0_TEST_MONGODB_URI": mongo_uri()},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-2_000:] + ran.stderr[-2_000:]
    read: dict[str, Any] = json.loads(told.read_text("utf-8"))
    return read


def test_a_rolling_restart_loses_fails_and_doubles_nothing(tmp_path: Path) -> None:
    """D12: every acknowledged id stands in a file before the next request; 0 of them may be missing."""
    [row] = run(tmp_path, "restarts").values()
    assert (row["failed"], row["lost"], row["duplicates"], row["stale"]) == (0, 0, 0, 0)
    assert row["restarts"] == 2
    assert row["acknowledged"] > 0


def test_another_process_shows_a_write_within_the_bound_and_at_once_with_its_token(tmp_path: Path) -> None:
    [row] = run(tmp_path, "staleness").values()
    assert (row["beyond_the_bound"], row["stale_with_token"]) == (0, 0)
    assert row["writes"] == row["reads_with_token"] == 24


def test_tasks_that_are_delivered_twice_have_the_effects_of_once(tmp_path: Path) -> None:
    """A11, D11"""
    [row] = run(tmp_path, "tasks").values()
    assert (row["vectors"], row["duplicate_vectors"], row["duplicate_edges"], row["given_up"]) == (24, 0, 0, 0)
