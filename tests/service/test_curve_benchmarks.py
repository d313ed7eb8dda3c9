"""The benchmarks that draw curves run, and tell what they measured, at tiny sizes. C6."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command_line import ROOT

RUNS = {
    "growth": ("--sizes", "100,200", "--sample", "3"),
    "callers": ("--callers", "1,4", "--calls", "8", "--memories", "100"),
    "ablation": ("--memories", "100", "--sample", "2"),
    "streams": ("--streams", "20", "--first-token-s", "2"),
    "million": ("--size", "1500", "--questions", "5", "--files-from", "1000"),
}


@pytest.mark.parametrize("name", RUNS)
def test_a_benchmark_tells_what_it_measured(tmp_path: Path, name: str) -> None:
    told = tmp_path / "told.json"
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("CONTEXT0_", "PYTEST_"))}
    command = [sys.executable, f"load_tests/{name}_benchmark.py", *RUNS[name], "--json", str(told)]
    run = subprocess.run(
        command,
        cwd=ROOT,
        env={**environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-2_000:]
    curves = json.loads(told.read_text("utf-8"))["curves"]
    assert curves
    for one in curves:
        places = {tuple(line) for line in one["lines"].values()}
        assert places
        assert f"**{one['title']}, {one['unit']}**" in run.stdout
    if name == "streams":
        assert curves[0]["lines"]["failed"] == {"bare app": 0, "Context0": 0, "Context0, 10 let in": 0}
        assert curves[0]["lines"]["shed"]["Context0, 10 let in"] >= 1
