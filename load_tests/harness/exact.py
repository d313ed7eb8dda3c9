"""The exact nearest memories of each owner: what recall is measured against."""

from collections.abc import Mapping, Sequence

import numpy as np
from peers.protocol import Found

from harness.corpus import Memory, Question

SCORE_TIE = 1e-5


class Exact:
    """Brute force over the memories that a peer was given. `row_of` translates the peer's ids."""

    def __init__(self, memories: Sequence[Memory], row_of: Mapping[str, int]) -> None:
        self._row_of = row_of
        self._places: dict[str, dict[int, int]] = {}
        for memory in memories:
            places = self._places.setdefault(memory.owner, {})
            places[memory.row] = len(places)
        self._vectors = {
            owner: np.stack([memory.vector for memory in memories if memory.row in places])
            for owner, places in self._places.items()
        }

    @property
    def owners(self) -> list[str]:
        return list(self._places)

    def recall(self, question: Question, found: Sequence[Found], k: int) -> float:
        """The share of the `k` nearest that is among `found`; equal scores count as equal, foreign memories never."""
        scores = self._vectors[question.owner] @ question.vector
        wanted = min(k, len(scores))
        least = np.partition(scores, -wanted)[-wanted] - SCORE_TIE
        places = self._places[question.owner]
        rows = {self._row_of.get(hit.id, -1) for hit in found[:k]}
        return sum(row in places and scores[places[row]] >= least for row in rows) / wanted
