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

    places: the entry of an id. narrowed: within what the request narrows to; allowed: may be returned, which changes
    while texts are fetched. total: the score that orders them. complete: every memory of the owner is a candidate.
    """

    ids: Sequence[MemoryId]
    places: Mapping[MemoryId, int]
    arms: Mapping[ArmName, Scores]
    narrowed: Mask
    allowed: Mask
    total: Scores
    complete: bool
    signals: Mapping[SignalName, Scores] = field(default_factory=dict)
    relevance: float | None = None
