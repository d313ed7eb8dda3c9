"""Measures the calls of the engine, what a search tells of its stages, and what waits for its index."""

import asyncio
import time
from collections.abc import Callable, Collection, Coroutine, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, Concatenate, Final, ParamSpec, Protocol, TypeVar

from context0.errors import EmbeddingError, SearchUnavailable
from context0.memory.progress import Progress
from context0.memory.results import SearchResult
from context0.observability.metrics import (
    DEGRADED,
    INDEX_PENDING,
    INDEX_WORK,
    OPERATION,
    SEARCH_STAGE,
    SEARCHES,
    STRATEGY,
    STRATEGY_HITS,
)
from context0.observability.recorder import Recorder
from stores.errors import Full, Incompatible, Unavailable
from stores.records import MemoryId

P = ParamSpec("P")
T = TypeVar("T")

_ARM: Final = "arm."
_FAILURES: Final = (Unavailable, Full, Incompatible, EmbeddingError, SearchUnavailable)
"""Of our errors those that are nobody's input: the others are answers."""
_MOST_LATE: Final = 10_000


class HasRecorder(Protocol):
    """Something whose calls are measured."""

    @property
    def recorder(self) -> Recorder: ...


S = TypeVar("S", bound=HasRecorder)


def measured(
    method: Callable[Concatenate[S, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[S, P], Coroutine[Any, Any, T]]:
    """Let a method tell how long its calls take, by its own name; 1 µs a call. One that is cancelled does not count."""
    name = method.__name__

    @wraps(method)
    async def call(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        started = time.perf_counter()
        try:
            outcome = await method(self, *args, **kwargs)
        except asyncio.CancelledError:
            raise
        except Exception as exc:
            failed = isinstance(exc, _FAILURES) or type(exc).__module__.partition(".")[0] not in ("context0", "stores")
            self.recorder.observe(OPERATION, (time.perf_counter() - started) * 1000, failed=failed, operation=name)
            raise
        self.recorder.observe(OPERATION, (time.perf_counter() - started) * 1000, operation=name)
        return outcome

    return call


def record_search(recorder: Recorder, progress: Progress, result: SearchResult) -> None:
    """Note the stages of a search, what each arm took and found, and what was done without."""
    for stage, ms in progress.timings_ms.items():
        if stage.startswith(_ARM):
            arm = stage.removeprefix(_ARM)
            recorder.observe(STRATEGY, ms, failed=arm in progress.failures, strategy=arm)
        else:
            recorder.observe(SEARCH_STAGE, ms, stage=stage)
    hits: dict[str, int] = {}
    for found in result.items:
        for arm in found.arms:
            hits[arm] = hits.get(arm, 0) + 1
    for arm, count in hits.items():
        recorder.count(STRATEGY_HITS, count, strategy=arm)
    for part, reason in (progress.failures | progress.substituted).items():
        recorder.count(DEGRADED, part=part, reason=reason)
    outcome = "degraded" if result.degraded else "found" if result.items else "empty"
    recorder.count(SEARCHES, outcome=outcome)


class Backlog:
    """What is known in this process to wait for its index: what is being worked on, and what was put off.

    After a restart it fills again as the work falls due, ten minutes at most. Counts up to 10,000 put off.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._taken = 0
        self._late: set[MemoryId] = set()
        recorder.watch_gauge(INDEX_PENDING, lambda: self._taken + len(self._late))

    @contextmanager
    def at_work(self, pieces: int) -> Iterator[None]:
        """While this lasts, so many pieces are worked on."""
        self._taken += pieces
        try:
            yield
        finally:
            self._taken -= pieces

    def taken(self, ids: Collection[MemoryId]) -> None:
        """Work on these begins, so that they are put off no longer."""
        self._late.difference_update(ids)

    def worked(self, done: int, *, put_off: Collection[MemoryId] = (), given_up: int = 0) -> None:
        """So many pieces were done, and others put off or given up."""
        if len(self._late) < _MOST_LATE:
            self._late.update(put_off)
        for outcome, number in {"done": done, "put_off": len(put_off), "given_up": given_up}.items():
            if number:
                self._recorder.count(INDEX_WORK, number, outcome=outcome)
