"""Retrieval metrics over ranked ids: pure functions, nothing here knows an engine or a file.

Everywhere: `ranked` is best first and without repeats, `relevant` is a non-empty set of ids, ranks count from 1.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

DEFAULT_RESAMPLES = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A mean and the bounds between which it lies at the asked confidence."""

    mean: float
    low: float
    high: float


def recall_at(ranked: Sequence[str], relevant: Collection[str], k: int) -> float:
    """Return |relevant ∩ first k| / |relevant|, in [0, 1]."""
    _need_relevant(relevant)
    wanted = set(relevant)
    return sum(item in wanted for item in ranked[:k]) / len(wanted)


def hit_at(ranked: Sequence[str], relevant: Collection[str], k: int) -> float:
    """Return 1.0 when at least one relevant id is among the first k, else 0.0."""
    _need_relevant(relevant)
    return float(not set(relevant).isdisjoint(ranked[:k]))


def ndcg_at(ranked: Sequence[str], relevant: Collection[str], k: int) -> float:
    """Return DCG@k / IDCG@k with binary gains, in [0, 1].

    DCG@k = Σ over relevant ids at rank r ≤ k of 1 / log2(r + 1); IDCG@k is that sum when the first
    min(|relevant|, k) ids are all relevant.
    """
    _need_relevant(relevant)
    wanted = set(relevant)
    gained = sum(1.0 / math.log2(rank + 1) for rank, item in enumerate(ranked[:k], start=1) if item in wanted)
    ideal = sum(1.0 / math.log2(rank + 1) for rank in range(1, min(len(wanted), k) + 1))
    return gained / ideal


def reciprocal_rank(ranked: Sequence[str], relevant: Collection[str]) -> float:
    """Return 1 / rank of the first relevant id, 0.0 when there is none. MRR is the mean of it over questions."""
    _need_relevant(relevant)
    wanted = set(relevant)
    return next((1.0 / rank for rank, item in enumerate(ranked, start=1) if item in wanted), 0.0)


def roc_auc(positives: Sequence[float], negatives: Sequence[float]) -> float:
    """Return P(positive > negative) + ½ P(positive = negative) over all pairs, in [0, 1]; 0.5 is chance.

    -inf stands for "no score at all". O((n + m) log m). Raises ValueError when a side is empty or holds NaN.
    """
    if not len(positives) or not len(negatives):
        raise ValueError("ROC AUC needs at least one positive and one negative score")
    above, below = np.asarray(positives, dtype=np.float64), np.sort(np.asarray(negatives, dtype=np.float64))
    if np.isnan(above).any() or np.isnan(below).any():
        raise ValueError("ROC AUC is not defined over NaN scores")
    smaller = np.searchsorted(below, above, side="left")
    smaller_or_equal = np.searchsorted(below, above, side="right")
    return float((smaller + smaller_or_equal).sum() / (2 * len(above) * len(below)))


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the value below which `percent` of `values` lie, linear between neighbours."""
    if not len(values):
        raise ValueError("a percentile needs at least one value")
    return float(np.percentile(np.asarray(values, dtype=np.float64), percent))


def bootstrap_interval(
    values: Sequence[float],
    groups: Sequence[str] | None = None,
    *,
    confidence: float = 0.95,
    resamples: int = DEFAULT_RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Return the mean of `values` with its percentile bootstrap interval; the same seed gives the same bounds.

    groups: one label a value (the conversation it comes from). With them whole groups are drawn with replacement, and
    a draw's mean is Σ values / Σ sizes over the drawn groups; without them single values are drawn. For the difference
    of two methods pass the paired differences. O(resamples × groups) memory.
    """
    if not len(values):
        raise ValueError("an interval needs at least one value")
    labels = range(len(values)) if groups is None else groups
    _, member_of = np.unique(np.asarray(labels), return_inverse=True)
    numbers = np.asarray(values, dtype=np.float64)
    sizes = np.bincount(member_of)
    sums = np.bincount(member_of, weights=numbers)
    drawn = np.random.default_rng(seed).integers(0, len(sizes), size=(resamples, len(sizes)))
    means = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    tail = 50.0 * (1.0 - confidence)
    low, high = np.percentile(means, [tail, 100.0 - tail])
    return Interval(mean=float(numbers.mean()), low=float(low), high=float(high))


def _need_relevant(relevant: Collection[str]) -> None:
    if not relevant:
        raise ValueError("a question without evidence has no recall; leave it out of the mean")
