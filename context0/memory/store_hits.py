"""What the stores' own arms have found, put in order: for owners who are too large for an index in memory. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from context0.clock import to_ms
from context0.memory.candidates import Candidates
from context0.memory.inputs import ArmName
from context0.memory.query import Query
from context0.memory.relevance import heard, relevance
from context0.memory.signals import Voices, fused, weigh
from context0.memory.succession import put_successors_first
from stores.owner.owner_index import OwnerIndex
from stores.records import Hit, IndexRow, MemoryId

if TYPE_CHECKING:
    from context0.memory.fusion import Scores

WEIGHED: Final = 200
"""So many of what is found are weighed by all signals, 15 us each. LoCoMo's recall@10 by the stores' arms: 58.0
without, 69.3 with 50, 73.3 with 200, 74.3 with 300, 73.9 with all 600."""


def gathered(hits: Mapping[ArmName, Sequence[Hit]]) -> Candidates:
    """Return all that was found, scored by the arms alone."""
    ids = list(dict.fromkeys(hit.id for found in hits.values() for hit in found))
    places = {memory_id: place for place, memory_id in enumerate(ids)}
    scores: dict[ArmName, Scores] = {}
    for name, found in hits.items():
        scores[name] = np.full(len(ids), np.nan, np.float32)
        scores[name][[places[hit.id] for hit in found]] = [hit.score for hit in found]
    allowed = np.ones(len(ids), np.bool_)
    alone = fused(scores, allowed)
    return Candidates(
        ids=ids,
        places=places,
        arms=scores,
        allowed=allowed,
        complete=False,
        total=alone.total,
        signals=alone.signals,
        weights=alone.weights,
    )


def best_of(found: Candidates) -> list[MemoryId]:
    """Return those that are worth weighing by more than the arms."""
    order = np.argsort(-found.total, kind="stable")[:WEIGHED].tolist()
    return [found.ids[place] for place in order]


def index_of(rows: Sequence[IndexRow]) -> OwnerIndex:
    """Return an index of these rows alone; 5 us a row."""
    index = OwnerIndex()
    index.apply(rows)
    return index


def weighed(
    query: Query, found: Candidates, index: OwnerIndex, voices: Voices, *, keep: bool, least: float
) -> Candidates:
    """Return the candidates with those of the index weighed as an index of all would, and the rest behind them.

    What flows from a memory to those around it, flows among those of the index only. least: the relevance below which
    nothing is found; how rare the question's words are, is counted among those of the index.
    """
    snapshot = index.snapshot()
    places = [found.places[memory_id] for memory_id in snapshot.ids]
    rest = np.delete(np.arange(len(found.ids)), places)
    allowed = snapshot.expires_ms > to_ms(query.now)
    arms = {name: scores[places] for name, scores in found.arms.items()}
    all_signals = weigh(query, arms, snapshot, allowed, voices, keep=keep)
    total = all_signals.total
    if snapshot.validity and query.request.as_of is None:
        put_successors_first(total, allowed.copy(), allowed, snapshot, to_ms(query.now))
    likeness = None
    if least:
        if "keyword" in arms:
            arms["keyword"] = snapshot.terms.bm25(query.terms)
        likeness = relevance(query, arms, snapshot, allowed)
        likeness *= heard(query, total, snapshot, allowed, voices)
    behind = total.min(initial=0.0) - 1 - found.total[rest].max(initial=0.0)
    behind_all = found.total[rest] + behind
    none = np.zeros(len(rest), np.float32)
    order = [*places, *rest.tolist()]
    ids = [found.ids[place] for place in order]
    return replace(
        found,
        ids=ids,
        places={memory_id: place for place, memory_id in enumerate(ids)},
        arms={name: scores[order] for name, scores in found.arms.items()},
        allowed=np.append(allowed, np.ones(len(rest), np.bool_)) & (likeness is None or likeness >= least),
        weighed=len(places),
        relevance=likeness,
        minimum=least,
        total=np.append(total, behind_all),
        signals={name: np.append(values, none) for name, values in all_signals.signals.items()},
        weights=all_signals.weights,
    )
