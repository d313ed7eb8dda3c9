"""The rules that are looked at, and how their figures come from what was measured."""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from context0.observability.alerts import AlertRule, Figure
from context0.observability.measurements import Labels, Measurements
from context0.observability.metrics import (
    CHAT_STAGE,
    FIRST_BYTE,
    INDEX_PENDING,
    LLM_CALL,
    LOOP_LAG,
    OPERATION,
    SEARCHES,
    STORE_COMMAND,
    TURNS,
)
from context0.observability.sketch import Sketch

FIRST_TOKEN: Final = ("first_token",)
DEGRADED_OUTCOME: Final = ("degraded",)
WARM_CACHES: Final = ("owner_index", "contexts")
"""Those that should be warm whatever is asked. The others hold texts as they were said, and most are said once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertThresholds:
    """Each as in `Settings`, where it has the prefix alert_; 0 switches the rule off.

    least: so many observations of the window a figure needs.
    """

    response_p95_ms: float = 3_000.0
    cache_hit_rate: float = 0.6
    slow_command_share: float = 0.05
    llm_failure_share: float = 0.1
    loop_lag_p99_ms: float = 50.0
    degraded_share: float = 0.05
    index_pending: int = 1_000
    least: int = 20


class Recent:
    """What totals have gained over the window: of caches and counters, which only count since the start."""

    def __init__(self, measurements: Measurements, timer: Callable[[], float]) -> None:
        self._measurements = measurements
        self._timer = timer
        self._taken: deque[tuple[float, Mapping[Labels, float]]] = deque([(timer(), {})])

    def take(self) -> None:
        """Note the totals of now; those from before the window are forgotten."""
        now = self._timer()
        totals: dict[Labels, float] = {}
        for name, cache in self._measurements.caches().items():
            totals |= {(name, "hits"): cache.hits, (name, "misses"): cache.misses}
        for counter in (SEARCHES, TURNS):
            totals |= {(counter, *labels): value for labels, value in self._measurements.counters(counter).items()}
        self._taken.append((now, totals))
        while len(self._taken) > 1 and self._taken[1][0] <= now - self._measurements.options.window_s:
            self._taken.popleft()

    def gained(self) -> Mapping[Labels, float]:
        first, last = self._taken[0][1], self._taken[-1][1]
        return {key: value - first.get(key, 0) for key, value in last.items()}


def build_rules(measured: Measurements, recent: Recent, thresholds: AlertThresholds) -> list[AlertRule]:
    """Return the rules over what is measured."""
    least = thresholds.least
    above = partial(AlertRule, worse="above")
    return [
        above(
            name="response_time",
            says="95 % of the answers, or of their first words, come within this many ms",
            threshold=thresholds.response_p95_ms,
            read=lambda: slowest_response(measured, least),
        ),
        AlertRule(
            name="cache_hit_rate",
            says="this share of what owners' indexes or built contexts are asked for is there",
            threshold=thresholds.cache_hit_rate,
            worse="below",
            read=lambda: coldest_cache(recent, least),
        ),
        above(
            name="slow_commands",
            says="at most this share of the commands to a store is slow",
            threshold=thresholds.slow_command_share,
            read=lambda: slow_commands(measured, least),
        ),
        above(
            name="llm_failures",
            says="at most this share of the calls of a language model fails",
            threshold=thresholds.llm_failure_share,
            read=lambda: llm_failures(measured, least),
        ),
        above(
            name="event_loop_lag",
            says="in 99 % of the cases the event loop is late by no more than this many ms",
            threshold=thresholds.loop_lag_p99_ms,
            read=lambda: loop_lag(measured, least),
        ),
        above(
            name="degraded",
            says="at most this share of searches and chat turns lacks a part",
            threshold=thresholds.degraded_share,
            read=lambda: degraded(recent, least),
        ),
        above(
            name="index_pending",
            says="no more than this many memories wait for their index",
            threshold=thresholds.index_pending,
            read=lambda: index_pending(measured),
        ),
    ]


def slowest_response(measured: Measurements, least: int) -> Figure | None:
    """Return the highest p95 of endpoints, first tokens and engine calls, in ms."""
    figures = []
    for name in (FIRST_BYTE, OPERATION, CHAT_STAGE):
        for labels, timing in measured.timings(name):
            window = measured.window(timing)
            if window.count >= least and (name != CHAT_STAGE or labels == FIRST_TOKEN):
                figures.append(Figure(value=window.quantile(0.95), subject=" ".join(labels)))
    return max(figures, key=lambda figure: figure.value, default=None)


def coldest_cache(recent: Recent, least: int) -> Figure | None:
    """Return the lowest hit rate of the `WARM_CACHES` that were asked often enough."""
    gained = recent.gained()
    figures = []
    for name in WARM_CACHES:
        hits, misses = gained.get((name, "hits"), 0), gained.get((name, "misses"), 0)
        if hits + misses >= least:
            figures.append(Figure(value=hits / (hits + misses), subject=name))
    return min(figures, key=lambda figure: figure.value, default=None)


def slow_commands(measured: Measurements, least: int) -> Figure | None:
    """Return the share of slow commands, of all stores together."""
    window = _all(measured, STORE_COMMAND)
    if window.count < least:
        return None
    (quick,) = window.up_to([measured.options.slow_command_ms])
    return Figure(value=1 - quick / window.count)


def llm_failures(measured: Measurements, least: int) -> Figure | None:
    """Return the share of calls that ended without an answer of the configured model."""
    window = _all(measured, LLM_CALL)
    return Figure(value=window.failures / window.count) if window.count >= least else None


def loop_lag(measured: Measurements, least: int) -> Figure | None:
    window = _all(measured, LOOP_LAG)
    return Figure(value=window.quantile(0.99)) if window.count >= least else None


def degraded(recent: Recent, least: int) -> Figure | None:
    """Return the larger share of searches and of turns that lacked a part."""
    gained = recent.gained()
    figures = []
    for counter in (SEARCHES, TURNS):
        outcomes = {labels[1:]: value for labels, value in gained.items() if labels[0] == counter}
        whole = sum(outcomes.values())
        if whole >= least:
            figures.append(Figure(value=outcomes.get(DEGRADED_OUTCOME, 0) / whole, subject=counter))
    return max(figures, key=lambda figure: figure.value, default=None)


def index_pending(measured: Measurements) -> Figure | None:
    waiting = measured.gauges(INDEX_PENDING)
    return Figure(value=sum(waiting.values())) if waiting else None


def _all(measured: Measurements, name: str) -> Sketch:
    whole = Sketch()
    for _, timing in measured.timings(name):
        whole.merge(measured.window(timing))
    return whole
