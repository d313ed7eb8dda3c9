"""What is measured is kept since the start and over a window; labels are bounded, slow operations noted (B8, A12)."""

import logging

import pytest

from context0.observability.measurements import OTHER, Measurements, MeasuringOptions
from context0.observability.metrics import (
    CHAT_STAGE,
    INDEX_PENDING,
    LLM_CALL,
    LOOP_LAG,
    METRICS,
    OPERATION,
    SEARCHES,
    STORE_COMMAND,
)
from context0.observability.recorder import SILENT, CacheReading
from tests.engine_bench import FakeClock


class Timer:
    """Monotonic seconds that a test moves."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def timer() -> Timer:
    return Timer()


@pytest.fixture
def measured(timer: Timer) -> Measurements:
    return Measurements(MeasuringOptions(window_s=300, max_series=5, max_slow=3), clock=FakeClock(), timer=timer)


def counts(measured: Measurements, name: str) -> dict[tuple[str, ...], tuple[int, int]]:
    """Return by series how many are in the window, and how many there were since the start."""
    return {labels: (measured.window(timing).count, timing.whole().count) for labels, timing in measured.timings(name)}


def test_the_window_forgets_and_the_whole_does_not(measured: Measurements, timer: Timer) -> None:
    measured.observe(OPERATION, 1.0, operation="add")
    timer.now_s += 200
    measured.observe(OPERATION, 2.0, operation="add")
    assert counts(measured, OPERATION) == {("add",): (2, 2)}
    timer.now_s += 150
    assert counts(measured, OPERATION) == {("add",): (1, 2)}
    timer.now_s += 1_000_000
    assert counts(measured, OPERATION) == {("add",): (0, 2)}
    measured.observe(OPERATION, 3.0, operation="add")
    assert counts(measured, OPERATION) == {("add",): (1, 3)}


def test_failures_belong_to_their_window(measured: Measurements, timer: Timer) -> None:
    measured.observe(OPERATION, 1.0, failed=True, operation="add")
    timer.now_s += 400
    measured.observe(OPERATION, 1.0, operation="add")
    ((_, timing),) = measured.timings(OPERATION)
    assert (measured.window(timing).failures, timing.whole().failures) == (0, 1)


def test_labels_beyond_the_room_of_a_metric_count_as_other(measured: Measurements) -> None:
    for number in range(20):
        measured.observe(OPERATION, 1.0, operation=f"operation-{number}")
        measured.count(SEARCHES, outcome=f"outcome-{number}")
    assert len(counts(measured, OPERATION)) == 6
    assert counts(measured, OPERATION)[OTHER,] == (15, 15)
    assert measured.counters(SEARCHES)[OTHER,] == 15


def test_a_label_that_is_no_short_name_counts_as_other(measured: Measurements) -> None:
    for text in ("I moved to Munich, don't tell anybody", "x" * 81, "line\nbreak", "", "\ud800", "anna's"):
        measured.observe(OPERATION, 1.0, operation=text)
    assert counts(measured, OPERATION) == {(OTHER,): (6, 6)}


def test_the_order_of_labels_in_a_call_does_not_matter(measured: Measurements) -> None:
    measured.observe(LLM_CALL, 1.0, model="m", agent="a")
    measured.observe(LLM_CALL, 1.0, agent="a", model="m")
    assert counts(measured, LLM_CALL) == {("m", "a"): (2, 2)}


@pytest.mark.parametrize("labels", [{}, {"operation": "add", "user": "anna"}, {"stage": "read"}])
def test_other_labels_than_those_of_the_metric_are_a_fault_of_the_caller(
    measured: Measurements, labels: dict[str, str]
) -> None:
    with pytest.raises((KeyError, ValueError)):
        measured.observe(OPERATION, 1.0, failed=False, **labels)


def test_no_metric_has_a_label_for_a_person_or_a_text() -> None:
    labels = {label for metric in METRICS.values() for label in metric.labels}
    assert labels == {
        *("method", "route", "status", "operation", "stage", "strategy", "tier", "agent", "model", "outcome"),
        *("kind", "store", "command", "part", "reason"),
    }


def test_slow_ones_are_logged_and_the_last_are_kept(measured: Measurements, caplog: pytest.LogCaptureFixture) -> None:
    for ms in (99.0, 100.0, 101.0, 102.0, 103.0):
        measured.observe(STORE_COMMAND, ms, store="sqlite", command="documents.put_many")
    measured.observe(CHAT_STAGE, 4_999.0, stage="stream")
    assert [slow.ms for slow in measured.slow()] == [103.0, 102.0, 101.0]
    assert measured.slow()[0].labels == {"store": "sqlite", "command": "documents.put_many"}
    assert [record.msg for record in caplog.records] == ["operation.slow"] * 4
    assert caplog.records[0].levelno == logging.WARNING
    ((_, timing),) = measured.timings(STORE_COMMAND)
    assert timing.slow == 4


def test_what_is_watched_is_read_when_somebody_looks(measured: Measurements) -> None:
    waiting = [3]
    measured.watch_gauge(INDEX_PENDING, lambda: len(waiting))
    measured.watch_cache("contexts", lambda: CacheReading(hits=3, misses=1, entries=len(waiting)))
    waiting.clear()
    assert measured.gauges(INDEX_PENDING) == {(): 0}
    assert measured.caches()["contexts"].hit_rate == 0.75
    assert measured.caches()["contexts"].entries == 0


def test_a_second_watcher_of_the_name_replaces_the_first(measured: Measurements) -> None:
    measured.watch_gauge(INDEX_PENDING, lambda: 1)
    measured.watch_gauge(INDEX_PENDING, lambda: 2)
    assert measured.gauges(INDEX_PENDING) == {(): 2}


def test_a_cache_that_was_never_asked_has_no_hit_rate() -> None:
    assert CacheReading(hits=0, misses=0, entries=0).hit_rate == 0.0


def test_the_silent_recorder_takes_everything(timer: Timer) -> None:
    SILENT.observe(LOOP_LAG, 1.0)
    SILENT.count(SEARCHES, outcome="found")
    SILENT.gauge(INDEX_PENDING, 1)
    SILENT.watch_gauge(INDEX_PENDING, timer)
    SILENT.watch_cache("x", lambda: CacheReading(hits=0, misses=0, entries=0))
