"""A sparse inverted index over hashed terms in numpy: which rows hold a term and how often; BM25 over them.

Cost follows the matches, not the corpus: a query term is found by binary search, its rows are one slice.
BM25 as in Robertson & Zaragoza (2009), "The Probabilistic Relevance Framework", with the idf of Lucene:
log(1 + (N - df + 0.5) / (df + 0.5)) * tf / (tf + k1 * (1 - b + b * length / mean length)).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

K1: Final = 0.6
B: Final = 0.3
_TAIL_TERMS: Final = 2_048

Terms = npt.NDArray[np.uint32]
Rows = npt.NDArray[np.int32]
Scores = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Postings:
    """Immutable: adding rows returns a new index that shares the sealed part, so a thread may read the old one.

    Sealed: `keys` (sorted distinct terms), `starts` (len(keys) + 1 offsets), `rows` and `counts` (the postings).
    Tail: terms added since, with their rows, sorted by both; folded in when it exceeds an eighth of the sealed part.
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
        added, rows = _in_order(added, rows)
        places = np.searchsorted(self.tail_terms, added, side="right")  # behind those of earlier rows
        grown = Postings(
            self.keys,
            self.starts,
            self.rows,
            self.counts,
            np.insert(self.tail_terms, places, added),
            np.insert(self.tail_rows, places, rows),
            np.concatenate([self.lengths, sizes.astype(np.float32)]),
        )
        return grown._sealed() if len(grown.tail_terms) > max(_TAIL_TERMS, len(self.rows) // 8) else grown

    def matches(self, terms: Sequence[int]) -> Iterator[tuple[Rows, Scores]]:
        """Yield, for each distinct term that any row holds, its rows, each once, and how often each holds it."""
        wanted = np.array(tuple(dict.fromkeys(terms)), np.uint32)
        at, is_sealed = self._sealed_places(wanted)
        late, late_ends = self._tail_places(wanted)
        for place in np.flatnonzero(is_sealed | (late_ends > late)).tolist():
            key = at[place]
            chunk = slice(self.starts[key], self.starts[key + 1]) if is_sealed[place] else slice(0)
            rows, counts = self.rows[chunk], self.counts[chunk]
            if late_ends[place] > late[place]:
                late_rows = self.tail_rows[late[place] : late_ends[place]]
                starts = _starts(late_rows)
                rows = np.concatenate([rows, late_rows[starts]])
                counts = np.concatenate([counts, _sizes(starts, len(late_rows))])
            yield rows, counts

    def bm25(self, terms: Sequence[int], *, k1: float = K1, b: float = B) -> Scores:
        """Return one score a row, 0 where no term matches: float32, shape (rows,). Repeated query terms count once."""
        scores = np.zeros(len(self.lengths), np.float32)
        if not len(scores):
            return scores
        mean = max(float(self.lengths.mean()), 1.0)
        for rows, counts in self.matches(terms):
            idf = np.log1p((len(scores) - len(rows) + 0.5) / (len(rows) + 0.5))
            norm = k1 * (1 - b) + (k1 * b / mean) * self.lengths[rows]
            scores[rows] += np.float32(idf) * counts / (counts + norm)
        return scores

    def frequencies(self, terms: Sequence[int]) -> list[int]:
        """Return how many rows, deleted ones included, hold each of `terms`, in order."""
        wanted = np.array(terms, np.uint32)
        at, is_sealed = self._sealed_places(wanted)
        late, late_ends = self._tail_places(wanted)
        counted = np.where(is_sealed, self.starts[np.minimum(at + 1, len(self.keys))] - self.starts[at], 0)
        for place in np.flatnonzero(late_ends > late).tolist():
            counted[place] += len(_starts(self.tail_rows[late[place] : late_ends[place]]))
        frequencies: list[int] = counted.tolist()
        return frequencies

    def _sealed_places(self, terms: Terms) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
        """Return where each term would stand among the sealed keys, and whether it does."""
        at = np.searchsorted(self.keys, terms)
        if not len(self.keys):
            return at, np.zeros(len(terms), np.bool_)
        return at, self.keys[np.minimum(at, len(self.keys) - 1)] == terms

    def _tail_places(self, terms: Terms) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Return where each term begins and ends in the tail."""
        return np.searchsorted(self.tail_terms, terms), np.searchsorted(self.tail_terms, terms, side="right")

    def _sealed(self) -> "Postings":
        """Return the same index without a tail. Its rows lie behind all sealed ones, so that the two are put together
        by counting, without sorting: 50 ms for three million postings."""
        terms, rows, counts = _counted(self.tail_terms, self.tail_rows)
        first = _starts(terms)
        distinct, added = terms[first], np.diff(np.append(first, len(terms)))
        at, is_known = self._sealed_places(distinct)
        new_at = at[~is_known]
        keys = np.insert(self.keys, new_at, distinct[~is_known])
        sizes = np.insert(np.diff(self.starts), new_at, 0)
        sizes[np.searchsorted(keys, distinct)] += added
        ends = np.repeat(self.starts[at + is_known], added)  # of what is sealed of each term
        return Postings(
            keys=keys,
            starts=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
            rows=np.insert(self.rows, ends, rows),
            counts=np.insert(self.counts, ends, counts),
            tail_terms=self.tail_terms[:0].copy(),
            tail_rows=self.tail_rows[:0].copy(),
            lengths=self.lengths,
        )


def _in_order(terms: Terms, rows: Rows) -> tuple[Terms, Rows]:
    """Return pairs of a term and a row sorted by both: as one number each, five times as fast as by `argsort`."""
    pairs = (terms.astype(np.uint64) << np.uint64(32)) | rows.astype(np.uint64)
    pairs.sort()
    return (pairs >> np.uint64(32)).astype(np.uint32), (pairs & np.uint64(0xFFFFFFFF)).astype(np.int32)


def _counted(terms: Terms, rows: Rows) -> tuple[Terms, Rows, Scores]:
    """Return the distinct pairs of a term and a row, both sorted by both, and how often each is there."""
    first = np.flatnonzero(np.append(True, (terms[1:] != terms[:-1]) | (rows[1:] != rows[:-1])))
    return terms[first], rows[first], _sizes(first, len(terms))


def _starts(ordered: npt.NDArray[Any]) -> npt.NDArray[np.intp]:
    """Return where each distinct number begins, of a row of them in order; a fifth of what `np.unique` takes."""
    differs = np.empty(len(ordered), np.bool_)
    differs[:1] = True
    np.not_equal(ordered[1:], ordered[:-1], out=differs[1:])
    return differs.nonzero()[0]


def _sizes(starts: npt.NDArray[np.intp], end: int) -> Scores:
    """Return how far it is from each start to the next one, and from the last one to the end."""
    sizes = np.empty(len(starts), np.float32)
    np.subtract(starts[1:], starts[:-1], out=sizes[:-1], casting="unsafe")
    sizes[-1:] = end - starts[-1:]
    return sizes
