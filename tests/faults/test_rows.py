"""The rows of the fault matrix at small counts; at length: python scripts/soak.py (D1 to D23)."""

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Final

import pytest

from tests.command_line import ROOT
from tests.faults.rows.table import ROWS

SMALL: Final[Mapping[str, int]] = {
    "D1-sqlite": 3,
    "D1-mongodb": 2,
    "D2-turns": 10,
    "D2-sqlite": 1,
    "D2-mongodb": 1,
    "D3-journal": 3,
    "D3-index": 8,
    "D4-sqlite": 1,
    "D4-mongodb": 2,
    "D5": 10,
    "D6": 10,
    "D7": 30,
    "D7-journal": 30,
    "D8-mongodb": 7,
    "D8-embeddings": 4,
    "D8-amplification": 200,
    "D9-redis": 4,
    "D10": 12,
    "D11-sqlite": 2,
    "D11-mongodb": 2,
    "D12": 2,
    "D13-sqlite": 42,
    "D13-mongodb": 10,
    "D14-sqlite": 2,
    "D14-mongodb": 1,
    "D15": 10,
    "D16": 3,
    "D17": 26,
    "D18-llm": 4,
    "D19": 25,
    "D20": 20,
    "D21-cache": 1_000,
    "D21-embeddings": 100,
    "D23-soak": 2,
}
ELSEWHERE: Final = {row: "tests/security/test_rows.py" for row in ROWS if row.startswith("S")}
"""Rows that a test module of their own runs small."""


@pytest.mark.parametrize("row", SMALL)
def test_nothing_of_a_row_is_broken(row: str) -> None:
    """In a process of its own: some rows fork, and so must run no thread."""
    command = [sys.executable, "-m", "tests.faults.rows", row, "--count", str(SMALL[row]), "--seconds", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout.splitlines()[-1])
    assert outcome["broken"] == [], outcome
    assert max(outcome["counts"].values()) >= SMALL[row], outcome


def test_every_row_is_run() -> None:
    assert {*SMALL, *ELSEWHERE} == {*ROWS}
