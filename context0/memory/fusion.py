"""How the scores of the arms become one ranking: pure functions over arrays, one entry a candidate."""

from collections.abc import Mapping, Sequence
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from context0.memory.inputs import ArmName

Scores = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Fusion = Literal["score", "rank"]
"""What of an arm is added up: its z-scores, or its reciprocal ranks (RRF), which know order only."""

WEIGHTS: Final[Mapping[ArmName, float]] = {"semantic": 1.0, "keyword": 1.0, "entity": 0.3, "temporal": 2.0}
RANK_CONSTANT: Final = 60
"""Cormack, Clarke and Büttcher (2009), "Reciprocal Rank Fusion outperforms Condorcet and individual Rank Learning
Methods": 1 / (60 + rank)."""


def normalised(scores: Scores, mask: Mask, floor: float) -> Scores:
    """Return z-scores over the masked candidates; where the arm has no opinion (NaN) it counts as `floor`.

    z = (x - mean) / standard deviation; all zero when the scores do not differ.
    """
    unknown = np.isnan(scores)
    filled = np.where(unknown, np.float32(floor), scores) if unknown.any() else scores
    counted = filled if mask.all() else filled[mask]
    if not len(counted):
        return np.zeros_like(filled)
    centred: Scores = filled - counted.mean()
    spread = np.sqrt(np.square(centred if counted is filled else counted - counted.mean()).mean())
    if spread < 1e-9:
        return np.zeros_like(filled)
    centred /= spread
    return centred


def lowest(scores: Scores) -> float:
    """Return the least score; 0 if there is none."""
    least = float(np.fmin.reduce(scores, initial=np.nan))
    return 0.0 if np.isnan(least) else least


def reciprocal_ranks(scores: Scores, mask: Mask) -> Scores:
    """Return 1 / (60 + rank) among the masked candidates that the arm found, equal scores sharing a rank; else NaN."""
    found = mask & ~np.isnan(scores)
    ranks = np.searchsorted(np.sort(-scores[found]), -scores[found], side="left") + 1
    result = np.full_like(scores, np.nan)
    result[found] = 1 / (RANK_CONSTANT + ranks)
    return result


def fuse(
    arms: Mapping[ArmName, Scores], mask: Mask, fusion: Fusion = "score"
) -> tuple[Scores, Mapping[ArmName, Scores]]:
    """Return the weighted sum of the arms' z-scores, and what each arm adds to it.

    Time counts as it is, since it says yes, nearly or no. One arm alone keeps its own scores. Of ranks the plain sum is
    made, as RRF has it.
    """
    added: dict[ArmName, Scores] = {}
    for name, scores in arms.items():
        if len(arms) == 1:
            added[name] = np.nan_to_num(scores)
        elif fusion == "rank":
            added[name] = np.nan_to_num(reciprocal_ranks(scores, mask))
        elif name == "temporal":
            added[name] = np.float32(WEIGHTS[name]) * np.nan_to_num(scores)
        else:
            floor = lowest(scores) if name == "semantic" else 0.0
            added[name] = np.float32(WEIGHTS[name]) * normalised(scores, mask, floor)
    total = np.zeros(len(mask), np.float32)
    for one in added.values():
        total += one
    return total, added


def seen(arms: Mapping[ArmName, Scores], size: int) -> Mask:
    """Return which candidates at least one arm has found."""
    found = np.zeros(size, np.bool_)
    for scores in arms.values():
        found |= ~np.isnan(scores)
        if found.all():
            break
    return found


def best(total: Scores, mask: Mask, ids: Sequence[str], limit: int, after: tuple[float, str] | None) -> list[int]:
    """Return up to `limit` masked candidates, best first, equal scores by ascending id, behind `after`."""
    rows = np.flatnonzero(mask)
    scores = total if len(rows) == len(total) else total[rows]
    if after is not None:
        score, last_id = np.float32(after[0]), after[1]
        behind = scores < score
        tied = [at for at in np.flatnonzero(scores == score).tolist() if ids[rows[at]] > last_id]
        behind[tied] = True
        rows, scores = rows[behind], scores[behind]
    if len(rows) > limit:
        rows = rows[scores >= np.partition(scores, -limit)[-limit]]  # ties at the edge are settled by id below
    ranked: list[int] = sorted(rows.tolist(), key=lambda row: (-total[row], ids[row]))
    return ranked[:limit]


def rank_of(scores: Scores, mask: Mask, row: int) -> int | None:
    """Return the place of a candidate in one arm's order, from 1; None if the arm did not find it."""
    if np.isnan(scores[row]):
        return None
    return int(np.count_nonzero(scores[mask] > scores[row])) + 1
