"""What a turn took, and medians of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median, quantiles


@dataclass(frozen=True, slots=True, kw_only=True)
class Took:
    """Of one turn, in ms. whole: until the last word, and until the turn was durable where it is kept.

    prompt_tokens: as the model counted them. stages: as the turn itself reports them.
    """

    first_ms: float
    whole_ms: float
    prompt_tokens: int = 0
    tier: str = ""
    degraded: tuple[str, ...] = ()
    stages: Mapping[str, float] = field(default_factory=dict)


def p50(values: Sequence[float]) -> float:
    return median(values)


def p95(values: Sequence[float]) -> float:
    return quantiles(values, n=20, method="inclusive")[-1] if len(values) > 1 else values[0]


def stage_medians(turns: Sequence[Took]) -> dict[str, float]:
    """Return the median of each stage over the turns that had it, the longest first."""
    names = dict.fromkeys(name for turn in turns for name in turn.stages)
    found = {name: p50([turn.stages[name] for turn in turns if name in turn.stages]) for name in names}
    return dict(sorted(found.items(), key=lambda item: -item[1]))
