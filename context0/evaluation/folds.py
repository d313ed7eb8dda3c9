"""Cross-validation over conversations: weights are chosen on some of them, and the others say what they are worth."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from context0.evaluation import metrics
from context0.evaluation.ablation import paired
from context0.evaluation.recording import SERVED, Case, Variant, ranking
from context0.evaluation.report import APART, CrossValidation
from context0.memory.feedback import signal_matrix
from context0.memory.signals import SIGNALS, vector_of, weigh
from stores.records import FloatMatrix, FloatVector

CUTS: Final = (5, 10, 20)
FACTORS: Final = (0.0, 0.5, 0.75, 1.33, 2.0)
LEAST_GAIN: Final = 0.001
MOST_STEPS: Final = 12
CUT: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tuned:
    """The signals of one question and the rows of its evidence; evidence that is no row is missed by all weights."""

    features: FloatMatrix
    evidence: npt.NDArray[np.intp]
    wanted: int
    base: FloatVector


def cross_validated(cases: Sequence[Case], folds: int) -> CrossValidation | None:
    """Return what the tuning is worth; None with fewer than two conversations.

    folds: at most one a conversation, which is leave-one-out. From the engine's weights, one weight after the other is
    changed by a factor as long as the mean of recall@5, 10 and 20 on the other folds grows by 0.1 points.
    """
    counted = [case for case in cases if case.relevant and case.category not in APART]
    conversations = sorted({case.conversation for case in counted})
    count = min(folds, len(conversations))
    if count < 2:
        return None
    fold_of = {name: place % count for place, name in enumerate(conversations)}
    tuned = [_tuned(case) for case in counted]
    recalls = np.zeros(len(counted))
    chosen = []
    for fold in range(count):
        is_held = np.array([fold_of[case.conversation] == fold for case in counted])
        factors = _chosen([one for one, held in zip(tuned, is_held, strict=True) if not held])
        chosen.append({str(name): float(x) for name, x in zip(SIGNALS, factors, strict=True) if x != 1})
        for at in np.flatnonzero(is_held).tolist():
            recalls[at] = _recall_with(counted[at], factors)
    served = [metrics.recall_at(ranking(case, SERVED, CUT), case.relevant, CUT) for case in counted]
    return CrossValidation(
        folds=count,
        recall_at_10=float(recalls.mean()),
        served=sum(served) / len(served),
        change=paired(counted, recalls.tolist(), served),
        chosen=tuple(chosen),
    )


def _recall_with(case: Case, factors: FloatVector) -> float:
    weights = dict(zip(SIGNALS, (factors * vector_of(case.voices.profile)).tolist(), strict=True))
    return metrics.recall_at(ranking(case, Variant(weights=weights), CUT), case.relevant, CUT)


def _tuned(case: Case) -> _Tuned:
    weighed = weigh(case.query, case.arms, case.snapshot, case.allowed, case.voices, keep=True)
    signals = {str(name): values for name, values in weighed.signals.items()}
    rows = np.flatnonzero(case.allowed)
    turns = [case.stored.turn_of_memory.get(case.snapshot.ids[row]) for row in rows.tolist()]
    return _Tuned(
        features=signal_matrix(signals, SIGNALS, rows),
        evidence=np.array([at for at, turn in enumerate(turns) if turn in case.relevant], np.intp),
        wanted=len(case.relevant),
        base=case.voices.weights,
    )


def _chosen(questions: Sequence[_Tuned]) -> FloatVector:
    """Return the factor of each signal that serves the questions best, by steps of one weight at a time."""
    factors = np.ones(len(SIGNALS), np.float32)
    best = float(_worth(questions, factors[np.newaxis])[0])
    for _ in range(MOST_STEPS):
        steps = np.repeat(factors[np.newaxis], len(SIGNALS) * len(FACTORS), axis=0)
        for place in range(len(steps)):
            steps[place, place // len(FACTORS)] *= FACTORS[place % len(FACTORS)]
        worths = _worth(questions, steps)
        if worths.max() < best + LEAST_GAIN:
            break
        best, factors = float(worths.max()), steps[int(worths.argmax())]
    return factors


def _worth(questions: Sequence[_Tuned], factors: FloatMatrix) -> npt.NDArray[np.float64]:
    """Return the mean of recall@5, 10 and 20 over the questions for each row of factors."""
    total = np.zeros(len(factors))
    for one in questions:
        scores = one.features @ (factors * one.base).T
        for row in one.evidence:
            above = np.count_nonzero(scores > scores[row], axis=0)
            total += sum((above < cut) for cut in CUTS) / (len(CUTS) * one.wanted)
    return total / len(questions)
