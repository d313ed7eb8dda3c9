"""The rows of attacks at small counts; at length: python scripts/soak.py --rows S1,S8,… (S1 to S19)."""

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Final

import pytest

from context0.api.turns import RunningTurn, Turns
from tests.command_line import ROOT
from tests.faults.rows.outcome import RowOptions
from tests.faults.rows.table import ROWS
from tests.security import isolation

SMALL: Final[Mapping[str, int]] = {
    "S1-sqlite": isolation.WHOLE,
    "S1-mongodb": 60,
    "S2": 2,
    "S3": 2_000,
    "S4-sqlite": 40,
    "S4-mongodb": 20,
    "S5": 12,
    "S6": 18,
    "S7": 24,
    "S8": 5_000,
    "S10": 2,
    "S11": 20_000,
    "S12": 100,
    "S13": 5_000,
    "S14": 1,
    "S15": 120,
    "S16-sqlite": 7,
    "S16-mongodb": 5,
    "S17-sqlite": 2,
    "S17-mongodb": 1,
    "S18": 40,
}
ELSEWHERE: Final[Mapping[str, str]] = dict.fromkeys(("S19-sqlite", "S19-mongodb"), "tests/service/test_api_schema.py")
"""Rows that another module runs small."""


@pytest.mark.parametrize("row", SMALL)
def test_nothing_of_a_row_is_broken(row: str) -> None:
    command = [sys.executable, "-m", "tests.faults.rows", row, "--count", str(SMALL[row])]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout.splitlines()[-1])
    assert outcome["broken"] == [], outcome
    assert max(outcome["counts"].values()) >= SMALL[row], outcome


def test_every_row_is_run() -> None:
    assert {*SMALL, *ELSEWHERE} == {row for row in ROWS if row.startswith("S")}


def _found_by_anybody(self: Turns, turn_id: str, owner: str) -> RunningTurn | None:
    return self._running.get(turn_id) or self._ended.get(turn_id)


def test_the_probes_notice_a_turn_that_anybody_can_follow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Turns, "find", _found_by_anybody)
    outcome = isolation.on_sqlite(RowOptions(count=600))
    assert min(outcome.counts[name] for name in ("leaks", "differences")) > 0
    assert "/v1/chat/turns" in outcome.broken[0]
