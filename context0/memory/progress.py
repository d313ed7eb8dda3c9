"""What one search has met so far: what failed, what took its place, and how long the stages took."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class Progress:
    """failures: arms that could not answer, with the reason; substituted: stages whose place another took."""

    failures: dict[str, str] = field(default_factory=dict)
    substituted: dict[str, str] = field(default_factory=dict)
    timings_ms: dict[str, float] = field(default_factory=dict)

    @property
    def degraded(self) -> Sequence[str]:
        """The names of everything that was not as it should be."""
        return sorted({*self.failures, *self.substituted})

    def timed(self, stage: str, started: float) -> float:
        now = time.perf_counter()
        self.timings_ms[stage] = self.timings_ms.get(stage, 0.0) + (now - started) * 1000
        return now
