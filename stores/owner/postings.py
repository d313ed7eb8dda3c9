"""A sparse inverted index over hashed terms in numpy: which rows hold a term and how often; BM25 over them.

Cost follows the matches, not the corpus: a query term is found by binary search, its rows are one slice.
BM25 as in Robertson & Zaragoza (2009), "The Probabilistic Relevance Framework", with the idf of Lucene:
log(1 + (N - df + 0.5) / (df + 0.5)) * tf / (tf + k1 * (1 - b + b * length / mean length)).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

K1: Final = 0.9
B: Final = 0.4
_TAIL_TERMS: Final = 2_048

Terms = npt.NDArray[np.uint32]
Rows = npt.NDArray[np.int32]
Scores = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Postings:
    """Immutable: adding rows returns a new index that shares the sealed part, so a thread may read the old one.

    Sealed: `keys` (sorted distinct terms), `starts` (len(keys) + 1 offsets), `rows` and `counts` (the postings).
    Tail: terms added since, with their rows, unsorted; folded in when it exceeds an eighth of the sealed part.
    lengths: terms in each row, shape (rows,).
    """

    keys: Terms
    starts: npt.NDArray[np.int64]
    rows: Rows
    counts: Scores
    tail_terms: Terms
    tail_rows: Rows
    lengths: Scores

    @staticmethod
    def empty() -> "Postings":
        none = np.zeros(0, np.uint32)
        rows, scores = np.zeros(0, np.int32), np.zeros(0, np.float32)
        return Postings(none, np.zeros(1, np.int64), rows, scores, none, rows, scores)

    @property
    def nbytes(self) -> int:
        return sum(
            array.nbytes
            for array in (
                self.keys, self.starts, self.rows, self.counts, self.tail_terms, self.tail_rows, self.lengths,
            )
        )  # fmt: skip

    def extended(self, terms_of_rows: Sequence[bytes]) -> "Postings":
        """Return the index with further rows, each given as its terms: little-endian uint32, with repeats."""
        added = np.frombuffer(b"".join(terms_of_rows), "<u4").astype(np.uint32, copy=False)
        sizes = np.fromiter((len(terms) // 4 for terms in terms_of_rows), np.int64, len(terms_of_rows))
        first = len(self.lengths)
        rows = np.repeat(np.arange(first, first + len(sizes), dtype=np.int32), sizes)
        grown = Postings(
            self.keys,
            self.starts,
            self.rows,
            self.counts,
            np.concatenate([self.tail_terms, added]),
            np.concatenate([self.tail_rows, rows]),
            np.concatenate([self.lengths, sizes.astype(np.float32)]),
        )
        return grown._sealed() if len(grown.tail_terms) > max(_TAIL_TERMS, len(self.rows) // 8) else grown

    def matches(self, term: int) -> tuple[Rows, Scores]:
        """Return the rows that hold `term`, each once, and how often each holds it."""
        at = int(np.searchsorted(self.keys, np.uint32(term)))
        if at < len(self.keys) and self.keys[at] == term:
            chunk = slice(self.starts[at], self.starts[at + 1])
            rows, counts = self.rows[chunk], self.counts[chunk]
        else:
            rows, counts = self.rows[:0], self.counts[:0]
        if len(self.tail_terms):
            late = self.tail_rows[self.tail_terms == np.uint32(term)]
            if len(late):
                late_rows, late_counts = np.unique(late, return_counts=True)
                rows = np.concatenate([rows, late_rows])
                counts = np.concatenate([counts, late_counts.astype(np.float32)])
        return rows, counts

    def bm25(self, terms: Sequence[int], *, k1: float = K1, b: float = B) -> Scores:
        """Return one score a row, 0 where no term matches: float32, shape (rows,). Repeated query terms count once."""
        scores = np.zeros(len(self.lengths), np.float32)
        if not len(scores):
            return scores
        mean = max(float(self.lengths.mean()), 1.0)
        for term in dict.fromkeys(terms):
            rows, counts = self.matches(term)
            if not len(rows):
                continue
            idf = np.log1p((len(scores) - len(rows) + 0.5) / (len(rows) + 0.5))
            norm = k1 * (1 - b) + (k1 * b / mean) * self.lengths[rows]
            scores[rows] += np.float32(idf) * counts / (counts + norm)
        return scores

    def frequency(self, term: int) -> int:
        """Return how many rows, deleted ones included, hold `term`."""
        return len(self.matches(term)[0])

    def _sealed(self) -> "Postings":
        old = np.repeat(self.keys, np.diff(self.starts))
        pairs = np.concatenate([_pairs(old, self.rows), _pairs(self.tail_terms, self.tail_rows)])
        weights = np.concatenate([self.counts, np.ones(len(self.tail_terms), np.float32)])
        order = np.argsort(pairs, kind="stable")
        pairs, weights = pairs[order], weights[order]
        first = np.flatnonzero(np.concatenate([[True], pairs[1:] != pairs[:-1]]))
        counts = np.add.reduceat(weights, first).astype(np.float32)
        distinct = pairs[first]
        terms = (distinct >> np.uint64(32)).astype(np.uint32)
        begins = np.flatnonzero(np.concatenate([[True], terms[1:] != terms[:-1]]))
        return Postings(
            keys=terms[begins],
            starts=np.concatenate([begins, [len(terms)]]).astype(np.int64),
            rows=(distinct & np.uint64(0xFFFFFFFF)).astype(np.int32),
            counts=counts,
            tail_terms=self.tail_terms[:0].copy(),
            tail_rows=self.tail_rows[:0].copy(),
            lengths=self.lengths,
        )


def _pairs(terms: Terms, rows: Rows) -> npt.NDArray[np.uint64]:
    return (terms.astype(np.uint64) << np.uint64(32)) | rows.astype(np.uint64)
