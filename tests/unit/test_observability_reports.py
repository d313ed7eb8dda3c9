"""Reports of snapshots: one day, before and after; the script's exit codes (B8)."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from context0.observability.measurements import Measurements, MeasuringOptions
from context0.observability.metrics import OPERATION, REQUEST, STORE_COMMAND
from context0.observability.performance import PerformanceService
from context0.observability.recorder import CacheReading
from context0.observability.reports import NotASnapshot, Tolerance, compared, daily_markdown, rows_of
from scripts.performance_report import main
from tests.engine_bench import FakeClock


class Process:
    """A process that measures, and the snapshots that are taken of it."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.measured = Measurements(MeasuringOptions(), clock=self.clock, timer=lambda: 0.0)
        self.measured.watch_cache("contexts", lambda: CacheReading(hits=3, misses=1, entries=2, bytes=1 << 20))
        self.service = PerformanceService(self.measured, clock=self.clock, timer=lambda: 0.0)

    def searches(self, ms: float, number: int = 100, *, failed: int = 0) -> None:
        for one in range(number):
            self.measured.observe(OPERATION, ms, failed=one < failed, operation="search")

    def snapshot(self, *, sketches: bool = True) -> Any:
        self.service.look()
        return json.loads(json.dumps(asyncio.run(self.service.snapshot(sketches=sketches))))


def saved(folder: Path, name: str, snapshot: Any) -> str:
    path = folder / f"{name}.json"
    path.write_text(json.dumps(snapshot), "utf-8")
    return str(path)


def verdicts(before: Process, after: Process, tolerance: Tolerance | None = None) -> dict[str, str]:
    changes = compared(rows_of(before.snapshot()), rows_of(after.snapshot()), tolerance or Tolerance())
    return {change.name: change.verdict for change in changes}


def test_the_report_of_a_day_is_what_lies_between_two_snapshots() -> None:
    process = Process()
    process.searches(500.0, 1_000)
    yesterday = process.snapshot()
    process.searches(10.0, 200, failed=2)
    (row,) = rows_of(process.snapshot(), yesterday)
    assert (row.group, row.name, row.figures.count, row.figures.failures) == ("operations", "search", 200, 2)
    assert row.figures.p99 == pytest.approx(10.0, rel=0.02)
    assert row.figures.avg == pytest.approx(10.0)


def test_of_a_process_that_was_started_in_between_all_counts() -> None:
    first, second = Process(), Process()
    second.clock.advance(seconds=5)
    second.measured.started_at = second.clock.now()
    first.searches(500.0)
    second.searches(10.0, 30)
    (row,) = rows_of(second.snapshot(), first.snapshot())
    assert row.figures.count == 30


def test_snapshots_without_sketches_have_no_difference() -> None:
    process = Process()
    process.searches(1.0)
    plain = process.snapshot(sketches=False)
    assert rows_of(plain)
    with pytest.raises(NotASnapshot, match="sketches=true"):
        rows_of(plain, plain)


def test_a_series_is_worse_by_slowness_or_by_failures_and_better_by_speed() -> None:
    before, after = Process(), Process()
    before.searches(10.0)
    after.searches(13.0)
    assert verdicts(before, after) == {"search": "worse"}
    assert verdicts(after, before) == {"search": "better"}
    assert verdicts(before, after, Tolerance(share=0.5)) == {"search": "same"}
    failing = Process()
    failing.searches(10.0, failed=2)
    assert verdicts(before, failing) == {"search": "worse"}


def test_too_few_or_too_quick_or_new_series_are_not_judged() -> None:
    before, after = Process(), Process()
    before.searches(10.0, 5)
    after.searches(100.0, 5)
    before.measured.observe(REQUEST, 1.0, method="GET", route="/gone")
    for _ in range(50):
        before.measured.observe(STORE_COMMAND, 0.1, store="sqlite", command="documents.get_many")
        after.measured.observe(STORE_COMMAND, 0.4, store="sqlite", command="documents.get_many")
        after.measured.observe(REQUEST, 1.0, method="GET", route="/new")
    assert verdicts(before, after) == {
        "search": "few",
        "sqlite documents.get_many": "same",
        "GET /new": "new",
        "GET /gone": "gone",
    }


def test_the_report_names_series_caches_and_raised_alerts() -> None:
    process = Process()
    process.searches(9_000.0)
    process.service.look()
    snapshot = process.snapshot()
    told = daily_markdown(snapshot, rows_of(snapshot))
    assert "| search | 100 | 0.0% | 9e+03 |" in told
    assert "| contexts | 75.0% | 3 | 1 | 2 | 1.0 |" in told
    assert "- **response_time** is firing since" in told
    assert "Slowest of the last slow operations" in told


def test_the_script_reports_a_day(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    process = Process()
    process.searches(10.0)
    early = saved(tmp_path, "early", process.snapshot())
    process.searches(20.0)
    late = saved(tmp_path, "late", process.snapshot())
    assert main([late, "--since", early]) == 0
    assert "| search | 100 | 0.0% | 20 |" in capsys.readouterr().out
    assert main([late, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["timings"][0]["count"] == 200


def test_the_script_fails_where_something_became_worse(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, after = Process(), Process()
    before.searches(10.0)
    after.searches(13.0)
    files = saved(tmp_path, "after", after.snapshot()), "--before", saved(tmp_path, "before", before.snapshot())
    assert main([*files]) == 1
    assert "| worse | operations | search | 10 → 13 | 10 → 13 | 0.0% → 0.0% | +30% |" in capsys.readouterr().out
    assert main([*files, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["worse"] == 1
    assert main([*files, "--worse-than", "0.5"]) == 0


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1}', "not JSON"])
def test_the_script_says_what_to_do_about_a_file_that_is_no_snapshot(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    path = tmp_path / "x.json"
    path.write_text(text, "utf-8")
    assert main([str(path)]) == 2
    assert "save what /api/performance/metrics answers" in capsys.readouterr().err


def test_the_script_refuses_another_format(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    snapshot = Process().snapshot() | {"format": 99}
    assert main([saved(tmp_path, "x", snapshot)]) == 2
    assert "format 99" in capsys.readouterr().err


def test_the_script_says_that_there_is_no_file_or_no_service(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path / "none.json")]) == 2
    assert main(["http://127.0.0.1:1"]) == 2
    assert capsys.readouterr().err.count("error: ") == 2
