"""Whether memory holds anything on a question at all, and which memories say the same: pure functions."""

import math
import re
from collections.abc import Mapping
from typing import Final

import numpy as np

from context0.memory.fusion import Mask, Scores
from context0.memory.inputs import ArmName
from context0.memory.query import Query, SearchRequest
from context0.memory.signals import SIGNALS, Voices, said_by
from stores.owner.owner_index import Snapshot
from stores.records import Memory

DEFAULT_MINIMUM: Final = 0.005
"""The relevance below which a search returns nothing. It is cautious: static vectors give "what is my job?" and "I work
as a nurse" a likeness of 0.19 only, and a lost answer is worse than a weak one."""
_LEAD_SCALE: Final = 2.0
_LARGEST_LEAD: Final = 1_000.0
_NOTHING: Final = np.float32(-np.inf)
_NO_WORD: Final = re.compile(r"\W+")


def relevance(query: Query, arms: Mapping[ArmName, Scores], snapshot: Snapshot, allowed: Mask) -> float:
    """Return how much the best memory has to do with the question: about 0 for nothing, 1 for all of it.

    The best cosine similarity, plus the best share of the question's words (weighted by rarity) that one memory has.
    """
    best = 0.0
    if "semantic" in arms:
        best += _best(arms["semantic"], allowed)
    if "keyword" in arms:
        rows = len(snapshot)
        frequencies = snapshot.terms.frequencies(query.terms)
        mass = sum(math.log1p((rows - n + 0.5) / (n + 0.5)) for n in frequencies)
        best += _best(arms["keyword"], allowed) / max(mass, 1e-9)
    return best


def _best(scores: Scores, allowed: Mask) -> float:
    """Return the best allowed score, at least 0."""
    return float(np.fmax.reduce(scores if allowed.all() else scores[allowed], initial=0))


def minimum(request: SearchRequest, *, degraded: bool) -> float:
    """Return the relevance that the search asks for; a search with chosen or missing arms takes whatever they find."""
    if request.min_relevance is not None:
        return request.min_relevance
    return 0.0 if request.arms_only or degraded else DEFAULT_MINIMUM


def heard(query: Query, total: Scores, snapshot: Snapshot, allowed: Mask, voices: Voices) -> float:
    """Return how likely the person whom the question names said what it asks for, in (0, 1]; 1 without a person.

    A question about one person that is answered by what another said best asks for what was never said of that one.
    Compared are the best scores of both without what the name itself is worth, by a logistic curve.
    """
    names = query.analysis.speakers
    if not names or query.request.arms_only:
        return 1.0
    plain = total - voices.weights[SIGNALS.index("speaker")] * said_by(names, voices, snapshot)
    if not allowed.all():
        plain = np.where(allowed, plain, _NOTHING)
    named = said_by(names[:1], voices, snapshot) > 0
    by_named, by_others = np.where(named, plain, _NOTHING).max(), np.where(named, _NOTHING, plain).max()
    if np.isneginf(by_named) or np.isneginf(by_others):
        return 1.0
    lead = float(by_named - by_others)
    return 1 / (1 + math.exp(-max(lead, -_LARGEST_LEAD) / _LEAD_SCALE))


def same_words(memory: Memory) -> tuple[str | None, str]:
    """Return the key that near-duplicates share: the speaker and the words, without case and punctuation."""
    return memory.speaker, _NO_WORD.sub(" ", memory.content.casefold()).strip() or memory.content
