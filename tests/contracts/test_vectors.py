"""VectorStore: exact neighbours of one owner."""

from collections.abc import Collection
from itertools import pairwise

import numpy as np
import pytest

from stores.errors import DimensionMismatch, InvalidVector, StoreError
from stores.protocols import VectorStore
from stores.records import FloatVector, Hit, MemoryId, Point, Scope
from tests.contracts.backends import Backend, Capability, VectorBench
from tests.contracts.builders import ANNA, BEN, DIMENSION, ids_of, named, new_id, random_points, unit_vector
from tests.contracts.introspection import methods_taking, probes_in

STRANGER = Scope(owner="stranger")
CLOSE = 2e-6
"""Float32 at unit length."""


def brute_force(points: list[Point], vector: FloatVector) -> dict[MemoryId, float]:
    return {point.id: float(point.vector.astype(np.float64) @ vector.astype(np.float64)) for point in points}


def assert_nearest(hits: list[Hit], scores: dict[MemoryId, float], limit: int) -> None:
    """Assert that `hits` are the best of `scores`, in their order; scores closer than float32 tells may swap."""
    best = sorted(scores.values(), reverse=True)[:limit]
    assert [hit.score for hit in hits] == pytest.approx(best, abs=CLOSE)
    assert [scores[hit.id] for hit in hits] == pytest.approx(best, abs=CLOSE)
    assert len(set(ids_of(hits))) == len(hits)
    assert all(-1 <= hit.score <= 1 for hit in hits)
    assert all(better.score >= worse.score for better, worse in pairwise(hits))


def flawed(flaw: float | None) -> FloatVector:
    """Return a vector that holds the flaw, or nothing but zeros."""
    vector = np.zeros(DIMENSION, dtype=np.float32) if flaw is None else unit_vector(1, 1)
    if flaw is not None:
        vector[3] = flaw
    return vector


FLAWS = {"nan": np.nan, "infinite": np.inf, "minus-infinite": -np.inf, "zero": None}


# --- query


@pytest.mark.parametrize("limit", [1, 7, 100, 1000])
async def test_a_query_finds_exactly_the_nearest_points(vectors: VectorBench, limit: int) -> None:
    points = random_points(150)
    await vectors.put(points, ANNA)
    for query in random_points(3, seed=1):
        hits = await vectors.store.query(query.vector, scope=ANNA, limit=limit)
        assert_nearest(hits, brute_force(points, query.vector), limit)


async def test_scores_are_cosines_from_one_to_minus_one(vectors: VectorBench) -> None:
    vector = random_points(1)[0].vector
    across = unit_vector(-vector[1], vector[0])
    await vectors.put([Point(id=named(n), vector=v) for n, v in enumerate((vector, -vector, across))], ANNA)
    hits = await vectors.store.query(vector, scope=ANNA, limit=9)
    assert ids_of(hits) == [named(0), named(2), named(1)]
    assert [hit.score for hit in hits] == pytest.approx([1, 0, -1], abs=CLOSE)
    assert all(-1 <= hit.score <= 1 for hit in hits)


async def test_equal_scores_come_by_ascending_id(vector_backend: Backend[VectorBench], vectors: VectorBench) -> None:
    same = [Point(id=named(n), vector=unit_vector(3, 1)) for n in (7, 2, 9, 4, 0, 5)]
    await vectors.put([*same, Point(id=named(8), vector=unit_vector(0, 0, 1))], ANNA)
    hits = await vectors.store.query(unit_vector(1), scope=ANNA, limit=99)
    assert ids_of(hits) == [named(n) for n in (0, 2, 4, 5, 7, 9, 8)]
    cut = ids_of(await vectors.store.query(unit_vector(1), scope=ANNA, limit=3))
    assert cut == sorted(cut)
    if Capability.TIES_BEFORE_CUT in vector_backend.capabilities:
        assert cut == [named(0), named(2), named(4)]


@pytest.mark.parametrize("kind", [list, set, frozenset, tuple])
async def test_among_applies_before_the_limit(vectors: VectorBench, kind: type[Collection[MemoryId]]) -> None:
    points = random_points(100)
    await vectors.put(points, ANNA)
    vector = points[0].vector
    chosen = points[50:60]
    among = kind([*ids_of(chosen), new_id()])  # type: ignore[call-arg]  # each kind takes an iterable
    for limit in (3, 50):
        hits = await vectors.store.query(vector, scope=ANNA, limit=limit, among=among)
        assert_nearest(hits, brute_force(chosen, vector), limit)
    assert await vectors.store.query(vector, scope=ANNA, limit=9, among=kind([])) == []  # type: ignore[call-arg]
    assert await vectors.store.query(vector, scope=ANNA, limit=9, among=kind([new_id()])) == []  # type: ignore[call-arg]


async def test_among_may_be_large(vectors: VectorBench) -> None:
    points = random_points(20)
    await vectors.put(points, ANNA)
    among = {*ids_of(points[:5]), *(named(n) for n in range(1000, 4000))}
    hits = await vectors.store.query(points[9].vector, scope=ANNA, limit=9, among=among)
    assert_nearest(hits, brute_force(points[:5], points[9].vector), 9)


async def test_an_unknown_scope_is_an_empty_list(vectors: VectorBench) -> None:
    assert await vectors.store.query(unit_vector(1), scope=ANNA, limit=9) == []
    await vectors.put(random_points(3), BEN)
    assert await vectors.store.query(unit_vector(1), scope=ANNA, limit=9) == []
    assert await vectors.store.count(ANNA) == 0


# --- what is refused


@pytest.mark.parametrize("dimension", [1, DIMENSION - 1, DIMENSION + 1, 2 * DIMENSION])
async def test_a_query_of_another_dimension_is_refused(vectors: VectorBench, dimension: int) -> None:
    await vectors.put(random_points(3), ANNA)
    vector = np.full(dimension, dimension**-0.5, dtype=np.float32)
    with pytest.raises(DimensionMismatch) as refusal:
        await vectors.store.query(vector, scope=ANNA, limit=9)
    assert (refusal.value.expected, refusal.value.got) == (DIMENSION, dimension)


@pytest.mark.parametrize("flaw", FLAWS)
async def test_a_query_that_is_not_finite_or_is_zero_is_refused(vectors: VectorBench, flaw: str) -> None:
    await vectors.put(random_points(3), ANNA)
    with pytest.raises(InvalidVector):
        await vectors.store.query(flawed(FLAWS[flaw]), scope=ANNA, limit=9)


@pytest.mark.needs(Capability.ACCEPTS_POINTS)
@pytest.mark.parametrize("flaw", [*FLAWS, "dimension"])
async def test_a_flawed_point_is_refused_before_anything_is_written(vectors: VectorBench, flaw: str) -> None:
    kept, *points = random_points(5)
    await vectors.put([kept], ANNA)
    vector = np.ones(3, dtype=np.float32) if flaw == "dimension" else flawed(FLAWS[flaw])
    points.insert(2, Point(id=new_id(), vector=vector))
    with pytest.raises(DimensionMismatch if flaw == "dimension" else InvalidVector) as refusal:
        await vectors.store.put_many(points, scope=ANNA)
    assert isinstance(refusal.value, StoreError)
    assert ids_of(await vectors.store.query(kept.vector, scope=ANNA, limit=9)) == [kept.id]
    assert await vectors.store.count(ANNA) == 1


# --- put_many, delete_many


async def test_a_point_that_is_put_again_is_replaced(vectors: VectorBench) -> None:
    points = random_points(5)
    await vectors.put(points, ANNA)
    replaced = Point(id=points[0].id, vector=-points[0].vector)
    await vectors.put([replaced], ANNA)
    assert await vectors.store.count(ANNA) == 5
    hits = await vectors.store.query(replaced.vector, scope=ANNA, limit=9)
    assert hits[0].id == replaced.id
    assert_nearest(hits, brute_force([replaced, *points[1:]], replaced.vector), 9)


async def test_points_that_were_deleted_are_found_no_more(vectors: VectorBench) -> None:
    points = random_points(10)
    await vectors.put(points, ANNA)
    await vectors.delete({*ids_of(points[:4]), new_id()}, ANNA)
    await vectors.delete([], ANNA)
    assert await vectors.store.count(ANNA) == 6
    hits = await vectors.store.query(points[0].vector, scope=ANNA, limit=99)
    assert_nearest(hits, brute_force(points[4:], points[0].vector), 99)
    await vectors.store.delete_many([points[0].id], scope=ANNA)
    await vectors.put(points[:4], ANNA)
    hits = await vectors.store.query(points[0].vector, scope=ANNA, limit=99)
    assert_nearest(hits, brute_force(points, points[0].vector), 99)


async def test_queries_and_changes_may_alternate(vectors: VectorBench) -> None:
    points = random_points(60)
    for end in (1, 2, 20, 60):
        await vectors.put(points[:end], ANNA)
        hits = await vectors.store.query(points[0].vector, scope=ANNA, limit=99)
        assert_nearest(hits, brute_force(points[:end], points[0].vector), 99)
    for begin in (1, 30, 59, 60):
        await vectors.delete(ids_of(points[:begin]), ANNA)
        hits = await vectors.store.query(points[0].vector, scope=ANNA, limit=99)
        assert_nearest(hits, brute_force(points[begin:], points[0].vector), 99)


@pytest.mark.needs(Capability.ACCEPTS_POINTS)
async def test_many_points_in_one_call(vectors: VectorBench) -> None:
    points = random_points(2500)
    await vectors.put(points, ANNA)
    assert await vectors.store.count(ANNA) == 2500
    hits = await vectors.store.query(points[0].vector, scope=ANNA, limit=1000)
    assert_nearest(hits, brute_force(points, points[0].vector), 1000)
    await vectors.delete(ids_of(points[:2000]), ANNA)
    assert await vectors.store.count(ANNA) == 500


@pytest.mark.needs(Capability.ACCEPTS_POINTS)
async def test_a_point_belongs_to_the_store_once_it_is_put(vectors: VectorBench) -> None:
    [point] = random_points(1)
    given = point.vector.copy()
    await vectors.put([point], ANNA)
    point.vector[:] = -given
    [hit] = await vectors.store.query(given, scope=ANNA, limit=9)
    assert hit.score == pytest.approx(1, abs=CLOSE)


# --- erase, count, open, aclose


@pytest.mark.needs(Capability.ACCEPTS_POINTS)
async def test_an_erasure_removes_the_owner_s_points_and_says_how_many(vectors: VectorBench) -> None:
    points = random_points(10)
    await vectors.put(points, ANNA)
    await vectors.put(points[:3], BEN)
    assert await vectors.store.count(ANNA) == 10
    assert await vectors.store.erase(ANNA) == 10
    assert await vectors.store.erase(ANNA) == 0
    assert await vectors.store.count(ANNA) == 0
    assert await vectors.store.query(points[0].vector, scope=ANNA, limit=9) == []
    assert await vectors.store.count(BEN) == 3
    await vectors.put(points[:1], ANNA)
    assert ids_of(await vectors.store.query(points[0].vector, scope=ANNA, limit=9)) == [points[0].id]


async def test_a_store_may_be_opened_again_and_closed_twice(vectors: VectorBench) -> None:
    await vectors.store.open()
    await vectors.put(random_points(2), ANNA)
    assert await vectors.store.count(ANNA) == 2
    assert vectors.store.name
    await vectors.store.aclose()
    await vectors.store.aclose()


async def test_a_store_is_derived_exactly_if_it_does_not_accept_points(
    vector_backend: Backend[VectorBench], vectors: VectorBench
) -> None:
    assert vectors.store.derived is (Capability.ACCEPTS_POINTS not in vector_backend.capabilities)


# --- isolation: each probe asks as a STRANGER about ANNA's points


async def probe_put_many(store: VectorStore, points: list[Point]) -> None:
    await store.put_many([Point(id=points[0].id, vector=-points[0].vector)], scope=STRANGER)
    await store.erase(STRANGER)


async def probe_delete_many(store: VectorStore, points: list[Point]) -> None:
    await store.delete_many(ids_of(points), scope=STRANGER)


async def probe_query(store: VectorStore, points: list[Point]) -> None:
    assert await store.query(points[0].vector, scope=STRANGER, limit=9) == []
    assert await store.query(points[0].vector, scope=STRANGER, limit=9, among=ids_of(points)) == []


async def probe_erase(store: VectorStore, points: list[Point]) -> None:
    assert await store.erase(STRANGER) == 0


async def probe_count(store: VectorStore, points: list[Point]) -> None:
    assert await store.count(STRANGER) == 0


PROBES = probes_in(globals())


def test_every_method_that_takes_a_scope_is_probed() -> None:
    assert set(PROBES) == methods_taking(VectorStore, "scope")


@pytest.mark.parametrize("method", PROBES)
async def test_another_owner_s_points_behave_as_unknown(vectors: VectorBench, method: str) -> None:
    points = random_points(5)
    await vectors.put(points, ANNA)
    before = await vectors.store.query(points[0].vector, scope=ANNA, limit=9)
    await PROBES[method](vectors.store, points)
    assert await vectors.store.query(points[0].vector, scope=ANNA, limit=9) == before
    assert await vectors.store.count(ANNA) == 5


async def test_owners_whose_names_look_alike_are_different_owners(vectors: VectorBench) -> None:
    owners = ("anna", "Anna", "ann", "anna ", "annа", "anna/b", "anna\n", "%", "*", "__default__", "a" * 200, "👩‍👩‍👧")
    points = random_points(len(owners))
    for owner, point in zip(owners, points, strict=True):
        await vectors.put([point], Scope(owner=owner))
    for owner, point in zip(owners, points, strict=True):
        hits = await vectors.store.query(unit_vector(1), scope=Scope(owner=owner), limit=9)
        assert ids_of(hits) == [point.id]
