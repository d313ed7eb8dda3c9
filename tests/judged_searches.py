"""Owners who judge searches by weights of their own, and the replay of their searches as one would write it down."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from context0.memory.feedback import Episode
from context0.memory.rollout import worths
from stores.records import FloatMatrix, FloatVector, MemoryId
from tests.contracts.builders import NOW

Judging = Literal["by weights", "at random"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedOwner:
    """Sees the first ten of each search and calls the best of them useful: the best by `wants`, with noise.

    noise: relative to the spread of the owner's own scores. Half of the time one of the others is called useless.
    """

    shown_by: FloatVector
    wants: FloatVector
    judging: Judging = "by weights"
    noise: float = 0.3
    found: int = 200

    def episodes(self, count: int, *, seed: int) -> list[Episode]:
        random = np.random.default_rng(seed)
        return [self._episode(f"search {number}", random) for number in range(count)]

    def _episode(self, search_id: str, random: np.random.Generator) -> Episode:
        features = random.standard_normal((self.found, len(self.wants))).astype(np.float32)
        features = features[np.argsort(-(features @ self.shown_by))]
        ids = [MemoryId(f"{search_id}, memory {row}") for row in range(self.found)]
        worth = features[:10] @ self.wants + self.noise * np.linalg.norm(self.wants) * random.standard_normal(10)
        best = int(random.integers(10)) if self.judging == "at random" else int(worth.argmax())
        episode = Episode.of_search(search_id, features, ids, NOW).judged(ids[best], useful=True)
        other = (best + int(random.integers(1, 10))) % 10
        return episode.judged(ids[other], useful=False) if random.random() < 0.5 else episode


def earned_one_by_one(episodes: Sequence[Episode], weights: FloatMatrix) -> FloatMatrix:
    """Return what `rollout` returns, by two loops and sorting nothing."""
    return np.array([[_earned(episode, vector) for episode in episodes] for vector in weights], np.float32)


def _earned(episode: Episode, vector: FloatVector) -> float:
    scores = dict(zip(episode.ids, (episode.features @ vector).tolist(), strict=True))
    halves = []
    for wanted in (True, False):
        judged = [memory_id for memory_id, useful in episode.useful.items() if useful == wanted]
        if judged:
            worth: list[float] = worths().tolist()
            share = sum(worth[_place(scores, one, ties_above=wanted)] for one in judged) / sum(
                worth[1 : len(judged) + 1]
            )
            halves.append(share if wanted else 1 - share)
    return sum(halves) / len(halves)


def _place(scores: dict[MemoryId, float], judged: MemoryId, *, ties_above: bool) -> int:
    others = [score for memory_id, score in scores.items() if memory_id != judged]
    own = scores[judged]
    return 1 + sum(score > own or (ties_above and score == own) for score in others)
