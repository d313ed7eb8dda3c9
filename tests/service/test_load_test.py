"""The load test of the service runs as its README says: locust, a service and a model, a handful of users (A13)."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.command_line import ROOT


def test_a_handful_of_users_is_served_without_a_failure(tmp_path: Path) -> None:
    told = tmp_path / "load.json"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("CONTEXT0_", "PYTEST_"))}
    command = [sys.executable, "-m", "load_tests.service.run", "--users", "5", "--seconds", "10", "--json", str(told)]
    run = subprocess.run(
        command,
        cwd=ROOT,
        env={**environment, "CONTEXT0_LOAD_MAX_SHED": "0"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-2_000:]
    rows = {row["name"]: row for row in json.loads(told.read_text("utf-8"))["rows"]}
    assert rows["Aggregated"]["failures"] == 0
    assert {"fill", "chat", "chat first token"} <= rows.keys()
    assert rows["chat"]["requests"] > 0
