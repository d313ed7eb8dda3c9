"""Judged searches stay within their bounds, survive as bytes, and refuse what is damaged."""

import math
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from context0.errors import Context0Error, InvalidInput
from context0.memory.feedback import MAX_CANDIDATES, Episode, ExperienceBuffer, signal_matrix
from context0.memory.sealed import DamagedState, seal, unseal
from stores.records import FloatMatrix, MemoryId
from tests.contracts.builders import NOW

SIGNALS = ("semantic", "keyword", "temporal")
HALF = st.floats(-60_000, 60_000, width=16)


def ids_of(count: int) -> list[MemoryId]:
    return [MemoryId(f"memory {row}") for row in range(count)]


def features_of(candidates: int, *, signals: int = len(SIGNALS), seed: int = 0) -> FloatMatrix:
    return np.random.default_rng(seed).standard_normal((candidates, signals)).astype(np.float32)


def judged_search(search_id: str, *, candidates: int = 8, signals: int = len(SIGNALS)) -> Episode:
    ids = ids_of(candidates)
    return Episode.of_search(search_id, features_of(candidates, signals=signals), ids, NOW).judged(ids[1], useful=True)


@st.composite
def episodes(draw: st.DrawFn) -> Episode:
    count = draw(st.integers(1, 6))
    values = draw(st.lists(HALF, min_size=count * len(SIGNALS), max_size=count * len(SIGNALS)))
    ids = [MemoryId(one) for one in draw(st.lists(st.uuids().map(str), min_size=count, max_size=count, unique=True))]
    features = np.array(values, np.float32).reshape(count, len(SIGNALS))
    at = NOW + timedelta(milliseconds=draw(st.integers(-(10**12), 10**12)))
    episode = Episode.of_search(draw(st.text("abc é", min_size=1, max_size=8)), features, ids, at)
    for memory_id, useful in draw(st.dictionaries(st.sampled_from(ids), st.booleans())).items():
        episode = episode.judged(memory_id, useful=useful)
    return episode


def assert_same(left: Episode, right: Episode) -> None:
    assert (left.search_id, left.ids, left.at, left.useful) == (right.search_id, right.ids, right.at, right.useful)
    np.testing.assert_array_equal(left.features, right.features)


# --- one search


def test_a_search_keeps_its_first_64_candidates() -> None:
    episode = Episode.of_search("s", features_of(100), ids_of(100), NOW)
    assert episode.features.shape == (MAX_CANDIDATES, 3)
    assert episode.ids == tuple(ids_of(100)[:MAX_CANDIDATES])


def test_a_search_is_a_copy_that_nobody_can_change() -> None:
    features = features_of(3)
    episode = Episode.of_search("s", features, ids_of(3), NOW)
    features[:] = 7
    assert not (episode.features == 7).any()
    with pytest.raises(ValueError, match="read-only"):
        episode.features[0, 0] = 1


def test_a_later_judgement_replaces_an_earlier_one_and_leaves_the_episode_as_it_was() -> None:
    before = judged_search("s")
    after = before.judged(MemoryId("memory 1"), useful=False).judged(MemoryId("memory 2"), useful=True)
    assert before.useful == {"memory 1": True}
    assert after.useful == {"memory 1": False, "memory 2": True}


def test_what_was_not_a_candidate_cannot_be_judged() -> None:
    with pytest.raises(InvalidInput, match="memory_id"):
        judged_search("s").judged(MemoryId("another"), useful=True)
    with pytest.raises(InvalidInput, match="useful"):
        Episode(search_id="s", features=features_of(1), ids=(MemoryId("a"),), at=NOW, useful={MemoryId("b"): True})


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_signals_that_are_not_finite_are_refused(wrong: float) -> None:
    features = features_of(3)
    features[1, 1] = wrong
    with pytest.raises(InvalidInput, match="finite"):
        Episode.of_search("s", features, ids_of(3), NOW)


def test_a_row_for_each_candidate_is_asked_for() -> None:
    with pytest.raises(InvalidInput, match="one row"):
        Episode.of_search("s", features_of(3), ids_of(2), NOW)
    with pytest.raises(InvalidInput, match="one row"):
        Episode.of_search("s", features_of(3)[0], ids_of(3), NOW)


def test_signals_beyond_half_precision_are_cut_not_infinite() -> None:
    episode = Episode.of_search("s", np.full((1, 3), 1e9, np.float32), ids_of(1), NOW)
    assert episode.features.max() == np.finfo(np.float16).max


def test_the_matrix_has_a_column_for_each_name_and_zeros_where_a_signal_said_nothing() -> None:
    signals = {"keyword": np.array([1, 2, 3, 4], np.float32), "unknown": np.ones(4, np.float32)}
    matrix = signal_matrix(signals, SIGNALS, np.array([3, 0]))
    assert matrix.tolist() == [[0, 4, 0], [0, 1, 0]]


# --- the buffer


def test_the_oldest_searches_make_room() -> None:
    buffer = ExperienceBuffer(SIGNALS, max_episodes=3)
    for number in range(5):
        buffer.put(judged_search(f"search {number}"))
    assert [episode.search_id for episode in buffer.episodes] == ["search 2", "search 3", "search 4"]


def test_a_search_that_is_judged_again_is_the_newest_and_there_once() -> None:
    buffer = ExperienceBuffer(SIGNALS, max_episodes=2)
    buffer.put(judged_search("first"))
    buffer.put(judged_search("second"))
    buffer.put(judged_search("first").judged(MemoryId("memory 3"), useful=False))
    buffer.put(judged_search("third"))
    assert [episode.search_id for episode in buffer.episodes] == ["first", "third"]
    found = buffer.find("first")
    assert found is not None
    assert len(found.useful) == 2
    assert buffer.find("second") is None


@given(sizes=st.lists(st.integers(1, MAX_CANDIDATES), max_size=30), max_bytes=st.integers(200, 20_000))
def test_encoded_it_never_takes_more_than_its_bytes(sizes: list[int], max_bytes: int) -> None:
    buffer = ExperienceBuffer(SIGNALS, max_bytes=max_bytes)
    for number, candidates in enumerate(sizes):
        episode = judged_search(f"search {number % 7}", candidates=max(2, candidates))
        before = len(buffer)
        try:
            buffer.put(episode)
        except InvalidInput:
            assert len(buffer) == before
        assert len(buffer.encode()) <= max_bytes


def test_a_search_that_alone_is_too_large_is_refused_and_nothing_is_lost() -> None:
    buffer = ExperienceBuffer(SIGNALS, max_bytes=600)
    buffer.put(judged_search("small", candidates=2))
    with pytest.raises(InvalidInput, match="bytes"):
        buffer.put(judged_search("small", candidates=MAX_CANDIDATES))
    assert [len(episode.ids) for episode in buffer.episodes] == [2]


def test_a_search_with_other_signals_is_refused() -> None:
    with pytest.raises(InvalidInput, match="signals"):
        ExperienceBuffer(SIGNALS).put(judged_search("s", signals=4))


# --- as bytes


@given(st.lists(episodes(), max_size=6))
def test_what_is_encoded_is_decoded(recorded: list[Episode]) -> None:
    buffer = ExperienceBuffer(SIGNALS)
    for episode in recorded:
        buffer.put(episode)
    again = ExperienceBuffer.decode(buffer.encode(), SIGNALS)
    assert len(again) == len(buffer)
    for left, right in zip(buffer.episodes, again.episodes, strict=True):
        assert_same(left, right)
    assert again.encode() == buffer.encode()
    assert again.dropped == 0


def test_500_searches_of_64_candidates_fit_the_default_bounds() -> None:
    buffer = ExperienceBuffer([f"signal {number}" for number in range(13)])
    ids = [MemoryId(f"00000000-0000-7000-8000-{row:012d}") for row in range(MAX_CANDIDATES)]
    features = features_of(MAX_CANDIDATES, signals=13)
    for number in range(500):
        buffer.put(Episode.of_search(f"search {number}", features, ids, NOW).judged(ids[number % 64], useful=True))
    assert len(buffer) == 500
    assert len(ExperienceBuffer.decode(buffer.encode(), buffer.signals)) == 500


def test_searches_of_other_signals_are_dropped_and_counted() -> None:
    buffer = ExperienceBuffer(SIGNALS)
    buffer.put(judged_search("s"))
    for others in (("semantic", "keyword", "session"), ("keyword", "semantic", "temporal"), SIGNALS[:2]):
        decoded = ExperienceBuffer.decode(buffer.encode(), others)
        assert (len(decoded), decoded.dropped) == (0, 1)


def test_narrower_bounds_keep_the_newest_and_count_the_rest() -> None:
    buffer = ExperienceBuffer(SIGNALS)
    for number in range(4):
        buffer.put(judged_search(f"search {number}"))
    decoded = ExperienceBuffer.decode(buffer.encode(), SIGNALS, max_episodes=1)
    assert [episode.search_id for episode in decoded.episodes] == ["search 3"]
    assert decoded.dropped == 3
    assert ExperienceBuffer.decode(buffer.encode(), SIGNALS, max_bytes=150).dropped == 4


@given(at=st.integers(0, 10**6), bit=st.integers(0, 7), cut=st.booleans())
def test_damaged_bytes_are_refused_with_an_error_of_ours(at: int, bit: int, cut: bool) -> None:
    buffer = ExperienceBuffer(SIGNALS)
    buffer.put(judged_search("s"))
    value = bytearray(buffer.encode())
    at %= len(value)
    if cut:
        del value[at:]
    else:
        value[at] ^= 1 << bit
    with pytest.raises(DamagedState) as raised:
        ExperienceBuffer.decode(bytes(value), SIGNALS)
    assert isinstance(raised.value, Context0Error)
    assert raised.value.code == "damaged_state"


ENTRY = ["s", 0, ["a"], [[0, True]]]


@pytest.mark.parametrize(
    ("header", "body"),
    [
        ({}, b""),
        ([], b""),
        (None, b""),
        ({"signals": SIGNALS}, b""),
        ({"signals": SIGNALS, "episodes": [ENTRY]}, b""),
        ({"signals": SIGNALS, "episodes": [ENTRY]}, bytes(7)),
        ({"signals": SIGNALS, "episodes": [ENTRY]}, bytes(12)),
        ({"signals": SIGNALS, "episodes": [ENTRY[:3]]}, bytes(6)),
        ({"signals": SIGNALS, "episodes": [["s", "now", ["a"], []]]}, bytes(6)),
        ({"signals": SIGNALS, "episodes": [["s", 10**18, ["a"], []]]}, bytes(6)),
        ({"signals": SIGNALS, "episodes": [["s", 0, ["a"], [[1, True]]]]}, bytes(6)),
        ({"signals": SIGNALS, "episodes": [ENTRY]}, np.full(3, np.nan, "<f2").tobytes()),
        ({"signals": SIGNALS, "episodes": [["s", 0, ["a"] * 65, []]]}, bytes(6 * 65)),
    ],
)
def test_a_sealed_value_that_lacks_a_part_is_refused(header: object, body: bytes) -> None:
    with pytest.raises(DamagedState):
        ExperienceBuffer.decode(seal(b"XP01", header, body), SIGNALS)


def test_a_value_of_another_kind_is_refused() -> None:
    with pytest.raises(DamagedState, match="kind"):
        ExperienceBuffer.decode(seal(b"LW01", {}), SIGNALS)


def test_a_seal_gives_back_header_and_body() -> None:
    header, body = unseal(b"TEST", seal(b"TEST", {"a": [1, "é"]}, b"body"))
    assert (header, bytes(body)) == ({"a": [1, "é"]}, b"body")
