"""Finds weights that rank an owner's judged searches better, and proves them on judgements that it did not look at."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from context0.errors import InvalidInput
from context0.memory.feedback import Episode
from context0.memory.rollout import pack, rollout
from stores.records import FloatMatrix, FloatVector

Reason = Literal["kept", "too_few_judgements", "nothing_better", "not_proven"]
Indices = npt.NDArray[np.intp]

MIN_GROUPS: Final = 20
"""Different sets of judgements below which nothing is tried: 8 held back are the least that can prove anything."""
MAX_P: Final = 0.02
"""How likely the gain on the held-back judgements may be by chance, at most."""
CAUTION: Final = 1.0
"""Standard errors that are taken off a gain. This, not a distance, holds the search near the current weights: a vector
far from them ranks everything differently, so its gain varies more from search to search."""
ELITE: Final = 16
"""The best vectors, whose mean is proposed: what they share is signal. Of 4,096 in 12 signals the single best one lost
0.008 where there was nothing to learn (this: 0.003), and won 0.12 where there was (this: 0.14)."""
_FLIPS: Final = 5_000
_SPREADS: Final = (0.1, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What two weight vectors earned on the same episodes: the means, in [0, 1]."""

    before: float
    after: float
    episodes: int

    @property
    def gain(self) -> float:
        return self.after - self.before


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TuningOutcome:
    """What a tuning came to. weights: to be used from now on; those of before unless `kept`.

    previous: what to put back to undo it. proposed: the best that was found. p_value: the chance of a held-back gain as
    large with signs drawn at random. training, held_back: None where it did not come so far.
    """

    names: tuple[str, ...]
    reason: Reason
    weights: FloatVector
    previous: FloatVector
    proposed: FloatVector
    p_value: float = 1.0
    training: Comparison | None = None
    held_back: Comparison | None = None

    @property
    def kept(self) -> bool:
        return self.reason == "kept"


def tune(
    episodes: Sequence[Episode],
    names: Sequence[str],
    current: FloatVector,
    *,
    candidates: int = 4_096,
    seed: int = 0,
    held_back: float = 0.4,
) -> TuningOutcome:
    """Look for better weights than `current`, and keep them only if they win on the held-back share of the episodes.

    All candidates are ranked over all training episodes in one rollout. The mean of the best of them is then compared
    with the current weights, once, on episodes that had no part in choosing it: it is kept if the paired gains are more
    than chance (a sign-flip test, one-sided, at 0.02). Episodes with the same judgements count as one, on one side of
    the split: asking again does not prove more. Only what was useful counts: what was not was judged because it stood
    first, so that learning from it turns around whatever put it there. (With one such judgement a search, recall@10 of
    conversations held back fell from 81 to 73, and from 78 to 52; without, from 81.1 to 80.8, and not at all.)

    Pure, and the same for the same arguments. 500 episodes take about half a second of one core: not for the event
    loop.
    Raises InvalidInput when `current` does not belong to `names`, or has no weight at all.
    """
    names, previous = tuple(names), np.asarray(current, np.float32)
    if previous.shape != (len(names),) or not np.isfinite(previous).all() or not previous.any():
        raise InvalidInput("current", f"give one finite weight for each of {len(names)} signals, not all of them 0")
    judged = [_praised(episode) for episode in episodes if any(episode.useful.values())]
    groups = _groups(judged)
    if len(set(groups)) < MIN_GROUPS:
        return _unchanged("too_few_judgements", names, previous)
    random = np.random.default_rng(seed)
    training, held = _split(np.array(groups), held_back, random)
    replay = pack([judged[at] for at in training])
    drawn = sample_weights(previous, candidates, random)
    proposed = _proposed(rollout(replay, drawn), drawn)
    if proposed is None:
        return _unchanged("nothing_better", names, previous)
    both = np.stack([previous, proposed])
    learned = rollout(replay, both)
    proved = rollout(pack([judged[at] for at in held]), both)
    p_value = chance(_mean_by_group(proved[1] - proved[0], np.array(groups)[held]), random)
    return TuningOutcome(
        names=names,
        reason="kept" if p_value <= MAX_P else "not_proven",
        weights=proposed if p_value <= MAX_P else previous,
        previous=previous,
        proposed=proposed,
        p_value=p_value,
        training=_comparison(learned),
        held_back=_comparison(proved),
    )


def sample_weights(current: FloatVector, count: int, random: np.random.Generator) -> FloatMatrix:
    """Return weight vectors around `current`, itself the first: float32, shape (count, signals).

    Each weight is multiplied by a log-normal factor, of a spread of its own for each vector (0.1 to 1); so it keeps its
    sign. In a quarter of the vectors some weights are 0; in another quarter some that were 0 are positive. All have
    the same sum of magnitudes, as a ranking knows no scale but a threshold of relevance does.
    """
    shape = (count, len(current))
    drawn = current * np.exp(random.uniform(*_SPREADS, (count, 1)) * random.standard_normal(shape))
    typical = np.abs(current[current != 0]).mean()
    woken = (current == 0) & (random.random((count, 1)) < 0.25) & (random.random(shape) < 0.5)
    drawn = np.where(woken, 0.5 * typical * np.exp(random.standard_normal(shape)), drawn)
    silenced = (random.random((count, 1)) < 0.25) & (random.random(shape) < 0.25)
    drawn[silenced] = 0
    sums = np.abs(drawn).sum(axis=1, keepdims=True)
    scaled = drawn * (np.abs(current).sum() / np.where(sums > 0, sums, 1))
    result: FloatMatrix = np.where(sums > 0, scaled, current).astype(np.float32)
    result[:1] = current
    return result


def chance(gains: npt.NDArray[np.floating], random: np.random.Generator) -> float:
    """Return how likely a mean gain at least as large is if each gain could as well have been the loss: in (0, 1]."""
    signs = random.integers(0, 2, (_FLIPS, len(gains)), dtype=np.int8) * 2.0 - 1.0
    as_large = np.count_nonzero(signs @ gains >= gains.sum() - 1e-9)  # all 0 is as large as itself: 1.0
    return float((1 + as_large) / (1 + _FLIPS))


def _proposed(earned: FloatMatrix, drawn: FloatMatrix) -> FloatVector | None:
    """Return the mean of the best vectors; None if none is cautiously better than the first, which is the current."""
    gains = earned - earned[0]
    cautious = gains.mean(axis=1) - CAUTION * gains.std(axis=1) / np.sqrt(gains.shape[1])
    elite = np.argsort(-cautious, kind="stable")[:ELITE]
    elite = elite[cautious[elite] > 0]
    return drawn[elite].mean(axis=0) if len(elite) else None


def _praised(episode: Episode) -> Episode:
    """Return the episode with the judgements that something was useful."""
    return replace(episode, useful={memory_id: True for memory_id, useful in episode.useful.items() if useful})


def _groups(judged: Sequence[Episode]) -> list[int]:
    """Return one number for each episode, the same for those with the same judgements."""
    numbers: dict[frozenset[tuple[str, bool]], int] = {}
    return [numbers.setdefault(frozenset(episode.useful.items()), len(numbers)) for episode in judged]


def _split(groups: npt.NDArray[np.int_], share: float, random: np.random.Generator) -> tuple[Indices, Indices]:
    """Return the episodes to learn from and those held back: whole groups, drawn at random."""
    count = int(groups.max()) + 1
    held = np.zeros(count, np.bool_)
    held[random.permutation(count)[: min(max(round(count * share), 1), count - 1)]] = True
    return np.flatnonzero(~held[groups]), np.flatnonzero(held[groups])


def _mean_by_group(gains: FloatVector, groups: npt.NDArray[np.int_]) -> npt.NDArray[np.float64]:
    sizes = np.bincount(groups)
    sums = np.bincount(groups, gains)
    return sums[sizes > 0] / sizes[sizes > 0]


def _comparison(earned: FloatMatrix) -> Comparison:
    before, after = earned.mean(axis=1).tolist()
    return Comparison(before=before, after=after, episodes=earned.shape[1])


def _unchanged(reason: Reason, names: tuple[str, ...], previous: FloatVector) -> TuningOutcome:
    return TuningOutcome(names=names, reason=reason, weights=previous, previous=previous, proposed=previous)
