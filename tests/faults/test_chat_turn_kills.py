"""D2, D3: processes killed (kill -9) in the middle of turns: what was acknowledged is there, and every talk goes on.

Many more kills: python -m tests.faults.chat_turn_kills --kills 300
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.chat_turn_writer import POINTS, TARGETS

KILLS = 3


@pytest.mark.parametrize("target", TARGETS)
def test_a_kill_in_a_turn_loses_nothing_that_was_acknowledged(target: str) -> None:
    command = [
        sys.executable,
        "-m",
        "tests.faults.chat_turn_kills",
        "--json",
        "--kills",
        str(KILLS),
        "--target",
        target,
    ]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=120, check=True
    )
    outcomes = [json.loads(line) for line in done.stdout.splitlines()]
    assert [outcome["point"] for outcome in outcomes] == list(POINTS)
    for outcome in outcomes:
        assert [outcome[name] for name in ("lost", "forgotten", "strange", "stuck")] == [0, 0, 0, 0], outcome
        assert outcome["asked"] >= outcome["told"]
    assert sum(outcome["told"] for outcome in outcomes) > KILLS
    assert sum(outcome["unanswered"] for outcome in outcomes) > 0
