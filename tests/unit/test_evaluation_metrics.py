"""The metrics equal values worked out by hand."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from context0.evaluation import metrics

RANKED = ["a", "b", "c", "d", "e"]
ids = st.lists(st.sampled_from("abcdefghij"), unique=True)
scores = st.lists(st.sampled_from([-math.inf, -1.0, 0.0, 0.5, 0.5, 2.0]), min_size=1, max_size=30)


@pytest.mark.parametrize(
    ("relevant", "k", "expected"),
    [({"a"}, 5, 1.0), ({"b", "z"}, 5, 0.5), ({"c", "d", "e"}, 3, 1 / 3), ({"z"}, 5, 0.0), ({"e"}, 4, 0.0)],
)
def test_recall_is_the_share_of_evidence_among_the_first_k(relevant: set[str], k: int, expected: float) -> None:
    assert metrics.recall_at(RANKED, relevant, k) == pytest.approx(expected)


def test_a_hit_needs_one_relevant_id_among_the_first_k() -> None:
    assert metrics.hit_at(RANKED, {"c", "z"}, 3) == 1.0
    assert metrics.hit_at(RANKED, {"c", "z"}, 2) == 0.0


def test_ndcg_discounts_by_rank_and_is_relative_to_the_best_order() -> None:
    # Relevant at ranks 2 and 5 of three: (1/log2 3 + 1/log2 6) / (1 + 1/log2 3 + 1/2)
    assert metrics.ndcg_at(RANKED, {"b", "e", "z"}, 10) == pytest.approx((0.63093 + 0.38685) / 2.13093, abs=1e-5)
    assert metrics.ndcg_at(RANKED, {"a", "b", "c"}, 2) == pytest.approx(1.0)
    assert metrics.ndcg_at(RANKED, {"e"}, 4) == 0.0


def test_reciprocal_rank_counts_from_one_and_is_zero_without_a_find() -> None:
    assert metrics.reciprocal_rank(RANKED, {"d", "e"}) == pytest.approx(0.25)
    assert metrics.reciprocal_rank(RANKED, {"z"}) == 0.0
    assert metrics.reciprocal_rank([], {"z"}) == 0.0


def test_a_question_without_evidence_has_no_figures() -> None:
    for call in (metrics.recall_at, metrics.hit_at, metrics.ndcg_at):
        with pytest.raises(ValueError, match="without evidence"):
            call(RANKED, set(), 5)
    with pytest.raises(ValueError, match="without evidence"):
        metrics.reciprocal_rank(RANKED, set())


@given(ranked=ids, relevant=ids.filter(bool), k=st.integers(1, 12))
def test_figures_stay_between_zero_and_one_and_recall_grows_with_k(
    ranked: list[str], relevant: list[str], k: int
) -> None:
    recall = metrics.recall_at(ranked, relevant, k)
    assert 0.0 <= recall <= metrics.recall_at(ranked, relevant, k + 1) <= 1.0
    assert 0.0 <= metrics.ndcg_at(ranked, relevant, k) <= 1.0 + 1e-12
    assert metrics.hit_at(ranked, relevant, k) == float(recall > 0)


def test_roc_auc_counts_ties_as_half() -> None:
    assert metrics.roc_auc([3.0, 4.0], [1.0, 2.0]) == 1.0
    assert metrics.roc_auc([1.0, 2.0], [3.0]) == 0.0
    # Pairs: 2>1, 2=2, 2<3, 3>1, 3>2, 3=3 -> (1 + .5 + 0 + 1 + 1 + .5) / 6
    assert metrics.roc_auc([2.0, 3.0], [1.0, 2.0, 3.0]) == pytest.approx(4 / 6)
    assert metrics.roc_auc([0.1], [-math.inf]) == 1.0


@given(positives=scores, negatives=scores)
def test_roc_auc_equals_the_count_over_all_pairs(positives: list[float], negatives: list[float]) -> None:
    pairs = [(above, below) for above in positives for below in negatives]
    counted = sum(1.0 if above > below else 0.5 if above == below else 0.0 for above, below in pairs)
    assert metrics.roc_auc(positives, negatives) == pytest.approx(counted / len(pairs))


@pytest.mark.parametrize(("positives", "negatives"), [([], [1.0]), ([1.0], []), ([math.nan], [1.0])])
def test_roc_auc_refuses_what_has_no_answer(positives: list[float], negatives: list[float]) -> None:
    with pytest.raises(ValueError, match="ROC AUC"):
        metrics.roc_auc(positives, negatives)


def test_percentiles_are_linear_between_neighbours() -> None:
    assert metrics.percentile([4.0, 1.0, 2.0, 3.0], 50) == pytest.approx(2.5)
    assert metrics.percentile([7.0], 95) == 7.0
    with pytest.raises(ValueError, match="at least one"):
        metrics.percentile([], 50)


def test_an_interval_holds_its_mean_and_repeats_with_its_seed() -> None:
    values = [0.0, 1.0] * 50
    interval = metrics.bootstrap_interval(values)
    assert interval.low < interval.mean == 0.5 < interval.high
    # Standard error of 100 coin tosses is 0.05, so 95 % is about ± 0.098.
    assert interval.high - interval.low == pytest.approx(0.196, abs=0.03)
    assert interval == metrics.bootstrap_interval(values)
    uneven = [1 / number for number in range(1, 20)]
    assert metrics.bootstrap_interval(uneven) != metrics.bootstrap_interval(uneven, seed=1)


def test_an_interval_over_groups_draws_whole_groups() -> None:
    # Two groups of different size: a draw holds one, the other or both, so only three means exist.
    values, groups = [1.0, 0.0, 0.0, 0.0], ["x", "y", "y", "y"]
    interval = metrics.bootstrap_interval(values, groups)
    assert (interval.low, interval.mean, interval.high) == (0.0, 0.25, 1.0)
    assert metrics.bootstrap_interval([0.3, 0.3], ["x", "x"]) == metrics.Interval(mean=0.3, low=0.3, high=0.3)


def test_an_interval_needs_values() -> None:
    with pytest.raises(ValueError, match="at least one"):
        metrics.bootstrap_interval([])
