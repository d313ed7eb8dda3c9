"""A4, S11, D9: what the shared cache holds is believed only under our seal, and what fails there is a miss."""

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from context0.cache.sealing import Seal
from context0.cache.shared import SharedCache
from context0.embeddings.keys import VectorSource, cache_key, key_prefix
from context0.embeddings.options import EmbedderOptions
from context0.embeddings.registry import build_embedder
from context0.embeddings.shared import SharedVectors
from context0.errors import EmbeddingUnavailable
from stores.errors import Timeout, Unavailable
from stores.reference.cache import ReferenceCache
from tests.engine_bench import Faulty
from tests.scripted_embedder import DIMENSION, ScriptedEmbedder, rows_of

KEY = bytes(range(32))
NAME, OTHER = b"n" * 32, b"o" * 32
SOURCE = VectorSource(provider="test", model="hashing")


class Timer:
    """Stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def armed(store: Any, timer: Timer | None = None) -> SharedCache:
    shared = SharedCache(store, timer=timer or Timer())
    shared.arm(KEY)
    return shared


async def test_what_one_process_puts_another_gets() -> None:
    store = ReferenceCache()
    await armed(store).put_many([(NAME, b"value")], ttl_s=60)
    assert await armed(store).get_many([OTHER, NAME]) == [None, b"value"]


async def test_what_lies_there_cannot_be_found_or_read_without_the_name() -> None:
    """S17: names are made of texts and owners' words; when these are gone, so is what was kept under them."""
    store = ReferenceCache()
    await armed(store).put_many([(NAME, b"a value that nobody should read")], ttl_s=60)
    (place,) = store._held
    (envelope,) = await store.get_many([place])
    assert envelope is not None
    assert (NAME.hex() in place, b"nobody" in envelope) == (False, False)
    assert Seal(KEY).open(OTHER, envelope) is None
    assert Seal(KEY).place(NAME) != Seal(bytes(32)).place(NAME)


async def test_before_there_is_a_key_nobody_is_asked() -> None:
    store = Faulty(ReferenceCache())
    shared = SharedCache(store)
    await shared.put_many([(NAME, b"value")], ttl_s=60)
    assert await shared.get_many([NAME]) == [None]
    assert not store.calls


@pytest.mark.parametrize(
    "planted",
    [
        b"",
        b"value",
        b"c0\x03" + bytes(12) + b"value" + bytes(16),
        Seal(bytes(32)).close(NAME, b"value"),
        Seal(KEY).close(OTHER, b"v"),
    ],
    # Names of their own: a sealed value differs from run to run, and workers must collect the same tests.
    ids=["empty", "bare", "forged", "of another key", "of another name"],
)
async def test_what_was_planted_is_a_miss(planted: bytes) -> None:
    store = ReferenceCache()
    await store.put_many([(Seal(KEY).place(NAME), planted)], ttl_s=60)
    shared = armed(store)
    assert await shared.get_many([NAME]) == [None]
    assert (shared.statistics().invalid, shared.statistics().hits) == (1, 0)


@given(st.binary(max_size=40), st.data())
def test_an_envelope_that_was_changed_anywhere_is_not_opened(value: bytes, data: st.DataObject) -> None:
    seal = Seal(KEY)
    envelope = bytearray(seal.close(NAME, value))
    assert seal.open(NAME, bytes(envelope)) == value
    envelope[data.draw(st.integers(0, len(envelope) - 1))] ^= data.draw(st.integers(1, 255))
    assert seal.open(NAME, bytes(envelope)) is None
    assert seal.open(NAME, bytes(envelope[: data.draw(st.integers(0, len(envelope) - 1))])) is None


def test_a_seal_needs_a_key() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        Seal(b"short")


@pytest.mark.parametrize("error", [Unavailable("down"), Timeout("late")])
async def test_a_store_that_fails_is_a_miss_then_left_alone_then_tried_by_one(error: Exception) -> None:
    store, timer = Faulty(ReferenceCache()), Timer()
    shared = armed(store, timer)
    await shared.put_many([(NAME, b"value")], ttl_s=60)
    store.faults["get_many"] = error
    assert [await shared.get_many([NAME]) for _ in range(50)] == [[None]] * 50
    assert store.calls["get_many"] == 3
    assert (shared.statistics().failures, shared.statistics().spared) == (3, 47)
    assert not shared.usable
    timer.now += 1.0
    await shared.get_many([NAME])
    assert store.calls["get_many"] == 4
    store.repair()
    timer.now += 1.0
    assert await shared.get_many([NAME]) == [b"value"]
    assert shared.usable


def vectors_of(store: Any) -> tuple[SharedVectors, ScriptedEmbedder]:
    embedder = ScriptedEmbedder()
    embedder.dimension = DIMENSION
    return SharedVectors(embedder, SOURCE, armed(store), ttl=timedelta(hours=1)), embedder


async def test_a_vector_is_paid_for_once_by_all_processes() -> None:
    store = ReferenceCache()
    (one, first), (two, second) = vectors_of(store), vectors_of(store)
    made = await one.embed(["tea", "coffee"])
    got = await two.embed(["milk", "coffee", "tea"])
    assert (first.calls, second.calls) == ([["tea", "coffee"]], [["milk"]])
    np.testing.assert_array_equal(got, rows_of(["milk", "coffee", "tea"]))
    np.testing.assert_array_equal(got[[2, 1]], made)
    assert got.dtype == np.float32
    assert (await two.embed([])).shape == (0, DIMENSION)


async def test_a_mass_of_texts_is_not_shared() -> None:
    store = Faulty(ReferenceCache())
    vectors, _ = vectors_of(store)
    assert len(await vectors.embed([f"text {n}" for n in range(501)])) == 501
    assert not store.calls


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"abc",
        np.zeros(DIMENSION, "<f4").tobytes(),
        np.full(DIMENSION, np.nan, "<f4").tobytes(),
        np.eye(1, 2 * DIMENSION, dtype="<f4").tobytes(),
    ],
)
async def test_a_value_that_is_no_vector_of_the_model_is_a_miss(value: bytes) -> None:
    store = ReferenceCache()
    await armed(store).put_many([(cache_key(key_prefix(SOURCE), "tea"), value)], ttl_s=60)
    vectors, embedder = vectors_of(store)
    np.testing.assert_array_equal(await vectors.embed(["tea"]), rows_of(["tea"]))
    assert embedder.calls == [["tea"]]


async def test_vectors_of_two_lengths_are_never_mixed() -> None:
    store = ReferenceCache()
    vectors, embedder = vectors_of(store)
    embedder.dimension = None
    long = np.eye(1, 2 * DIMENSION, dtype="<f4").tobytes()
    await armed(store).put_many([(cache_key(key_prefix(SOURCE), "tea"), long)], ttl_s=60)
    np.testing.assert_array_equal(await vectors.embed(["tea", "milk"]), rows_of(["tea", "milk"]))


async def test_a_store_that_is_down_changes_no_vector_and_hides_no_error() -> None:
    store = Faulty(ReferenceCache())
    store.down()
    vectors, embedder = vectors_of(store)
    np.testing.assert_array_equal(await vectors.embed(["tea"]), rows_of(["tea"]))

    def refuse(_: object) -> np.ndarray:
        raise EmbeddingUnavailable("no")

    embedder.answer = refuse
    with pytest.raises(EmbeddingUnavailable):
        await vectors.embed(["milk"])


async def test_an_expensive_provider_is_shared_and_a_cheap_one_is_not() -> None:
    store = Faulty(ReferenceCache())
    embedder = build_embedder("static", shared=armed(store))
    await embedder.embed(["tea"])
    assert not store.calls
    openai = build_embedder("openai", EmbedderOptions(api_key="k"), shared=armed(store))
    assert isinstance(openai._embedder, SharedVectors)  # type: ignore[attr-defined]  # a wrapper
    await openai.aclose()
