"""Whether memory holds anything on a question at all, and which memories say the same: pure functions."""

import math
import re
from collections.abc import Mapping
from typing import Final

import numpy as np

from context0.memory.fusion import Mask, Scores
from context0.memory.inputs import ArmName
from context0.memory.query import Query
from stores.owner.owner_index import Snapshot
from stores.records import Memory

_PER_DECADE: Final = 0.05
_LEAST: Final = 0.02
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


def default_minimum(memories: int) -> float:
    """Return the relevance below which an owner of so many memories is told that there is nothing.

    The best of many memories is somewhat like any question by chance, and more so the more there are; in a small memory
    even a weak likeness means something. The number is cautious: static vectors give "what is my job?" and "I work as
    a nurse" a likeness of 0.19 only, and a lost answer is worse than a weak one.
    """
    return max(_LEAST, _PER_DECADE * math.log10(max(memories, 1)))


def same_words(memory: Memory) -> tuple[str | None, str]:
    """Return the key that near-duplicates share: the speaker and the words, without case and punctuation."""
    return memory.speaker, _NO_WORD.sub(" ", memory.content.casefold()).strip() or memory.content
