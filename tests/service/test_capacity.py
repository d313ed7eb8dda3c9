"""The plan for many memories is made of what is measured, and adds up."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from load_tests.sizing.owners import resident, sizes
from tests.command_line import ROOT
from tests.mongo_server import mongo_uri

SMALL: Final = ("--measure", "400", "--repeats", "5", "--requests", "2000", "--owners", "1000", "--memories", "100000")


def test_the_plan_is_made_of_what_is_measured(tmp_path: Path) -> None:
    told, text = tmp_path / "plan.json", tmp_path / "plan.md"
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("CONTEXT0_", "PYTEST_"))}
    ran = subprocess.run(
        [sys.executable, "-m", "load_tests.capacity", *SMALL, "--json", str(told), "--markdown", str(text)],
        cwd=ROOT,
        env={**plain, "CONTEXT0_TEST_MONGODB_URI": mongo_uri()},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-2_000:]
    read = json.loads(told.read_text("utf-8"))
    costs, plan = read["costs"], read["plan"]
    assert costs["mongo"]["fields"]["embedding"] > 1_024, "256 floats"
    assert costs["mongo"]["document"] == pytest.approx(sum(costs["mongo"]["fields"].values()) + 5, rel=0.01)
    assert {"_id", "words", "newest", "changes", "dedupe_key_unique"} <= costs["mongo"]["indexes"].keys()
    assert sum(costs["sqlite_bytes"].values()) > costs["text_bytes"] + 1_024
    assert costs["index_bytes"] > 1_024
    assert read["commands"]["get"] == read["commands"]["search"] == 1
    assert all(milliseconds > 0 for milliseconds in costs["cpu_ms"].values())
    walls = [wall["at_memories"] for wall in plan["walls"]]
    assert walls == sorted(walls)
    assert plan["money"]["together"] == pytest.approx(sum(plan["money"].values()) / 2)
    assert "Shard key" in text.read_text("utf-8")


def test_sizes_follow_zipf() -> None:
    owned = sizes(1_000, 1_000_000)
    assert owned.sum() == pytest.approx(1_000_000, rel=0.001)
    assert owned[0] == pytest.approx(10 * owned[9], rel=0.01)
    assert owned.min() >= 1


def test_sticky_requests_meet_more_owners_in_memory_than_scattered_ones() -> None:
    """And where all owners have room, all requests but the first of each find theirs."""
    owned = sizes(500, 50_000).tolist()
    tight = {"index_bytes": (1_000.0, 1_600.0), "most_indexed": 100_000, "requests": 20_000, "seed": 3, "processes": 4}
    sticky, scattered = (resident(owned, **tight, gb_each=0.01, sticky=one) for one in (True, False))
    assert sticky.hit_rate > scattered.hit_rate + 0.05
    roomy = resident(owned, **tight, gb_each=1.0, sticky=True)
    assert roomy.hit_rate > 0.99
    nobody = resident(owned, **{**tight, "most_indexed": 0}, gb_each=1.0, sticky=True)
    assert (nobody.hit_rate, nobody.loaded) == (0.0, 0.0)
