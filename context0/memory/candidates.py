"""What the arms of one search found, before the texts are fetched."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from context0.memory.fusion import Mask, Scores
from context0.memory.inputs import ArmName
from context0.memory.signals import SignalName
from stores.records import MemoryId


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """One entry a candidate in every array.

    places: the entry of an id. conditions: what the request narrows to, each told as what it is to miss it.
    allowed: may be returned, which changes while texts are fetched. total: the score that orders them.
    complete: every memory of the owner is a candidate. signals: what the total is made of, each times its weight.
    weighed: so many of the first have signals, the others stand behind them by their arms alone; None is all.
    minimum: the relevance below which nothing is allowed. spared: arms that were not waited for.
    """

    ids: Sequence[MemoryId]
    places: Mapping[MemoryId, int]
    arms: Mapping[ArmName, Scores]
    allowed: Mask
    total: Scores
    complete: bool
    conditions: Sequence[tuple[str, Mask]] = ()
    signals: Mapping[SignalName, Scores] = field(default_factory=dict)
    weights: Mapping[SignalName, float] = field(default_factory=dict)
    weighed: int | None = None
    relevance: float | None = None
    minimum: float = 0.0
    spared: Sequence[ArmName] = ()
