"""What every fusion of arms keeps: scores that can be added, an order without accidents, and pages that join."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from context0.memory.fusion import best, fuse, normalised, rank_of, reciprocal_ranks, seen

SCORES = st.lists(st.none() | st.integers(-20, 20).map(lambda value: value / 4), min_size=1, max_size=20)


def array(values: list[float | None]) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in values], np.float32)


def mask_of(flags: list[bool], size: int) -> np.ndarray:
    return np.array([flags[n % len(flags)] for n in range(size)])


@given(values=SCORES, flags=st.lists(st.booleans(), min_size=1, max_size=5), floor=st.sampled_from([0.0, -1.5]))
@settings(deadline=None)
def test_normalised_scores_are_z_scores_over_the_masked_ones(
    values: list[float | None], flags: list[bool], floor: float
) -> None:
    scores, mask = array(values), mask_of(flags, len(values))
    filled = [floor if value is None else value for value in values]
    counted = [value for value, chosen in zip(filled, mask, strict=True) if chosen]
    result = normalised(scores, mask, floor)
    assert (result.dtype, result.shape) == (np.float32, scores.shape)
    mean = sum(counted) / len(counted) if counted else 0
    spread = math.sqrt(sum((value - mean) ** 2 for value in counted) / len(counted)) if counted else 0
    if spread < 1e-6:
        assert not result.any()
    else:
        np.testing.assert_allclose(result, [(value - mean) / spread for value in filled], rtol=1e-4, atol=1e-5)


def test_normalising_neither_divides_by_zero_nor_changes_what_it_was_given() -> None:
    for values in ([], [np.nan], [np.nan, np.nan], [3, 3, 3], [1e30, 1e30]):
        scores = np.array(values, np.float32)
        given_before = scores.copy()
        assert not normalised(scores, np.ones(len(scores), bool), 0.0).any() or len(set(values)) > 1
        np.testing.assert_array_equal(scores, given_before)
    nobody = normalised(np.array([1, 2], np.float32), np.zeros(2, bool), 0.0)
    assert nobody.tolist() == [0, 0]


def test_a_candidate_is_seen_when_one_arm_has_an_opinion() -> None:
    arms = {"semantic": array([None, 0.0, None]), "keyword": array([None, None, -1.0])}
    assert seen(arms, 3).tolist() == [False, True, True]  # type: ignore[arg-type]
    assert seen({}, 2).tolist() == [False, False]


@given(
    values=st.lists(st.integers(0, 4), max_size=25),
    flags=st.lists(st.booleans(), min_size=1, max_size=7),
    limit=st.integers(1, 30),
    seed=st.integers(0, 5),
)
@settings(deadline=None)
def test_the_best_are_those_of_a_plain_sort_and_pages_join_without_duplicate_or_gap(
    values: list[int], flags: list[bool], limit: int, seed: int
) -> None:
    """A9: also through ties, which only the id decides."""
    total, mask = np.array(values, np.float32) / 3, mask_of(flags, len(values))
    ids = [f"id{number:02d}" for number in np.random.default_rng(seed).permutation(len(values))]
    expected = sorted(np.flatnonzero(mask).tolist(), key=lambda row: (-total[row], ids[row]))
    assert best(total, mask, ids, limit, None) == expected[:limit]
    walked: list[int] = []
    after: tuple[float, str] | None = None
    while page := best(total, mask, ids, limit, after):
        walked += page
        assert len(walked) <= len(expected)
        after = (float(total[page[-1]]), ids[page[-1]])
    assert walked == expected


def test_a_page_goes_on_behind_a_candidate_that_is_gone() -> None:
    total, ids = np.array([3, 2, 1], np.float32), ["a", "b", "c"]
    after = (float(total[1]), "b")
    assert best(total, np.array([True, False, True]), ids, 5, after) == [2]


def test_a_score_survives_the_way_through_a_cursor() -> None:
    """A cursor holds a float64; the order is one of float32."""
    total = np.array([1 / 3, 1 / 3, 0.1], np.float32)
    assert best(total, np.ones(3, bool), ["a", "b", "c"], 5, (float(total[0]), "a")) == [1, 2]


@pytest.mark.parametrize(("row", "rank"), [(0, 2), (1, 1), (2, None), (3, 3), (4, 2)])
def test_the_rank_of_a_candidate_counts_the_better_ones(row: int, rank: int | None) -> None:
    scores = array([2, 3, None, 1, 2])
    assert rank_of(scores, np.ones(5, bool), row) == (4 if row == 3 else rank)


@given(values=SCORES, flags=st.lists(st.booleans(), min_size=1, max_size=5))
@settings(deadline=None)
def test_a_reciprocal_rank_counts_those_above_it_among_what_was_found(
    values: list[float | None], flags: list[bool]
) -> None:
    scores, mask = array(values), mask_of(flags, len(values))
    ranks = reciprocal_ranks(scores, mask)
    for row, value in enumerate(values):
        if value is None or not mask[row]:
            assert np.isnan(ranks[row])
        else:
            above = sum(
                other is not None and other > value for other, chosen in zip(values, mask, strict=True) if chosen
            )
            assert ranks[row] == pytest.approx(1 / (60 + above + 1))


def test_ranks_are_summed_where_scores_are_not() -> None:
    arms = {"semantic": array([0.9, 0.1, None]), "keyword": array([None, 7.0, 30.0])}
    total, added = fuse(arms, np.ones(3, bool), "rank")  # type: ignore[arg-type]
    assert total.tolist() == pytest.approx([1 / 61, 1 / 62 + 1 / 62, 1 / 61])
    assert added["semantic"].tolist() == pytest.approx([1 / 61, 1 / 62, 0])
