"""The inverted index and its BM25 against counting by hand."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stores.owner.postings import K1, B, Postings

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


# A row that is long enough to have everything so far folded into the sealed part.
SEAL: list[Row] = [[77] * 2_100]


def all_shapes(function: Any) -> Any:
    """Ask with everything in the tail, everything sealed, and some in both."""
    shapes = {
        "tail": lambda batches: batches,
        "sealed": lambda batches: [*batches, SEAL],
        "both": lambda batches: [*batches[: len(batches) // 2], SEAL, *batches[len(batches) // 2 :]],
    }
    return pytest.mark.parametrize("shaped", shapes.values(), ids=shapes)(function)


Shape = Callable[[list[list[Row]]], list[list[Row]]]


@all_shapes
@given(batches=BATCHES, query=st.lists(TERMS, max_size=5))
@settings(max_examples=60, deadline=None)
def test_bm25_is_the_formula(shaped: Shape, batches: list[list[Row]], query: list[int]) -> None:
    batches = shaped(batches)
    rows = [row for batch in batches for row in batch]
    scores = built(batches).bm25(query)
    assert (scores.dtype, scores.shape) == (np.float32, (len(rows),))
    np.testing.assert_allclose(scores, plain_bm25(rows, query), rtol=1e-5, atol=1e-6)


@all_shapes
@given(batches=BATCHES, terms=st.lists(TERMS, max_size=5))
@settings(max_examples=60, deadline=None)
def test_matches_are_the_rows_that_hold_a_term_each_once_with_its_count(
    shaped: Shape, batches: list[list[Row]], terms: list[int]
) -> None:
    index = built(shaped(batches))
    rows = [row for batch in shaped(batches) for row in batch]
    found = [dict(zip(held.tolist(), counts.tolist(), strict=True)) for held, counts in index.matches(terms)]
    expected = [{n: float(row.count(term)) for n, row in enumerate(rows) if term in row} for term in terms]
    assert found == [held for term, held in dict(zip(terms, expected, strict=True)).items() if held]
    assert index.frequencies(terms) == list(map(len, expected))


@all_shapes
def test_an_index_does_not_change_when_rows_are_added(shaped: Shape) -> None:
    before = built(shaped([[[1, 2], [2]], [[1]]]))
    scores, rows = before.bm25([1, 2]), len(before.lengths)
    after = before.extended(encoded([[1, 1, 1]] * 50 + SEAL))
    np.testing.assert_array_equal(before.bm25([1, 2]), scores)
    assert (len(before.lengths), len(after.lengths)) == (rows, rows + 51)


def test_large_indexes_are_sealed_by_themselves() -> None:
    random = np.random.default_rng(0)
    batches = [[random.integers(0, 500, 12).tolist() for _ in range(100)] for _ in range(6)]
    index = built(batches)
    assert len(index.keys) > 400
    rows = [row for batch in batches for row in batch]
    for query in ([3], [7, 7, 11], [499, 10_000]):
        np.testing.assert_allclose(index.bm25(query), plain_bm25(rows, query), rtol=1e-4)


def test_nothing_scores_in_an_empty_index_and_nothing_scores_for_no_terms() -> None:
    assert Postings.empty().bm25([1]).tolist() == []
    assert built([[[1], []]]).bm25([]).tolist() == [0, 0]
    assert built([[[], []]]).bm25([1]).tolist() == [0, 0]


def test_its_size_is_that_of_its_arrays() -> None:
    assert Postings.empty().nbytes == 8
    index = built([[[1, 2, 3]] * 10])
    assert index.nbytes >= 10 * 3 * 8 + 10 * 4
