"""The chat benchmark runs from end to end and writes what it promises; its times are judged by nobody here."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
TINY: Final = (
    *("--users", "2", "--memories", "60", "--sizes", "40,60", "--rounds", "1", "--alone", "2", "--concurrent", "3"),
    *("--each", "1", "--turns", "12", "--sample", "3", "--agent-turns", "2"),
    *("--first-token-ms", "2", "--interval-ms", "1", "--tokens", "3"),
)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What one run of the command writes as JSON, and its Markdown."""
    folder = tmp_path_factory.mktemp("chat_benchmark")
    written = [folder / "chat.json", folder / "chat.md"]
    command = [sys.executable, "load_tests/chat_benchmark.py", *TINY]
    command += ["--json", str(written[0]), "--markdown", str(written[1])]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CONTEXT0_")}
    run = subprocess.run(command, cwd=ROOT, env=kept, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stderr
    return {**json.loads(written[0].read_text(encoding="utf-8")), "markdown": written[1].read_text(encoding="utf-8")}


def test_every_contestant_is_measured_in_every_arrival_and_nothing_was_degraded(told: dict[str, Any]) -> None:
    assert len(told["contest"]) == 4
    for by_arrival in told["contest"].values():
        assert {name: one["turns"] for name, one in by_arrival.items()} == {
            "one at a time": 2,
            "at once": 3,
            "staggered": 3,
        }
        assert all(one["degraded"] == 0 and one["prompt_tokens"] > 0 for one in by_arrival.values())


def test_b1_one_model_call_before_the_answer_and_one_after_it_only_where_rules_cannot_read(
    told: dict[str, Any],
) -> None:
    calls = {(one["extraction"], one["to_first_token"], one["to_done"], one["in_all"]) for one in told["calls"]}
    assert calls == {("none", 1, 1, 1), ("simple", 1, 1, 1), ("full", 1, 1, 2)}


def test_agents_one_after_another_take_six_calls_where_the_chat_takes_one_or_two(told: dict[str, Any]) -> None:
    agents = told["agents"]
    assert (agents["agents_calls"], 1 <= agents["chat_calls"] <= 2) == (6, True)


def test_every_tier_is_measured_at_every_size(told: dict[str, Any]) -> None:
    assert [(one["memories"], one["tier"], len(one["took_ms"])) for one in told["tiers"]] == [
        (size, tier, 3) for size in (40, 60) for tier in ("light", "standard", "full")
    ]


def test_the_long_conversation_is_told_turn_by_turn(told: dict[str, Any]) -> None:
    assert [one["turn"] for one in told["long"]] == list(range(1, 13))
    assert all(one["tokens"] > 0 and one["statements"] > 0 for one in told["long"])


def test_the_tables_hold_every_threshold(told: dict[str, Any]) -> None:
    assert all(verdict["name"] in told["markdown"] for verdict in told["verdicts"])
