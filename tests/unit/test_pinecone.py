"""The Pinecone store against the loopback service: what it sends, what it finds, what it never sends."""

import subprocess
import sys
from collections.abc import AsyncIterator

import numpy as np
import numpy.typing as npt
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stores.errors import DimensionMismatch, InvalidVector, StoreError
from stores.pinecone.vectors import PineconeOptions, PineconeVectors
from stores.pinecone.wire import key_of, memory_id_of, namespace_of, ranked, short_floats, spans, to_batches
from stores.records import FloatVector, MemoryId, Point, Scope
from tests.loopback_pinecone import API_KEY, INDEX, LoopbackPinecone

ANNA = Scope(owner="anna")
BERT = Scope(owner="bert")
EAST = np.array([1, 0, 0, 0, 0, 0, 0, 0], dtype=np.float32)
NORTH = np.array([0, 1, 0, 0, 0, 0, 0, 0], dtype=np.float32)

any_text = st.text(st.characters(min_codepoint=0, max_codepoint=0x10FFFF, exclude_categories=()), max_size=50)


@pytest.fixture
async def server() -> AsyncIterator[LoopbackPinecone]:
    async with LoopbackPinecone() as running:
        yield running


@pytest.fixture
async def store(server: LoopbackPinecone) -> AsyncIterator[PineconeVectors]:
    async with server.opened() as opened:
        yield opened


def point(memory_id: str, vector: FloatVector = EAST) -> Point:
    return Point(id=MemoryId(memory_id), vector=vector)


def points(number: int) -> list[Point]:
    rows = np.random.default_rng(7).standard_normal((number, 8)).astype(np.float32)
    return [point(f"m{position:05}", row) for position, row in enumerate(rows)]


def ids(*texts: str) -> list[MemoryId]:
    return [MemoryId(text) for text in texts]


# --- pure ---------------------------------------------------------------------------------------------------------


@given(any_text, any_text)
def test_two_owners_never_share_a_namespace_that_pinecone_takes(one: str, other: str) -> None:
    name = namespace_of(Scope(owner=one))
    assert name.isascii()
    assert len(name) <= 512
    assert (name == namespace_of(Scope(owner=other))) == (one == other)


@given(any_text)
def test_any_id_becomes_ascii_and_comes_back(text: str) -> None:
    key = key_of(MemoryId(text))
    assert key.isascii()
    assert "\0" not in key
    assert memory_id_of(key) == text


def test_a_uuid_stays_as_it_is() -> None:
    assert key_of(MemoryId("0197c3a0-5b1e-7cc2-b8a5-3d6ff3e1a001")) == "0197c3a0-5b1e-7cc2-b8a5-3d6ff3e1a001"


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=30))
def test_short_floats_are_exact_and_within_the_size_that_batches_count_with(numbers: list[float]) -> None:
    vector = np.array(numbers, dtype=np.float32)
    floats = short_floats(vector)
    assert np.array_equal(np.array(floats, dtype=np.float32), vector)
    assert len(orjson.dumps(floats)) <= 20 * len(numbers) + 2


@given(st.lists(st.integers(1, 50), max_size=60), st.integers(1, 10), st.integers(1, 100))
def test_spans_cover_everything_in_order_within_both_limits(sizes: list[int], max_count: int, max_bytes: int) -> None:
    cut = [sizes[span] for span in spans(sizes, max_count=max_count, max_bytes=max_bytes)]
    assert [size for part in cut for size in part] == sizes
    assert all(1 <= len(part) <= max_count for part in cut)
    assert all(sum(part) <= max_bytes or len(part) == 1 for part in cut)


def test_hits_are_ranked_by_score_then_id_and_rounding_errors_are_cut_off() -> None:
    hits = ranked([("b", 1.0000001), ("a", 1.0), ("d", -1.0000002), ("c", 0.5)])
    assert [tuple(hit) for hit in hits] == [("a", 1.0), ("b", 1.0), ("c", 0.5), ("d", -1.0)]


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_batch_records": 1_001},
        {"max_batch_bytes": 2_000_001},
        {"max_concurrent_batches": 0},
        {"query_timeout_s": 0.0},
    ],
)
def test_options_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"max_|timeout"):
        PineconeOptions(**wrong)  # type: ignore[arg-type]  # each value has its field's type


def test_the_api_key_is_not_in_the_repr() -> None:
    assert "secret" not in repr(PineconeOptions(api_key="secret"))


@pytest.mark.parametrize("url", ["pinecone:///memories", "pinecone://", "local://memories", "memories"])
def test_a_url_without_an_index_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="pinecone://index-name"):
        PineconeVectors.from_url(url, options=PineconeOptions())


def test_the_driver_is_not_imported_before_it_is_needed() -> None:
    script = "import sys, stores.pinecone.vectors; sys.exit('pinecone' in sys.modules or 'httpx' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)


# --- opening ------------------------------------------------------------------------------------------------------


async def test_opening_asks_the_control_plane_once(server: LoopbackPinecone) -> None:
    store = PineconeVectors(INDEX, options=server.options())
    await store.open()
    await store.open()
    assert server.paths() == [f"GET /indexes/{INDEX}"]
    await store.aclose()
    await store.aclose()


async def test_a_url_with_a_host_needs_no_control_plane(server: LoopbackPinecone) -> None:
    options = PineconeOptions(api_key=API_KEY, control_host="http://127.0.0.1:1")
    store = PineconeVectors.from_url(f"pinecone://memories?host={server.url}", options=options)
    await store.open()
    await store.put_many([point("a")], scope=ANNA)
    assert server.paths() == ["POST /describe_index_stats", "POST /vectors/upsert"]
    with pytest.raises(DimensionMismatch):
        await store.query(EAST[:3], scope=ANNA, limit=1)
    await store.aclose()


# --- writing ------------------------------------------------------------------------------------------------------


async def test_a_record_carries_its_id_for_filters_and_the_exact_vector(
    server: LoopbackPinecone, store: PineconeVectors
) -> None:
    vector = np.float32(1) / np.arange(3, 11, dtype=np.float32)
    await store.put_many([point("a", vector)], scope=ANNA)
    (seen,) = server.seen
    (record,) = seen.body["vectors"]
    assert record["id"] == "a"
    assert record["metadata"] == {"memory_id": "a"}
    assert np.array_equal(np.array(record["values"], dtype=np.float32), vector)
    assert seen.body["namespace"] == namespace_of(ANNA)


async def test_batches_hold_at_most_1000_records(server: LoopbackPinecone, store: PineconeVectors) -> None:
    await store.put_many(points(2_500), scope=ANNA)
    assert sorted(len(seen.body["vectors"]) for seen in server.seen) == [500, 1_000, 1_000]
    assert await store.count(ANNA) == 2_500


@pytest.mark.parametrize("max_batch_bytes", [20_000, 512_000, 2_000_000])
async def test_batches_stay_below_their_bytes(max_batch_bytes: int) -> None:
    async with (
        LoopbackPinecone(dimension=1_536) as server,
        server.opened(max_batch_bytes=max_batch_bytes) as store,
    ):
        rows = np.random.default_rng(7).standard_normal((150, 1_536)).astype(np.float32)
        await store.put_many([point(f"m{number}", row) for number, row in enumerate(rows)], scope=ANNA)
        assert await store.count(ANNA) == 150
        upserts = [seen for seen in server.seen if seen.path == "/vectors/upsert"]
        one_each = max_batch_bytes == 20_000  # a record is larger than that, so each stands alone
        assert len(upserts) == 150 if one_each else all(seen.size <= max_batch_bytes for seen in upserts)


async def test_only_so_many_batches_are_under_way_at_once(server: LoopbackPinecone) -> None:
    async with server.opened(max_batch_records=10, max_concurrent_batches=3) as store:
        await store.put_many(points(200), scope=ANNA)
        assert 1 < server.most_at_once <= 3


async def test_the_last_of_two_points_with_one_id_stays(store: PineconeVectors) -> None:
    await store.put_many([point("a", NORTH), point("b", NORTH), point("a", EAST)], scope=ANNA)
    assert [hit.id for hit in await store.query(EAST, scope=ANNA, limit=1)] == ["a"]
    assert await store.count(ANNA) == 2


async def test_deletes_take_1000_ids_a_request(server: LoopbackPinecone, store: PineconeVectors) -> None:
    some = points(2_100)
    await store.put_many(some, scope=ANNA)
    server.seen.clear()
    await store.delete_many([one.id for one in some[:2_050]] + ids("unknown"), scope=ANNA)
    assert sorted(len(seen.body["ids"]) for seen in server.seen) == [51, 1_000, 1_000]
    assert await store.count(ANNA) == 50


async def test_nothing_to_do_asks_for_nothing(server: LoopbackPinecone, store: PineconeVectors) -> None:
    await store.put_many([], scope=ANNA)
    await store.delete_many([], scope=ANNA)
    assert await store.query(EAST, scope=ANNA, limit=5, among=[]) == []
    assert server.seen == []


@pytest.mark.parametrize(
    ("vector", "error"),
    [
        (EAST[:7], DimensionMismatch),
        (np.ones(9, dtype=np.float32), DimensionMismatch),
        (np.zeros(8, dtype=np.float32), InvalidVector),
        (np.full(8, np.nan, dtype=np.float32), InvalidVector),
        (np.full(8, np.inf, dtype=np.float32), InvalidVector),
        (np.full(8, 1e300), InvalidVector),
        (np.ones((2, 8), dtype=np.float32), InvalidVector),
    ],
)
async def test_a_wrong_vector_is_refused_before_anything_is_sent(
    server: LoopbackPinecone, store: PineconeVectors, vector: npt.NDArray[np.float32], error: type[StoreError]
) -> None:
    with pytest.raises(error):
        await store.put_many([*points(1_500), point("wrong", vector)], scope=ANNA)
    with pytest.raises(error):
        await store.query(vector, scope=ANNA, limit=1)
    assert server.seen == []


@pytest.mark.parametrize("text", ["", "x" * 513, "记" * 60])
async def test_an_id_that_pinecone_cannot_hold_is_refused_and_never_found(
    server: LoopbackPinecone, store: PineconeVectors, text: str
) -> None:
    with pytest.raises(StoreError):
        await store.put_many([point("a"), point(text)], scope=ANNA)
    await store.delete_many(ids(text), scope=ANNA)
    assert await store.query(EAST, scope=ANNA, limit=1, among=ids(text)) == []
    assert server.seen == []


# --- finding ------------------------------------------------------------------------------------------------------


async def test_the_nearest_come_first_with_their_cosine(store: PineconeVectors) -> None:
    some = points(300)
    await store.put_many(some, scope=ANNA)
    matrix = np.stack([one.vector for one in some]).astype(np.float64)
    cosines = matrix @ EAST / np.linalg.norm(matrix, axis=1)
    hits = await store.query(EAST, scope=ANNA, limit=20)
    assert [hit.id for hit in hits] == [some[place].id for place in np.argsort(-cosines)[:20]]
    assert np.allclose([hit.score for hit in hits], np.sort(-cosines)[:20] * -1, atol=1e-6)


@pytest.mark.parametrize(("tied", "limit", "requests"), [(10, 3, 1), (500, 7, 2), (1_500, 1_000, 2)])
async def test_a_tie_at_the_cut_goes_to_the_smallest_ids(
    server: LoopbackPinecone, store: PineconeVectors, tied: int, limit: int, requests: int
) -> None:
    same = [point(f"m{number:05}", EAST * np.float32(number + 1)) for number in range(tied)]
    await store.put_many([*same, point("a", NORTH)], scope=ANNA)
    server.seen.clear()
    hits = await store.query(EAST, scope=ANNA, limit=limit)
    assert [hit.id for hit in hits] == [one.id for one in same][:limit]
    assert len(server.seen) == requests


async def test_among_is_applied_before_the_limit(store: PineconeVectors) -> None:
    some = points(50)
    await store.put_many(some, scope=ANNA)
    everything = await store.query(EAST, scope=ANNA, limit=50)
    worst = [hit.id for hit in everything[-5:]]
    assert await store.query(EAST, scope=ANNA, limit=3, among=[*worst, MemoryId("unknown")]) == everything[-5:-2]


async def test_among_more_ids_than_a_filter_takes_is_merged(server: LoopbackPinecone, store: PineconeVectors) -> None:
    some = points(40)
    await store.put_many(some, scope=ANNA)
    server.seen.clear()
    among = [MemoryId(f"m{number:05}") for number in range(25_000)]
    assert await store.query(EAST, scope=ANNA, limit=10, among=among) == await store.query(EAST, scope=ANNA, limit=10)
    sizes = [len(seen.body["filter"]["memory_id"]["$in"]) for seen in server.seen[:3]]
    assert sorted(sizes) == [5_000, 10_000, 10_000]


async def test_ids_of_any_script_survive_the_round_trip(store: PineconeVectors) -> None:
    strange = ids("Grüße", "记忆", "🧠", "a b/c?d#e%20", "\0", "\ud800", "__default__", "*", '"\\')
    await store.put_many([point(one) for one in strange], scope=ANNA)
    assert [hit.id for hit in await store.query(EAST, scope=ANNA, limit=20)] == sorted(strange)
    assert [hit.id for hit in await store.query(EAST, scope=ANNA, limit=20, among=strange[:2])] == sorted(strange[:2])
    await store.delete_many(strange[:8], scope=ANNA)
    assert [hit.id for hit in await store.query(EAST, scope=ANNA, limit=20)] == [strange[8]]


# --- owners -------------------------------------------------------------------------------------------------------

NASTY = ["", "__default__", "anna ", "Anna", "u-anna", "a/b", "../x", "\0", "\ud800", "é", "e\u0301", "人" * 256]


async def test_owners_with_nasty_names_see_only_their_own(store: PineconeVectors) -> None:
    scopes = [ANNA, *(Scope(owner=owner) for owner in NASTY)]
    for number, scope in enumerate(scopes):
        await store.put_many([point("same-id"), point(f"of-{number:02}")], scope=scope)
    for number, scope in enumerate(scopes):
        assert [hit.id for hit in await store.query(EAST, scope=scope, limit=10)] == [f"of-{number:02}", "same-id"]
    await store.delete_many(ids("same-id"), scope=scopes[3])
    assert await store.erase(scopes[4]) == 2
    assert [await store.count(scope) for scope in scopes] == [2, 2, 2, 1, 0, *[2] * (len(scopes) - 5)]


async def test_erasing_takes_the_namespace_away_and_counts(server: LoopbackPinecone, store: PineconeVectors) -> None:
    await store.put_many(points(30), scope=ANNA)
    await store.put_many(points(3), scope=BERT)
    assert await store.erase(ANNA) == 30
    assert await store.erase(ANNA) == 0
    assert await store.query(EAST, scope=ANNA, limit=5) == []
    assert list(server.namespaces.shown()) == [namespace_of(BERT)]
    assert await store.count(BERT) == 3


async def test_an_unknown_owner_is_empty(store: PineconeVectors) -> None:
    assert await store.query(EAST, scope=ANNA, limit=5) == []
    assert await store.count(ANNA) == 0
    await store.delete_many(ids("a"), scope=ANNA)
    assert await store.erase(ANNA) == 0


async def test_what_was_written_may_show_late() -> None:
    now_s = 0.0
    async with LoopbackPinecone(lag_s=10.0, clock=lambda: now_s) as server, server.opened() as store:
        await store.put_many([point("a")], scope=ANNA)
        assert await store.query(EAST, scope=ANNA, limit=1) == []
        now_s = 10.0
        assert [hit.id for hit in await store.query(EAST, scope=ANNA, limit=1)] == ["a"]
        await store.delete_many(ids("a"), scope=ANNA)
        assert await store.count(ANNA) == 1
        now_s = 20.0
        assert await store.count(ANNA) == 0


def test_batches_hold_views_of_one_matrix_so_that_nothing_is_copied_twice() -> None:
    batches = to_batches(points(2_500), dimension=8, options=PineconeOptions())
    assert [len(batch.keys) for batch in batches] == [1_000, 1_000, 500]
    assert len({id(batch.matrix.base) for batch in batches}) == 1
