"""Keeps what is measured: since the start, and over a window that slides along."""

import logging
import math
import re
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from context0.clock import Clock, SystemClock
from context0.observability.metrics import METRICS, SlowGroup
from context0.observability.recorder import CacheReading
from context0.observability.sketch import Sketch

log = logging.getLogger(__name__)

Labels = tuple[str, ...]
OTHER: Final = "other"
"""Stands for every label beyond those that a metric has room for, and for one that is no short name."""
_SLOTS: Final = 10
_NAME: Final = re.compile(r"[\w .:/{}+@-]{1,80}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuringOptions:
    """window_s: how far the sliding window reaches back, in steps of a tenth.  slow_…_ms: from here on logged.

    max_series: label combinations of one metric.  max_slow: slow operations that are kept to be shown.
    """

    window_s: float = 300.0
    slow_operation_ms: float = 1_000.0
    slow_command_ms: float = 100.0
    slow_llm_ms: float = 5_000.0
    max_series: int = 200
    max_slow: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowOperation:
    """Something that took too long."""

    name: str
    labels: Mapping[str, str]
    ms: float
    at: datetime


@dataclass(frozen=True, slots=True)
class Kept:
    """What a series has counted. slots: with the moment at which each ends, the last one is being filled."""

    past: Sketch
    slots: tuple[tuple[float, Sketch], ...]

    def whole(self) -> Sketch:
        """Return what was counted since the start."""
        return _together(self.past, *(slot for _, slot in self.slots))

    def since(self, moment: float) -> Sketch:
        """Return what was counted in the slots that end after a moment of the timer."""
        return _together(*(slot for until, slot in self.slots if until > moment))

    def frozen(self) -> "Kept":
        """Return what is not changed any more: to be read in another thread."""
        until, filling = self.slots[-1]
        return Kept(self.past, (*self.slots[:-1], (until, filling.copy())))


class Timing:
    """The durations of one series: each is counted once, in the slot of its moment; old slots become the past."""

    __slots__ = ("_now", "_until", "_width_s", "kept", "slow", "slow_ms")

    def __init__(self, *, width_s: float, slow_ms: float, moment: float) -> None:
        self._width_s = width_s
        self._now = Sketch()
        self._until = moment + width_s
        self.kept = Kept(Sketch(), ((self._until, self._now),))
        self.slow_ms = slow_ms
        self.slow = 0

    def add(self, ms: float, moment: float) -> Sketch:
        """Count a duration at a moment of the timer, and return the slot that it is in."""
        if moment >= self._until:
            self._turn(moment)
        slot = self._now
        slot.add(ms)
        return slot

    def whole(self) -> Sketch:
        """Return what was counted since the start."""
        return self.kept.whole()

    def _turn(self, moment: float) -> None:
        """Begin the slot of a moment; those in which nothing happened are left out."""
        self._now = Sketch()
        self._until += (math.floor((moment - self._until) / self._width_s) + 1) * self._width_s
        slots = (*self.kept.slots, (self._until, self._now))
        older, slots = slots[:-_SLOTS], slots[-_SLOTS:]
        self.kept = Kept(_together(self.kept.past, *(slot for _, slot in older)), slots)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimingReading:
    """One series, read. labels: in the metric's order."""

    labels: Labels
    kept: Kept
    slow: int
    since: float

    def whole(self) -> Sketch:
        """Return what was counted since the start."""
        return self.kept.whole()

    def window(self) -> Sketch:
        """Return what was counted in the last window."""
        return self.kept.since(self.since)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Everything that was measured up to a moment, sorted; nobody changes it any more."""

    timings: Mapping[str, Sequence[TimingReading]]
    counters: Mapping[str, Mapping[Labels, float]]
    gauges: Mapping[str, Mapping[Labels, float]]
    caches: Mapping[str, CacheReading]
    slow: Sequence[SlowOperation]
    uptime_s: float


class Measurements:
    """The recorder that keeps. See `Recorder`; `read` tells it all.

    Observations are for one thread, the event loop's; memory is bounded: a series takes 2 to 20 KB, a metric has at
    most `max_series` of them.
    """

    def __init__(
        self,
        options: MeasuringOptions | None = None,
        *,
        clock: Clock | None = None,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self.options = options or MeasuringOptions()
        self._clock = clock or SystemClock()
        self._timer = timer
        self.started_at = self._clock.now()
        self._started = timer()
        self._timings: dict[Labels, Timing] = {}
        self._counters: dict[Labels, float] = {}
        self._gauges: dict[Labels, float] = {}
        self._watched: dict[Labels, Callable[[], float]] = {}
        self._caches: dict[str, Callable[[], CacheReading]] = {}
        self._used: dict[str, int] = {}
        self._slow: deque[SlowOperation] = deque(maxlen=self.options.max_slow)

    @property
    def uptime_s(self) -> float:
        return self._timer() - self._started

    def observe(self, name: str, ms: float, *, failed: bool = False, **labels: str) -> None:
        timing = self._timings.get((name, *labels.values()))
        if timing is None:
            timing = self._timing(name, labels)
        slot = timing.add(ms, self._timer())
        if failed:
            slot.failures += 1
        if ms >= timing.slow_ms:
            timing.slow += 1
            self._note_slow(name, ms, labels)

    def count(self, name: str, by: float = 1, **labels: str) -> None:
        key = (name, *labels.values())
        if key not in self._counters:
            key = self._key(name, labels, self._counters)
            self._counters.setdefault(key, 0)
        self._counters[key] += by

    def gauge(self, name: str, value: float, **labels: str) -> None:
        self._gauges[self._key(name, labels, self._gauges)] = value

    def watch_gauge(self, name: str, read: Callable[[], float], **labels: str) -> None:
        self._watched[self._key(name, labels, self._watched)] = read

    def watch_cache(self, name: str, read: Callable[[], CacheReading]) -> None:
        self._caches[name] = read

    def timings(self, name: str) -> Iterator[tuple[Labels, Timing]]:
        """Yield the series of a metric: the values of its labels, and its durations."""
        return ((key[1:], timing) for key, timing in sorted(self._timings.items()) if key[0] == name)

    def window(self, timing: Timing) -> Sketch:
        """Return what a series has counted in the last window."""
        return timing.kept.since(self._timer() - self.options.window_s)

    def read(self) -> Reading:
        """Return everything as it is now: some 2 µs a series. To be made sense of in another thread."""
        since = self._timer() - self.options.window_s
        timings = {
            name: [
                TimingReading(labels=labels, kept=timing.kept.frozen(), slow=timing.slow, since=since)
                for labels, timing in self.timings(name)
            ]
            for name, metric in METRICS.items()
            if metric.kind == "timing"
        }
        return Reading(
            timings=timings,
            counters={name: self.counters(name) for name, metric in METRICS.items() if metric.kind == "counter"},
            gauges={name: self.gauges(name) for name, metric in METRICS.items() if metric.kind == "gauge"},
            caches=self.caches(),
            slow=self.slow(),
            uptime_s=self.uptime_s,
        )

    def counters(self, name: str) -> Mapping[Labels, float]:
        return {key[1:]: value for key, value in sorted(self._counters.items()) if key[0] == name}

    def gauges(self, name: str) -> Mapping[Labels, float]:
        """Return what was set and what is watched, read now."""
        read = {key: watched() for key, watched in self._watched.items() if key[0] == name}
        told = {key: value for key, value in self._gauges.items() if key[0] == name}
        return {key[1:]: value for key, value in sorted({**told, **read}.items())}

    def caches(self) -> Mapping[str, CacheReading]:
        return {name: read() for name, read in sorted(self._caches.items())}

    def slow(self) -> list[SlowOperation]:
        """Return the last slow operations, newest first."""
        return list(reversed(self._slow))

    def _timing(self, name: str, labels: Mapping[str, str]) -> Timing:
        key = self._key(name, labels, self._timings)
        timing = self._timings.get(key)
        if timing is None:
            timing = self._timings[key] = Timing(
                width_s=self.options.window_s / _SLOTS,
                slow_ms=self._threshold(METRICS[name].slow),
                moment=self._timer(),
            )
        return timing

    def _key(self, name: str, labels: Mapping[str, str], held: Mapping[Labels, object]) -> Labels:
        """Return the key of a series: its labels in the metric's order, or `OTHER` for all where there is no room."""
        metric = METRICS[name]
        values = [labels[label] for label in metric.labels]
        if len(labels) != len(values):
            raise ValueError(f"{name} has the labels {', '.join(metric.labels) or 'none'}")
        key = (name, *(value if _NAME.fullmatch(value) else OTHER for value in values))
        if key in held:
            return key
        used = self._used.get(name, 0)
        if used >= self.options.max_series:
            return (name, *(OTHER for _ in values))
        self._used[name] = used + 1
        return key

    def _threshold(self, group: SlowGroup) -> float:
        options = self.options
        return {
            "operation": options.slow_operation_ms,
            "command": options.slow_command_ms,
            "llm": options.slow_llm_ms,
            "never": math.inf,
        }[group]

    def _note_slow(self, name: str, ms: float, labels: Mapping[str, str]) -> None:
        told = {label: value if _NAME.fullmatch(value) else OTHER for label, value in labels.items()}
        self._slow.append(SlowOperation(name=name, labels=told, ms=round(ms, 3), at=self._clock.now()))
        log.warning("operation.slow", extra={"operation": name, "ms": round(ms, 1), **told})


def _together(*sketches: Sketch) -> Sketch:
    whole = Sketch()
    for sketch in sketches:
        whole.merge(sketch)
    return whole
