"""Many durations in little room: their count, sum, extremes, and quantiles within 1 %."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Self

_GROWTH: Final = 1.02
"""Upper bound of a bucket over its lower one. What it says of a value in it is off by at most 0.01 of the value."""
BUCKETS_PER_E: Final = 1 / math.log(_GROWTH)
_SMALLEST_MS: Final = 1e-3
_LARGEST_MS: Final = 86_400_000.0
SHIFT: Final = math.ceil(-math.log(_SMALLEST_MS) * BUCKETS_PER_E)
_MIDDLE: Final = 2 * _GROWTH / (1 + _GROWTH)
_ceil, _log = math.ceil, math.log  # looked up once: this is done for everything that is measured


class Sketch:
    """Counts durations in buckets of growing width: from 1 µs to a day, at most 1,280 of them, only those met.

    Everything but the quantiles is exact. Values beyond the ends count in the last bucket there.
    """

    __slots__ = ("buckets", "count", "failures", "high", "low", "total")

    def __init__(self) -> None:
        self.count = 0
        self.failures = 0
        self.total = 0.0
        self.low = math.inf
        self.high = 0.0
        self.buckets: dict[int, int] = {}

    def add(self, ms: float) -> None:
        """A negative one, of a clock that was set back, counts as 0; more than a day as a day. Costs 0.3 µs."""
        if _SMALLEST_MS < ms < _LARGEST_MS:
            number = _ceil(_log(ms) * BUCKETS_PER_E) + SHIFT
        else:
            ms = min(max(ms, 0.0), _LARGEST_MS)
            number = bucket_of(ms)
        self.count += 1
        self.total += ms
        if ms < self.low:
            self.low = ms
        if ms > self.high:
            self.high = ms
        buckets = self.buckets
        buckets[number] = buckets.get(number, 0) + 1

    def merge(self, other: "Sketch") -> None:
        """Take over what another has counted. Exact."""
        self.count += other.count
        self.failures += other.failures
        self.total += other.total
        self.low = min(self.low, other.low)
        self.high = max(self.high, other.high)
        for number, count in other.buckets.items():
            self.buckets[number] = self.buckets.get(number, 0) + count

    def copy(self) -> "Sketch":
        """Return one that goes its own way."""
        other = Sketch()
        other.count, other.failures, other.total = self.count, self.failures, self.total
        other.low, other.high, other.buckets = self.low, self.high, self.buckets.copy()
        return other

    def quantile(self, share: float) -> float:
        """Return the duration that `share` of all do not exceed (nearest rank), in ms; 0 when there are none."""
        rank = max(1, math.ceil(share * self.count))
        seen = 0
        for number in sorted(self.buckets):
            seen += self.buckets[number]
            if seen >= rank:
                return min(max(_middle(number), self.low), self.high)
        return 0.0

    def up_to(self, bounds_ms: Iterable[float]) -> list[int]:
        """Return for each ascending bound how many lie at or below it; those within 1 % of it on either side."""
        waiting = sorted(self.buckets.items())
        counts, seen, place = [], 0, 0
        for bound in bounds_ms:
            while place < len(waiting) and _middle(waiting[place][0]) <= bound:
                seen += waiting[place][1]
                place += 1
            counts.append(seen)
        return counts

    def to_json(self) -> dict[str, object]:
        """Return all that is needed to read it back."""
        return {
            "count": self.count,
            "failures": self.failures,
            "total": self.total,
            "low": self.low if self.count else 0.0,
            "high": self.high,
            "buckets": {str(number): count for number, count in sorted(self.buckets.items())},
        }

    @classmethod
    def from_json(cls, told: Mapping[str, object]) -> Self:
        """Read what `to_json` has written. Raises ValueError for anything else."""
        sketch = cls()
        buckets = told.get("buckets")
        try:
            if not isinstance(buckets, Mapping):
                raise TypeError
            sketch.count, sketch.failures = int(str(told["count"])), int(str(told["failures"]))
            sketch.total, sketch.high = float(str(told["total"])), float(str(told["high"]))
            sketch.low = float(str(told["low"])) if sketch.count else math.inf
            sketch.buckets = {int(number): int(count) for number, count in buckets.items()}
        except (KeyError, TypeError, ValueError):
            raise ValueError("not a sketch of durations; take the snapshot with ?sketches=true") from None
        return sketch

    def since(self, earlier: "Sketch") -> "Sketch":
        """Return what was counted after `earlier` was taken of the same. The extremes are those of the buckets."""
        later = Sketch()
        later.count, later.failures = self.count - earlier.count, self.failures - earlier.failures
        later.total = self.total - earlier.total
        differences = {number: count - earlier.buckets.get(number, 0) for number, count in self.buckets.items()}
        later.buckets = {number: count for number, count in differences.items() if count}
        if later.count < 0 or later.failures < 0 or any(count < 0 for count in later.buckets.values()):
            raise ValueError("the earlier snapshot has counted more than the later one; are they swapped?")
        if later.buckets:
            later.low = max(_middle(min(later.buckets)), self.low)
            later.high = min(_middle(max(later.buckets)), self.high)
        return later


@dataclass(frozen=True, slots=True, kw_only=True)
class Durations:
    """What a sketch tells, in ms. failures: those among `count` that failed."""

    count: int
    failures: int
    avg: float
    min: float
    max: float
    p50: float
    p95: float
    p99: float


def durations(sketch: Sketch) -> Durations:
    """Return the figures of a sketch, rounded to 0.1 µs; all 0 when it is empty."""
    some = sketch.count > 0
    return Durations(
        count=sketch.count,
        failures=sketch.failures,
        avg=round(sketch.total / sketch.count, 4) if some else 0.0,
        min=round(sketch.low, 4) if some else 0.0,
        max=round(sketch.high, 4),
        p50=round(sketch.quantile(0.5), 4),
        p95=round(sketch.quantile(0.95), 4),
        p99=round(sketch.quantile(0.99), 4),
    )


def bucket_of(ms: float) -> int:
    """Return the number of the bucket of a duration: 0 for up to 1 µs."""
    if ms <= _SMALLEST_MS:
        return 0
    return math.ceil(math.log(min(ms, _LARGEST_MS)) * BUCKETS_PER_E) + SHIFT


def _middle(number: int) -> float:
    """Return the value whose error is the same to either end of the bucket, relative to the end."""
    return _GROWTH ** (number - SHIFT - 1) * _MIDDLE
