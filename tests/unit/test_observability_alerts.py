"""Alerts: raised after two looks, cleared after three that are clearly well; the figure of each rule (B8)."""

from collections.abc import Callable
from typing import Any

import pytest

from context0.observability.alert_rules import AlertThresholds, Recent, build_rules
from context0.observability.alerts import AlertBoard, AlertRule, Figure
from context0.observability.measurements import Measurements, MeasuringOptions
from context0.observability.metrics import (
    CHAT_STAGE,
    FIRST_BYTE,
    INDEX_PENDING,
    LLM_CALL,
    LOOP_LAG,
    SEARCHES,
    STORE_COMMAND,
    TURNS,
)
from context0.observability.recorder import CacheReading
from tests.engine_bench import FakeClock

Fill = Callable[[Measurements], None]


class Desk:
    """A board over measurements, and the hands of its clocks."""

    def __init__(self, **thresholds: Any) -> None:
        self.now_s = 0.0
        self.clock = FakeClock()
        self.measured = Measurements(MeasuringOptions(window_s=300), clock=self.clock, timer=lambda: self.now_s)
        self.recent = Recent(self.measured, lambda: self.now_s)
        rules = build_rules(self.measured, self.recent, AlertThresholds(**thresholds))
        self.board = AlertBoard(rules, self.clock)

    def look(self, after_s: float = 10.0) -> None:
        self.now_s += after_s
        self.clock.advance(seconds=after_s)
        self.recent.take()
        self.board.look()

    def states(self) -> dict[str, str]:
        return {alert.name: alert.state for alert in self.board.alerts if alert.state != "ok"}


def board_of(*values: float | None, threshold: float = 100, worse: Any = "above") -> tuple[AlertBoard, FakeClock]:
    """Return a board with one rule, whose figures are `values`, one a look."""
    figures, clock = iter(values), FakeClock()

    def read() -> Figure | None:
        value = next(figures)
        return None if value is None else Figure(value=value, subject="it")

    rule = AlertRule(name="rule", says="", threshold=threshold, worse=worse, read=read)
    return AlertBoard([rule], clock), clock


@pytest.mark.parametrize(
    ("values", "states"),
    [
        ((101, 101, 101), ("pending", "firing", "firing")),
        ((101, 50, 101, 50), ("pending", "ok", "pending", "ok")),
        ((101, 101, 90, 90, 90, 90), ("pending", "firing", "firing", "firing", "firing", "firing")),
        ((101, 101, 80, 80, 80), ("pending", "firing", "firing", "firing", "ok")),
        ((101, 101, 80, 80, 99, 80, 80, 80), ("pending", *["firing"] * 6, "ok")),
        ((101, 101, None, None, None), ("pending", "firing", "firing", "firing", "ok")),
        ((None, 100, 100), ("ok", "ok", "ok")),
    ],
)
def test_an_alert_is_raised_late_and_cleared_late(values: tuple[float | None, ...], states: tuple[str, ...]) -> None:
    board, _ = board_of(*values)
    seen = []
    for _value in values:
        board.look()
        seen.append(board.alerts[0].state)
    assert tuple(seen) == states


def test_an_alert_says_since_when_and_of_what(caplog: pytest.LogCaptureFixture) -> None:
    board, clock = board_of(101, 102, 103)
    since = None
    for _ in range(3):
        clock.advance(seconds=10)
        board.look()
        since = since or (clock.now() if board.alerts[0].state == "firing" else None)
    alert = board.alerts[0]
    assert (alert.value, alert.subject, alert.since) == (103, "it", since)
    assert [record.msg for record in caplog.records] == ["alert.raised"]


def test_a_rule_for_what_should_be_high_warns_below() -> None:
    board, _ = board_of(0.5, 0.5, 0.65, 0.65, 0.65, 0.73, 0.73, 0.73, threshold=0.6, worse="below")
    seen = []
    for _ in range(8):
        board.look()
        seen.append(board.alerts[0].state)
    assert seen == ["pending", *["firing"] * 6, "ok"]


def test_a_threshold_of_zero_switches_a_rule_off() -> None:
    board, _ = board_of(threshold=0)
    board.look()
    assert board.alerts == []


def slow_answers(measured: Measurements) -> None:
    for _ in range(20):
        measured.observe(FIRST_BYTE, 10.0, method="GET", route="/v1/memories")
        measured.observe(FIRST_BYTE, 4_000.0, method="POST", route="/v1/chat")


def slow_first_tokens(measured: Measurements) -> None:
    for _ in range(20):
        measured.observe(CHAT_STAGE, 4_000.0, stage="first_token")


def slow_commands(measured: Measurements) -> None:
    for number in range(100):
        measured.observe(STORE_COMMAND, 150.0 if number < 6 else 1.0, store="mongodb", command="memories.find")


def failing_model(measured: Measurements) -> None:
    for number in range(20):
        measured.observe(LLM_CALL, 100.0, failed=number < 3, model="m", agent="conversation")


def late_loop(measured: Measurements) -> None:
    for number in range(200):
        measured.observe(LOOP_LAG, 80.0 if number < 5 else 0.1)


def degraded_searches(measured: Measurements) -> None:
    measured.count(SEARCHES, 90, outcome="found")
    measured.count(SEARCHES, 10, outcome="degraded")
    measured.count(TURNS, 100, outcome="complete")


def cold_cache(measured: Measurements) -> None:
    measured.watch_cache("contexts", lambda: CacheReading(hits=40, misses=60, entries=1))
    measured.watch_cache("searches", lambda: CacheReading(hits=0, misses=100, entries=100))
    measured.watch_cache("owner_index", lambda: CacheReading(hits=90, misses=10, entries=1))


def much_to_index(measured: Measurements) -> None:
    measured.watch_gauge(INDEX_PENDING, lambda: 1_001)


@pytest.mark.parametrize(
    ("name", "fill", "value", "subject"),
    [
        ("response_time", slow_answers, 4_000, "POST /v1/chat"),
        ("response_time", slow_first_tokens, 4_000, "first_token"),
        ("slow_commands", slow_commands, 0.06, ""),
        ("llm_failures", failing_model, 0.15, ""),
        ("event_loop_lag", late_loop, 80, ""),
        ("degraded", degraded_searches, 0.1, SEARCHES),
        ("cache_hit_rate", cold_cache, 0.4, "contexts"),
        ("index_pending", much_to_index, 1_001, ""),
    ],
)
def test_each_rule_fires_for_what_it_watches_and_no_other_does(
    name: str, fill: Fill, value: float, subject: str
) -> None:
    desk = Desk()
    fill(desk.measured)
    desk.look()
    desk.look()
    assert desk.states() == {name: "firing"}
    alert = desk.board.alerts[0]
    assert alert.value == pytest.approx(value, rel=0.011)
    assert alert.subject == subject


@pytest.mark.parametrize("fill", [slow_commands, failing_model, degraded_searches, cold_cache])
def test_what_was_before_the_window_is_no_reason_any_more(fill: Fill) -> None:
    desk = Desk()
    fill(desk.measured)
    desk.look()
    desk.look()
    assert set(desk.states().values()) == {"firing"}
    for _ in range(40):
        desk.look()
    assert desk.states() == {}


def test_too_few_observations_are_no_reason() -> None:
    desk = Desk(least=21)
    slow_answers(desk.measured)
    failing_model(desk.measured)
    desk.look()
    desk.look()
    assert desk.states() == {}


def test_thresholds_are_what_one_sets() -> None:
    desk = Desk(response_p95_ms=5_000, llm_failure_share=0.2)
    slow_answers(desk.measured)
    failing_model(desk.measured)
    desk.look()
    desk.look()
    assert desk.states() == {}
