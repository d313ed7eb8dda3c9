"""Why a memory stands where it stands in a search, or does not stand there at all: pure functions."""

from collections.abc import Mapping, Sequence

import numpy as np

from context0.memory.candidates import Candidates
from context0.memory.fusion import rank_of
from context0.memory.results import FoundMemory
from stores.records import MemoryId


def explained(candidates: Candidates, row: int) -> dict[str, object]:
    """Return each arm's rank for a candidate, of how many, and the signals that spoke for it."""
    ranks = {name: rank_of(scores, candidates.allowed, row) for name, scores in candidates.arms.items()}
    signals = {name: float(values[row]) for name, values in candidates.signals.items()}
    return {"ranks": ranks, "of": int(candidates.allowed.sum()), "signals": signals}


def why_not(ids: Sequence[MemoryId], candidates: Candidates, found: Sequence[FoundMemory]) -> dict[str, str]:
    """Return, for each id, why it is not on the page: in words, with its rank and score where it has them."""
    shown = {item.memory.id for item in found}
    stands_for = {same: item.memory.id for item in found for same in item.same}
    return {memory_id: _reason(memory_id, candidates, shown, stands_for) for memory_id in ids}


def _reason(
    memory_id: MemoryId, candidates: Candidates, shown: set[MemoryId], stands_for: Mapping[MemoryId, MemoryId]
) -> str:
    if memory_id in shown:
        return "it is on the page"
    if memory_id in stands_for:
        return f"it says the same as {stands_for[memory_id]}"
    row = candidates.places.get(memory_id)
    if row is None or row >= len(candidates.total):
        return "no arm found it" if not candidates.complete else "there is no such memory of this user"
    if not candidates.narrowed[row]:
        return "deleted, expired, or outside the filters, types or times of the search"
    if all(np.isnan(scores[row]) for scores in candidates.arms.values()):
        return "no arm found it"
    if candidates.relevance is not None and not candidates.allowed.any():
        return f"nothing is relevant enough: the best memory reaches {candidates.relevance:.2f}"
    rank = int(np.count_nonzero(candidates.total[candidates.allowed] > candidates.total[row])) + 1
    return f"rank {rank} with score {candidates.total[row]:.3f}: beyond this page"
