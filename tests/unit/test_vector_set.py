"""One owner's vectors against comparing with every point, by hand; and the graph against the exact search."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stores.errors import DimensionMismatch, InvalidVector
from stores.owner.vector_set import VectorSet
from stores.records import FloatVector, MemoryId
from tests.contracts.builders import named

DIMENSION = 6
RNG = np.random.default_rng(3)
POOL = RNG.integers(-2, 3, (24, DIMENSION)).astype(np.float32)
POOL[:, 0] += 0.5
POOL /= np.linalg.norm(POOL, axis=1, keepdims=True)


def unit(rows: int, dimension: int, seed: int = 0) -> np.ndarray:
    found = np.random.default_rng(seed).standard_normal((rows, dimension)).astype(np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def expected_top(points: dict[MemoryId, FloatVector], query: FloatVector, limit: int) -> list[tuple[MemoryId, float]]:
    scored = [(memory_id, float(vector @ query)) for memory_id, vector in points.items()]
    return sorted(scored, key=lambda hit: (-hit[1], hit[0]))[:limit]


ADDED = st.tuples(st.integers(0, 9), st.none() | st.integers(0, 23))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.lists(ADDED, max_size=4, unique_by=lambda item: item[0])),
        st.tuples(st.just("remove"), st.lists(st.integers(0, 11), max_size=3)),
    ),
    max_size=10,
)


@given(steps=STEPS, query=st.integers(0, 23), limit=st.integers(1, 12), among=st.none() | st.sets(st.integers(0, 11)))
@settings(max_examples=150, deadline=None)
def test_after_any_changes_the_nearest_are_those_of_a_plain_comparison(
    steps: list[Any], query: int, limit: int, among: set[int] | None
) -> None:
    vectors = VectorSet()
    points: dict[MemoryId, FloatVector | None] = {}
    for action, items in steps:
        if action == "add":
            ids = [named(number) for number, _ in items]
            rows = [None if place is None else POOL[place] for _, place in items]
            vectors.add_rows(ids, [None if row is None else row.tobytes() for row in rows])
            points.update(zip(ids, rows, strict=True))
        else:
            vectors.remove([named(number) for number in items])
            for number in items:
                points.pop(named(number), None)
    assert set(vectors.row_of) == set(points)
    assert {vectors.ids[row] for row in np.flatnonzero(vectors.alive)} == set(points)
    assert vectors.complete == all(row is not None for row in points.values())
    assert vectors.dead == len(vectors.ids) - len(points)

    chosen = {memory_id: np.zeros(DIMENSION, np.float32) if row is None else row for memory_id, row in points.items()}
    allowed = None if among is None else {named(number) for number in among}
    chosen = {memory_id: row for memory_id, row in chosen.items() if allowed is None or memory_id in allowed}
    hits = vectors.top(POOL[query], limit, allowed)
    expected = expected_top(chosen, POOL[query], limit)
    np.testing.assert_allclose([hit.score for hit in hits], [score for _, score in expected], atol=1e-6)
    for hit in hits:
        assert float(chosen[hit.id] @ POOL[query]) == pytest.approx(hit.score, abs=1e-6)
    assert [hit.id for hit in hits] == [hit.id for hit in sorted(hits, key=lambda hit: (-hit.score, hit.id))]


def test_equal_scores_are_cut_by_ascending_id() -> None:
    vectors = VectorSet()
    ids = [named(number) for number in (5, 3, 9, 1, 7)]
    vectors.add_rows(ids, [POOL[0].tobytes()] * 5)
    assert [hit.id for hit in vectors.top(POOL[0], 3)] == sorted(ids)[:3]


@pytest.mark.parametrize("bad", [np.full(DIMENSION, np.nan), np.zeros(DIMENSION), np.full(DIMENSION, np.inf)], ids=str)
def test_unusable_questions_are_refused(bad: Any) -> None:
    vectors = VectorSet()
    vectors.add_rows([named(1)], [POOL[0].tobytes()])
    for among in (None, [named(1)]):
        with pytest.raises(InvalidVector):
            vectors.top(bad.astype(np.float32), 1, among)


def test_other_dimensions_are_refused_and_change_nothing() -> None:
    vectors = VectorSet()
    vectors.add_rows([named(1)], [POOL[0].tobytes()])
    with pytest.raises(DimensionMismatch):
        vectors.add_rows([named(2), named(3)], [POOL[1].tobytes(), POOL[1][:3].tobytes()])
    with pytest.raises(DimensionMismatch):
        vectors.top(POOL[0][:3], 1)
    assert (len(vectors), vectors.ids, vectors.matrix.shape) == (1, [named(1)], (1, DIMENSION))
    assert [hit.id for hit in vectors.top(POOL[0], 5)] == [named(1)]


def test_rows_without_a_vector_get_theirs_when_they_are_replaced() -> None:
    vectors = VectorSet()
    vectors.add_rows([named(1), named(2)], [None, None])
    assert (vectors.dimension, vectors.complete, vectors.matrix.shape) == (None, False, (2, 0))
    assert [hit.score for hit in vectors.top(POOL[0], 5)] == [0, 0]
    vectors.add_rows([named(1)], [POOL[0].tobytes()])
    assert (vectors.dimension, vectors.complete, vectors.matrix.shape) == (DIMENSION, False, (3, DIMENSION))
    vectors.remove([named(2)])
    assert vectors.complete
    assert [hit.id for hit in vectors.top(POOL[0], 5)] == [named(1)]


def test_its_size_counts_rows_and_ids() -> None:
    vectors = VectorSet()
    vectors.add_rows([named(number) for number in range(1_000)], [POOL[0].tobytes()] * 1_000)
    assert vectors.nbytes >= 1_000 * (DIMENSION * 4 + 150)
