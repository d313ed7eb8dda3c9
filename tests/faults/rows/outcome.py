"""What a row of the fault matrix tells, and what it counts with while faults last."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from context0.errors import Context0Error
from stores.errors import StoreError

SLACK_S: Final = 0.5
"""What a busy machine may add to a deadline, beside a tenth of it."""
_LAG_EVERY_S: Final = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class RowOptions:
    """count: kills, faults, injections or clients, whatever the row counts by. seconds: of rows that last a time."""

    count: int
    seconds: float = 0.0
    seed: int = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """counts: what was done, and what was met. broken: what must not have been, in words; none is a pass."""

    counts: Mapping[str, float]
    broken: tuple[str, ...] = ()

    @classmethod
    def of(cls, counts: Mapping[str, float], *zero: str, broken: tuple[str, ...] = ()) -> "Outcome":
        """Return an outcome that is broken by each count of `zero` that is not 0."""
        met = tuple(f"{name}: {counts[name]:g}" for name in zero if counts[name])
        return cls(counts=counts, broken=(*broken, *met))


@dataclass(slots=True)
class Tally:
    """Counts calls by how they ended, and notes what must not be. overrun: the longest call, in its budgets."""

    counts: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    overrun: float = 0.0
    times_s: list[float] = field(default_factory=list)

    async def call(
        self, what: str, budget_s: float, work: Callable[[], Awaitable[Any]], is_right: Callable[[Any], bool]
    ) -> Any:
        """Make a call, which must answer rightly or fail with an error of ours, within its budget."""
        began, answer = time.monotonic(), None
        try:
            answer = await work()
        except (StoreError, Context0Error) as error:
            self.counts[f"typed errors: {error.code}"] += 1
        except Exception as error:  # noqa: BLE001 - what is looked for
            self.broken.append(f"{what}: {type(error).__name__}")
        else:
            if is_right(answer):
                self.counts["right answers"] += 1
            else:
                self.counts["wrong answers"] += 1
                self.broken.append(f"{what}: a wrong answer, {str(answer)[:200]}")
        took = time.monotonic() - began
        self.counts["calls"] += 1
        self.times_s.append(took)
        self.overrun = max(self.overrun, took / budget_s)
        if took > budget_s * 1.1 + SLACK_S:
            self.broken.append(f"{what}: {took:.2f} s, of {budget_s:g} s")
        return answer

    def outcome(self, **more: float) -> Outcome:
        longest = {"longest call, share of its budget": round(self.overrun, 2)} if self.times_s else {}
        return Outcome(counts={"wrong answers": 0, **self.counts, **longest, **more}, broken=tuple(self.broken))


@dataclass(slots=True)
class Lag:
    """max_s: the latest that the event loop has run what was due."""

    max_s: float = 0.0


@asynccontextmanager
async def loop_lag() -> AsyncIterator[Lag]:
    """Measure until the block ends."""
    lag, loop = Lag(), asyncio.get_running_loop()

    async def measure() -> None:
        while True:
            due = loop.time() + _LAG_EVERY_S
            await asyncio.sleep(_LAG_EVERY_S)
            lag.max_s = max(lag.max_s, loop.time() - due)

    task = asyncio.create_task(measure())
    try:
        yield lag
    finally:
        task.cancel()
        await asyncio.wait((task,))


def quantile(values: list[float], share: float) -> float:
    """Return the value below which `share` of them lie; 0 of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
