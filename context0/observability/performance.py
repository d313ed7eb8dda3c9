"""The performance service: everything measured in one record, with its alerts; watches the loop while it is entered."""

import asyncio
import logging
import platform
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Final, Self

from context0.clock import Clock, SystemClock
from context0.observability.alert_rules import AlertThresholds, Recent, build_rules
from context0.observability.alerts import AlertBoard
from context0.observability.loop_lag import LoopLagMonitor
from context0.observability.measurements import Labels, Measurements, Reading, TimingReading
from context0.observability.metrics import (
    AGENT,
    CHAT_STAGE,
    CHAT_TURN,
    EMBEDDING,
    FIRST_BYTE,
    LLM_ATTEMPT,
    LLM_CALL,
    LLM_FIRST_TEXT,
    LOOP_LAG,
    OPEN_STREAMS,
    OPERATION,
    REQUEST,
    SEARCH_STAGE,
    STORE_COMMAND,
    STRATEGY,
)
from context0.observability.process import read_process
from context0.observability.prometheus import page
from context0.observability.sketch import durations
from stores.blocking import in_thread

log = logging.getLogger(__name__)

GROUPS: Final[Mapping[str, str]] = {
    "endpoints": REQUEST,
    "first_bytes": FIRST_BYTE,
    "operations": OPERATION,
    "search_stages": SEARCH_STAGE,
    "strategies": STRATEGY,
    "chat_turns": CHAT_TURN,
    "chat_stages": CHAT_STAGE,
    "agents": AGENT,
    "llm_calls": LLM_CALL,
    "llm_first_tokens": LLM_FIRST_TEXT,
    "llm_attempts": LLM_ATTEMPT,
    "embeddings": EMBEDDING,
    "store_commands": STORE_COMMAND,
    "event_loop": LOOP_LAG,
}
"""The timings by the name that the snapshot has for them."""
_OF_INTEREST: Final = ("context0", "pymongo", "apsw", "numpy", "openai", "fastapi", "uvicorn")
FORMAT: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformanceOptions:
    """look_s: how often the alerts are looked at."""

    thresholds: AlertThresholds = field(default_factory=AlertThresholds)
    look_s: float = 10.0


class PerformanceService:
    """Reads what was measured, as JSON or for Prometheus. While it is entered, event-loop lag and alerts are kept."""

    def __init__(
        self,
        measurements: Measurements,
        options: PerformanceOptions | None = None,
        *,
        clock: Clock | None = None,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._measurements = measurements
        self._options = options or PerformanceOptions()
        self._clock = clock or SystemClock()
        self._recent = Recent(measurements, timer)
        self._board = AlertBoard(build_rules(measurements, self._recent, self._options.thresholds), self._clock)
        self._versions = _versions()
        self._stack = AsyncExitStack()
        self._looking: asyncio.TimerHandle | None = None

    @property
    def measurements(self) -> Measurements:
        return self._measurements

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(LoopLagMonitor(self._measurements))
        self._look_again(asyncio.get_running_loop())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None
        await self._stack.aclose()

    def look(self) -> None:
        """Look at the alerts now. Done every `look_s` by itself while this is entered."""
        self._recent.take()
        self._board.look()

    async def prometheus(self) -> bytes:
        """Return the page of /metrics, made in a thread."""
        tasks = len(asyncio.all_tasks())
        return await in_thread(page, self._measurements.read(), self._versions, tasks)

    async def snapshot(self, *, sketches: bool = False) -> dict[str, object]:
        """Return everything, ready for JSON; durations in ms. Made in a thread.

        sketches: with the buckets since the start, from which `reports` takes the difference of two snapshots.
        """
        measured = self._measurements
        told: dict[str, object] = {
            "format": FORMAT,
            "taken_at": self._clock.now().isoformat(),
            "started_at": measured.started_at.isoformat(),
            "window_s": measured.options.window_s,
            "versions": self._versions,
            "process": asdict(read_process()),
            "alerts": [{**asdict(alert), "since": alert.since.isoformat()} for alert in self._board.alerts],
        }
        return told | await in_thread(_told, measured.read(), sketches=sketches)

    def _look_again(self, loop: asyncio.AbstractEventLoop) -> None:
        self._looking = loop.call_later(self._options.look_s, self._looked, loop)

    def _looked(self, loop: asyncio.AbstractEventLoop) -> None:
        self._look_again(loop)
        try:
            self.look()
        except Exception:  # the edge of a timer: the next look must come
            log.exception("alerts.broken")


def _told(reading: Reading, *, sketches: bool) -> dict[str, object]:
    return {
        "uptime_s": round(reading.uptime_s, 3),
        "open_streams": sum(reading.gauges[OPEN_STREAMS].values()),
        "timings": {
            group: {_title(one.labels): _durations(one, sketches=sketches) for one in reading.timings[name]}
            for group, name in GROUPS.items()
        },
        "caches": {
            name: {**asdict(cache), "hit_rate": round(cache.hit_rate, 4)} for name, cache in reading.caches.items()
        },
        "counters": _numbers(reading.counters),
        "gauges": _numbers(reading.gauges),
        "slow_operations": [{**asdict(slow), "at": slow.at.isoformat()} for slow in reading.slow],
    }


def _durations(one: TimingReading, *, sketches: bool) -> dict[str, object]:
    whole = one.whole()
    told: dict[str, object] = {
        "window": asdict(durations(one.window())),
        "since_start": {**asdict(durations(whole)), "slow": one.slow},
    }
    return {**told, "sketch": whole.to_json()} if sketches else told


def _numbers(read: Mapping[str, Mapping[Labels, float]]) -> dict[str, dict[str, float]]:
    return {name: {_title(labels): value for labels, value in told.items()} for name, told in read.items() if told}


def _title(labels: Labels) -> str:
    return " ".join(labels) or "all"


def _versions() -> dict[str, str]:
    told = {"python": platform.python_version()}
    for name in _OF_INTEREST:
        try:
            told[name] = version(name)
        except PackageNotFoundError:
            continue
    return told
