"""The weights that were learned for one owner, newest last, so that each can be taken back."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Self

import numpy as np

from context0.clock import from_ms, to_ms
from context0.errors import InvalidInput
from context0.memory.sealed import DamagedState, seal, unseal
from context0.memory.tuning import TuningOutcome
from stores.records import FloatVector

MAX_VERSIONS: Final = 10
_KIND: Final = b"LW01"


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightVersion:
    """Weights that were kept, and what they gained on `episodes` held-back searches."""

    weights: tuple[float, ...]
    at: datetime
    gain: float
    episodes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedWeights:
    """What stands in for `base`, the weights that the owner would have otherwise; without versions that is `base`.

    They are learned against one base: where another is in force (another release, another kind of conversation) they
    do not count, and are there again when theirs is.
    """

    names: tuple[str, ...]
    base: tuple[float, ...]
    versions: tuple[WeightVersion, ...] = ()

    @classmethod
    def none_yet(cls, names: Sequence[str], base: FloatVector) -> Self:
        return cls(names=tuple(names), base=tuple(np.asarray(base, np.float32).tolist()))

    @property
    def current(self) -> FloatVector:
        """The weights to use."""
        return np.array(self.versions[-1].weights if self.versions else self.base, np.float32)

    def replaces(self, names: Sequence[str], base: FloatVector) -> bool:
        """Say whether this was learned for these signals, in place of these weights."""
        return self.names == tuple(names) and self.base == tuple(np.asarray(base, np.float32).tolist())

    def with_outcome(self, outcome: TuningOutcome, at: datetime) -> Self:
        """Return it with the tuned weights as the newest of at most 10 versions; as it is if they were not kept.

        Raises InvalidInput when they are of other signals.
        """
        if outcome.names != self.names:
            raise InvalidInput("outcome", "was tuned for other signals")
        if not outcome.kept or outcome.held_back is None:
            return self
        weights = tuple(outcome.weights.tolist())
        proof = outcome.held_back
        version = WeightVersion(weights=weights, at=at, gain=proof.gain, episodes=proof.episodes)
        return replace(self, versions=(*self.versions, version)[-MAX_VERSIONS:])

    def undone(self) -> Self:
        """Return it without the newest version. Raises InvalidInput when there is none."""
        if not self.versions:
            raise InvalidInput("weights", "nothing was learned that could be undone")
        return replace(self, versions=self.versions[:-1])

    def encode(self) -> bytes:
        """Return it as one small value."""
        rows = [[version.weights, to_ms(version.at), version.gain, version.episodes] for version in self.versions]
        return seal(_KIND, {"signals": self.names, "base": self.base, "versions": rows})

    @classmethod
    def decode(cls, value: bytes) -> Self:
        """Return what `encode` wrote. Raises DamagedState."""
        header, _ = unseal(_KIND, value)
        try:
            learned = cls(
                names=tuple(header["signals"]),
                base=tuple(header["base"]),
                versions=tuple(
                    WeightVersion(weights=tuple(weights), at=from_ms(at_ms), gain=gain, episodes=count)
                    for weights, at_ms, gain, count in header["versions"]
                ),
            )
            vectors = np.array([learned.base, *(version.weights for version in learned.versions)], np.float32)
            if vectors.shape[1] != len(learned.names) or not np.isfinite(vectors).all():
                raise DamagedState("its weights do not belong to its signals")
        except (KeyError, TypeError, ValueError, OverflowError, OSError) as exc:
            raise DamagedState("it lacks a part") from exc
        return learned
