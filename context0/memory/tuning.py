"""Finds weights that rank an owner's judged searches better, and proves them on judgements that it did not see."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from context0.errors import InvalidInput
from context0.memory.feedback import Episode
from context0.memory.rollout import Replay, pack, rollout
from stores.records import FloatMatrix, FloatVector

Reason = Literal["kept", "too_few_judgements", "nothing_better", "not_proven"]
Floats = npt.NDArray[np.floating]

MIN_GROUPS: Final = 16
MAX_P: Final = 0.02
CAUTION: Final = 1.0
ELITE: Final = 16
FLIPS: Final = 5_000
SPREADS: Final = (0.1, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    before: float
    after: float
    episodes: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TuningOutcome:
    names: tuple[str, ...]
    weights: FloatVector
    previous: FloatVector
    proposed: FloatVector
    reason: Reason
    training: Comparison | None = None
    held_back: Comparison | None = None
    p_value: float = 1.0

    @property
    def kept(self) -> bool:
        return self.reason == "kept"


def tune(
    episodes,
    names,
    current,
    *,
    candidates=4096,
    seed=0,
    held_back=0.4,
    mode="lcb",
    elite=ELITE,
    caution=CAUTION,
    max_p=MAX_P,
    lam=0.0,
):
    previous = np.asarray(current, np.float32)
    rng = np.random.default_rng(seed)
    judged = [e for e in episodes if e.useful]
    groups = _groups(judged)
    training, held = _split(groups, held_back, rng)
    tr = pack([judged[i] for i in training])
    he = pack([judged[i] for i in held])
    W = sample_weights(previous, candidates, rng)
    earned = rollout(tr, W)
    d = earned - earned[0]
    sc = d.mean(1)
    if mode == "lcb":
        sc = sc - caution * d.std(1) / np.sqrt(d.shape[1])
    sc = sc - lam * ((W - W[0]) ** 2).sum(1) / (W[0] ** 2).sum()
    top = np.argsort(-sc, kind="stable")[:elite]
    top = top[sc[top] > 0] if (sc[top] > 0).any() else top[:1]
    proposed = W[top].mean(0)
    pair = np.stack([previous, proposed])
    et, eh = rollout(tr, pair), rollout(he, pair)
    diffs = eh[1] - eh[0]
    p = _p(diffs, groups[held], rng)
    kept = p <= max_p
    return dict(
        kept=kept, p=p, proposed=proposed, train=(et[0].mean(), et[1].mean()), held=(eh[0].mean(), eh[1].mean())
    )


def sample_weights(current: FloatVector, count: int, rng: np.random.Generator) -> FloatMatrix:
    shape = (count, len(current))
    spread = rng.uniform(*SPREADS, size=(count, 1))
    drawn = current * np.exp(spread * rng.standard_normal(shape))
    typical = np.abs(current[current != 0]).mean()
    revived = (current == 0) & (rng.random((count, 1)) < 0.25) & (rng.random(shape) < 0.5)
    drawn[revived] = 0.5 * typical * np.exp(rng.standard_normal(int(revived.sum())))
    silenced = (rng.random((count, 1)) < 0.25) & (rng.random(shape) < 0.25)
    drawn[silenced] = 0
    total = np.abs(drawn).sum(axis=1, keepdims=True)
    drawn = np.where(total > 0, drawn * (np.abs(current).sum() / np.maximum(total, 1e-9)), current)
    drawn[0] = current
    return drawn.astype(np.float32)


def _groups(judged):
    keys = {}
    return np.array([keys.setdefault(tuple(sorted(e.useful.items())), len(keys)) for e in judged])


def _split(groups, share, rng):
    count = int(groups.max()) + 1
    chosen = np.zeros(count, bool)
    chosen[rng.permutation(count)[: round(count * share)]] = True
    return np.flatnonzero(~chosen[groups]), np.flatnonzero(chosen[groups])


def _p(diffs, groups, rng):
    _, inv = np.unique(groups, return_inverse=True)
    means = np.bincount(inv, diffs) / np.bincount(inv)
    if not means.any():
        return 1.0
    signs = rng.integers(0, 2, (FLIPS, len(means))).astype(np.float32) * 2 - 1
    return (1 + np.count_nonzero(signs @ means >= means.sum() - 1e-6)) / (1 + FLIPS)
