"""Why a memory stands where it stands in a search, or does not stand there at all: pure functions."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from context0.memory.candidates import Candidates
from context0.memory.fusion import rank_of
from context0.memory.inputs import ARM_NAMES
from context0.memory.query import Query, SearchRequest
from context0.memory.results import FoundMemory
from context0.memory.signals import ASSISTANT, profile_of
from stores.owner.owner_index import OwnerIndex
from stores.records import MemoryId

_SUCCESSION: Final = "succession"
"""What a fact inherits from the one it ended, or loses to the one that ended it."""
_ARMS_ALONE: Final = "arms_alone"
"""All that one has which stands behind those that were weighed."""
_NEARLY: Final = 1e-4


def explained(candidates: Candidates, row: int) -> dict[str, object]:
    """Return what placed a candidate.

    ranks, scores: by arm that found it, its place there and its score. of: candidates altogether.
    signals: the value of each; contributions: times its weight, where that is not 0: they add up to the score.
    """
    ranks = {name: rank_of(scores, candidates.allowed, row) for name, scores in candidates.arms.items()}
    scores = {name: float(candidates.arms[name][row]) for name, rank in ranks.items() if rank is not None}
    signals = {name: float(values[row]) for name, values in candidates.signals.items()}
    contributions: dict[str, float] = {
        name: candidates.weights[name] * value for name, value in signals.items() if candidates.weights[name] * value
    }
    rest = float(candidates.total[row]) - sum(contributions.values())
    if abs(rest) > _NEARLY:
        is_weighed = candidates.weighed is None or row < candidates.weighed
        contributions[_SUCCESSION if is_weighed else _ARMS_ALONE] = rest
    return {
        "ranks": ranks,
        "scores": scores,
        "of": int(np.count_nonzero(candidates.allowed)),
        "signals": signals,
        "contributions": contributions,
    }


def rules_fired(
    query: Query, candidates: Candidates, index: OwnerIndex | None, failures: Mapping[str, str]
) -> dict[str, object]:
    """Return what the rules made of the question, and which arms took part or why not."""
    analysis = query.analysis
    told: dict[str, object] = {
        "intent": analysis.intent,
        "answer_kind": query.answer_kind,
        "speakers": analysis.speakers,
        "entities": analysis.entities,
        "range": analysis.range,
        "embedded_text": analysis.content_text,
        "names_stripped": analysis.content_text != query.request.text,
        "words": tuple(query.words),
        "arms": {name: _part_of(name, query, candidates, failures) for name in ARM_NAMES},
        "weights": dict(candidates.weights),
        "minimum_relevance": candidates.minimum,
    }
    if index is not None:
        counts = index.snapshot().entities.frequencies(query.entity_terms)
        told["known_entities"] = {name: n for name, n in zip(query.entities, counts, strict=True) if n}
        told["profile"] = "assistant" if profile_of(index) is ASSISTANT else "dialogue"
    return told


def why_not(request: SearchRequest, candidates: Candidates, found: Sequence[FoundMemory]) -> dict[str, str]:
    """Return, for each id asked about, why it is not on the page: in words, with its rank and score if it has them."""
    shown = {item.memory.id for item in found}
    stands_for = {same: item.memory.id for item in found for same in item.same}
    told: dict[str, str] = {}
    for memory_id in request.why_not:
        if memory_id in shown:
            told[memory_id] = "it is on the page"
        elif memory_id in stands_for:
            told[memory_id] = f"it says the same as {stands_for[memory_id]}"
        else:
            told[memory_id] = _reason(memory_id, request, candidates)
    return told


def _reason(memory_id: MemoryId, request: SearchRequest, candidates: Candidates) -> str:
    row = candidates.places.get(memory_id)
    if row is None or row >= len(candidates.total):
        if candidates.complete:
            return "there is no such memory of this user"
        return f"no arm has it among the {request.hits} best of its own that the search allows"
    missed = next((reason for reason, met in candidates.conditions if not met[row]), None)
    if missed is not None:
        return missed
    if all(np.isnan(scores[row]) for scores in candidates.arms.values()):
        return "no arm found it"
    if candidates.relevance is not None and candidates.relevance < candidates.minimum:
        return (
            f"nothing is relevant enough: the best memory reaches {candidates.relevance:.2f},"
            f" below {candidates.minimum:.2f}"
        )
    score = float(candidates.total[row])
    if request.after is not None and (-score, memory_id) <= (-request.after[0], request.after[1]):
        return f"it is on an earlier page, with score {score:.3f}"
    rank = int(np.count_nonzero(candidates.total[candidates.allowed] > candidates.total[row])) + 1
    return f"rank {rank} with score {score:.3f}: beyond this page"


def _part_of(name: str, query: Query, candidates: Candidates, failures: Mapping[str, str]) -> str:
    if name in failures:
        return f"failed: {failures[name]}"
    if name not in query.request.arms:
        return "not chosen"
    if name in candidates.spared:
        return "not waited for: the others settled it"
    return "asked" if name in candidates.arms else "the question gives it nothing to look for"
