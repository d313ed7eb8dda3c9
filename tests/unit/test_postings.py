"""The inverted index and its BM25 against counting by hand."""

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stores.owner import postings
from stores.owner.postings import B, K1, Postings

Row = list[int]


def encoded(rows: Sequence[Row]) -> list[bytes]:
    return [np.array(row, "<u4").tobytes() for row in rows]


def built(batches: Sequence[Sequence[Row]]) -> Postings:
    index = Postings.empty()
    for batch in batches:
        index = index.extended(encoded(batch))
    return index


def plain_bm25(rows: Sequence[Row], query: Sequence[int]) -> list[float]:
    """The formula of the module's docstring, term by term."""
    mean = max(sum(map(len, rows)) / len(rows), 1.0) if rows else 1.0
    scores = [0.0] * len(rows)
    for term in set(query):
        holders = sum(term in row for row in rows)
        idf = math.log(1 + (len(rows) - holders + 0.5) / (holders + 0.5))
        for n, row in enumerate(rows):
            if frequency := row.count(term):
                scores[n] += idf * frequency / (frequency + K1 * (1 - B + B * len(row) / mean))
    return scores


# The extremes of 32 bits are terms like any other.
TERMS = st.sampled_from([0, 1, 2, 3, 5, 2**31 - 1, 2**31, 2**32 - 1])
ROWS = st.lists(st.lists(TERMS, max_size=8), max_size=12)
BATCHES = st.lists(ROWS, max_size=6)


@pytest.fixture(params=[0, 4, 2_048], ids=["sealed at once", "sealed now and then", "never sealed"])
def tail(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postings, "_TAIL_TERMS", request.param)


@pytest.mark.usefixtures("tail")
class TestInEveryShape:
    """Whether the terms lie in the sealed part, in the tail, or in both."""

    @given(batches=BATCHES, query=st.lists(TERMS, max_size=5))
    @settings(max_examples=60, deadline=None)
    def test_bm25_is_the_formula(self, batches: list[list[Row]], query: list[int]) -> None:
        rows = [row for batch in batches for row in batch]
        scores = built(batches).bm25(query)
        assert (scores.dtype, scores.shape) == (np.float32, (len(rows),))
        np.testing.assert_allclose(scores, plain_bm25(rows, query), rtol=1e-5, atol=1e-6)

    @given(batches=BATCHES, term=TERMS)
    @settings(max_examples=60, deadline=None)
    def test_matches_are_the_rows_that_hold_a_term_each_once_with_its_count(
        self, batches: list[list[Row]], term: int
    ) -> None:
        rows = [row for batch in batches for row in batch]
        found, counts = built(batches).matches(term)
        expected = {n: float(row.count(term)) for n, row in enumerate(rows) if term in row}
        assert dict(zip(found.tolist(), counts.tolist(), strict=True)) == expected
        assert len(found) == len(expected)
        assert built(batches).frequency(term) == len(expected)

    @given(batches=BATCHES, query=st.lists(TERMS, max_size=5))
    @settings(max_examples=30, deadline=None)
    def test_batches_and_one_go_are_the_same(self, batches: list[list[Row]], query: list[int]) -> None:
        together = built([[row for batch in batches for row in batch]])
        np.testing.assert_allclose(built(batches).bm25(query), together.bm25(query), rtol=1e-6)

    def test_an_index_does_not_change_when_rows_are_added(self) -> None:
        before = built([[[1, 2], [2]]])
        scores = before.bm25([1, 2])
        after = before.extended(encoded([[1, 1, 1]] * 50))
        np.testing.assert_array_equal(before.bm25([1, 2]), scores)
        assert (len(before.lengths), len(after.lengths)) == (2, 52)


def test_large_indexes_are_sealed_by_themselves() -> None:
    random = np.random.default_rng(0)
    batches = [[random.integers(0, 500, 12).tolist() for _ in range(100)] for _ in range(6)]
    index = built(batches)
    assert len(index.keys) > 400
    rows = [row for batch in batches for row in batch]
    for query in ([3], [7, 7, 11], [499, 10_000]):
        np.testing.assert_allclose(index.bm25(query), plain_bm25(rows, query), rtol=1e-4)
    assert Counter(term for row in rows for term in set(row))[3] == index.frequency(3)


def test_nothing_scores_in_an_empty_index_and_nothing_scores_for_no_terms() -> None:
    assert Postings.empty().bm25([1]).tolist() == []
    assert built([[[1], []]]).bm25([]).tolist() == [0, 0]
    assert built([[[], []]]).bm25([1]).tolist() == [0, 0]


def test_its_size_is_that_of_its_arrays() -> None:
    assert Postings.empty().nbytes == 8
    index = built([[[1, 2, 3]] * 10])
    assert index.nbytes >= 10 * 3 * 8 + 10 * 4
