"""Durations in little room: exact counts, quantiles within 1 % (B8)."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from context0.observability.sketch import Sketch, durations

MS = st.floats(min_value=1e-3, max_value=3.6e6, allow_nan=False)


def sketch_of(values: list[float]) -> Sketch:
    sketch = Sketch()
    for value in values:
        sketch.add(value)
    return sketch


def nearest_rank(values: list[float], share: float) -> float:
    return sorted(values)[max(1, math.ceil(share * len(values))) - 1]


@given(st.lists(MS, min_size=1, max_size=300), st.sampled_from([0.01, 0.5, 0.9, 0.95, 0.99, 1.0]))
def test_a_quantile_is_off_by_at_most_one_percent(values: list[float], share: float) -> None:
    exact = nearest_rank(values, share)
    assert sketch_of(values).quantile(share) == pytest.approx(exact, rel=0.0101)


@given(st.lists(MS, min_size=1, max_size=100))
def test_count_sum_and_extremes_are_exact(values: list[float]) -> None:
    told = durations(sketch_of(values))
    assert (told.count, told.min, told.max) == (len(values), round(min(values), 4), round(max(values), 4))
    assert told.avg == pytest.approx(sum(values) / len(values), abs=1e-3)


@given(st.lists(MS, max_size=50), st.lists(MS, max_size=50))
def test_two_together_are_as_one_that_saw_all(first: list[float], second: list[float]) -> None:
    merged = sketch_of(first)
    merged.merge(sketch_of(second))
    whole = sketch_of(first + second)
    assert merged.buckets == whole.buckets
    assert (merged.count, merged.low, merged.high) == (whole.count, whole.low, whole.high)


@given(st.lists(MS, max_size=50), st.lists(MS, max_size=50))
def test_the_difference_of_two_snapshots_is_what_came_between_them(first: list[float], second: list[float]) -> None:
    before, whole = sketch_of(first), sketch_of(first + second)
    assert (
        Sketch.from_json(whole.to_json()).since(Sketch.from_json(before.to_json())).buckets == sketch_of(second).buckets
    )


def test_swapped_snapshots_are_refused() -> None:
    with pytest.raises(ValueError, match="swapped"):
        sketch_of([1.0]).since(sketch_of([1.0, 2.0]))


@pytest.mark.parametrize(
    "told", [{}, {"count": 1}, {"count": "x", "failures": 0, "total": 0, "low": 0, "high": 0, "buckets": {}}]
)
def test_what_is_no_sketch_is_refused(told: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="sketches=true"):
        Sketch.from_json(told)


@given(st.lists(MS, max_size=100), st.floats(min_value=0.01, max_value=1e6))
def test_those_up_to_a_bound_are_counted_but_for_those_within_a_percent_of_it(
    values: list[float], bound: float
) -> None:
    (count,) = sketch_of(values).up_to([bound])
    assert sum(value <= bound * 0.98 for value in values) <= count <= sum(value <= bound * 1.02 for value in values)


@pytest.mark.parametrize(("ms", "kept"), [(-5.0, 0.0), (0.0, 0.0), (1e-9, 1e-9), (1e12, 86_400_000.0)])
def test_a_duration_beyond_the_ends_counts_at_the_end(ms: float, kept: float) -> None:
    sketch = sketch_of([ms])
    assert (sketch.count, sketch.high) == (1, kept)
    assert sketch.quantile(0.5) == pytest.approx(kept, abs=1e-3)


def test_nothing_measured_is_all_zeros() -> None:
    assert set(vars_of(Sketch()).values()) == {0}


def test_ten_years_of_durations_take_at_most_1300_buckets() -> None:
    assert len(sketch_of([10 ** (power / 500) for power in range(-1_500, 4_000)]).buckets) < 1_300


def vars_of(sketch: Sketch) -> dict[str, float]:
    told = durations(sketch)
    return {name: getattr(told, name) for name in told.__slots__}
