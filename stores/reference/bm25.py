"""Plain BM25 over analysed words: the ranking that keyword searches are measured by."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from stores.records import Hit, MemoryId

K1 = 0.6
B = 0.3


def rank(query: Sequence[str], corpus: Mapping[MemoryId, Sequence[str]]) -> list[Hit]:
    """Return the documents that hold any of the query's words, best first, equal scores by ascending id."""
    mean_length = sum(map(len, corpus.values())) / len(corpus) if corpus else 0.0
    holders = Counter(word for words in corpus.values() for word in set(words))
    hits = []
    for memory_id, words in corpus.items():
        counts = Counter(words)
        damping = K1 * (1 - B + B * len(words) / mean_length) if mean_length else K1
        score = sum(
            _rarity(len(corpus), holders[word]) * counts[word] * (K1 + 1) / (counts[word] + damping)
            for word in set(query)
            if counts[word]
        )
        if score > 0:
            hits.append(Hit(memory_id, score))
    return sorted(hits, key=lambda hit: (-hit.score, hit.id))


def _rarity(documents: int, holders: int) -> float:
    return math.log(1 + (documents - holders + 0.5) / (holders + 0.5))
