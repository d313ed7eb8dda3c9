"""Tuning learns what judgements say, changes nothing where they say nothing, and can be taken back."""

import struct
from dataclasses import replace
from zlib import crc32

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from context0.errors import InvalidInput
from context0.memory.feedback import Episode
from context0.memory.learned_weights import MAX_VERSIONS, LearnedWeights
from context0.memory.rollout import pack, rollout, worths
from context0.memory.sealed import DamagedState, seal
from context0.memory.tuning import TuningOutcome, chance, sample_weights, tune
from stores.records import FloatMatrix, FloatVector, MemoryId
from tests.contracts.builders import NOW
from tests.judged_searches import SimulatedOwner, earned_one_by_one

NAMES = ("semantic", "keyword", "entity", "temporal", "session", "speaker", "asks", "own_words")
CURRENT = np.array([1.0, 0.7, 0.1, 1.5, 0.4, 2.0, -0.8, 0.0], np.float32)
WANTED = np.array([2.0, 0.1, 0.8, 0.5, 1.2, 0.3, -0.1, 1.0], np.float32)
SIGNALS = 3
WHOLE = st.integers(-4, 4).map(float)
"""Products and sums of these are exact in float32, whatever the order: ties are ties."""


@st.composite
def judged(draw: st.DrawFn) -> Episode:
    count = draw(st.integers(1, 9))
    values = draw(st.lists(WHOLE, min_size=count * SIGNALS, max_size=count * SIGNALS))
    ids = [MemoryId(str(row)) for row in range(count)]
    judgements = draw(st.dictionaries(st.sampled_from(ids), st.booleans(), min_size=1))
    features = np.array(values, np.float32).reshape(count, SIGNALS)
    return Episode(search_id="s", features=features, ids=tuple(ids), at=NOW, useful=judgements)


def vectors() -> st.SearchStrategy[FloatMatrix]:
    rows = st.lists(st.lists(WHOLE, min_size=SIGNALS, max_size=SIGNALS), min_size=1, max_size=7)
    return rows.map(lambda values: np.array(values, np.float32))


def episode_of(scores: list[float], useful: dict[int, bool]) -> Episode:
    """Return a search with one signal, whose candidates are named by their places in `scores`."""
    ids = tuple(MemoryId(str(row)) for row in range(len(scores)))
    verdicts = {ids[row]: verdict for row, verdict in useful.items()}
    features = np.array(scores, np.float32)[:, None]
    return Episode(search_id="s", features=features, ids=ids, at=NOW, useful=verdicts)


def earned(scores: list[float], useful: dict[int, bool]) -> float:
    return float(rollout(pack([episode_of(scores, useful)]), np.ones((1, 1), np.float32))[0, 0])


# --- the rollout


@given(st.lists(judged(), min_size=1, max_size=6), vectors(), st.sampled_from([1, 64, 4096, 1 << 22]))
def test_the_rollout_is_the_naive_loop(episodes: list[Episode], weights: FloatMatrix, chunk_bytes: int) -> None:
    found = rollout(pack(episodes), weights, chunk_bytes=chunk_bytes)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, earned_one_by_one(episodes, weights), atol=1e-6)


def test_a_place_is_worth_half_at_eleven() -> None:
    assert worths()[[1, 11]].tolist() == [1.0, 0.5]
    assert (np.diff(worths()[1:]) < 0).all()


def test_the_useful_one_first_earns_all_and_the_useless_one_first_earns_nothing() -> None:
    assert earned([3, 2, 1], {0: True}) == pytest.approx(1)
    assert earned([3, 2, 1], {0: False}) == pytest.approx(0)
    assert earned([3, 2, 1], {0: True, 1: False}) == pytest.approx((1 + 1 - 10 / 11) / 2)
    assert earned([3, 2, 1], {0: True, 1: True}) == pytest.approx(1)


def test_a_tie_counts_against_the_vector() -> None:
    assert earned([1, 1, 1], {1: True}) == pytest.approx(10 / 12)
    assert earned([1, 1, 1], {1: False}) == pytest.approx(0)


def test_padding_is_below_every_candidate() -> None:
    long, short = episode_of([1.0] * 9, {0: True}), episode_of([-1e4, -2e4], {1: True})
    found = rollout(pack([long, short]), np.ones((1, 1), np.float32))
    assert found[0].tolist() == pytest.approx([10 / 18, 10 / 11])


# --- the candidates


@given(st.lists(st.floats(-4, 4, width=32), min_size=2, max_size=12).filter(any), st.integers(0, 99))
def test_sampled_weights_keep_sign_and_scale(current: list[float], seed: int) -> None:
    vector = np.array(current, np.float32)
    drawn = sample_weights(vector, 200, np.random.default_rng(seed))
    assert drawn.dtype == np.float32
    np.testing.assert_array_equal(drawn[0], vector)
    assert (drawn[:, vector >= 0] >= 0).all()
    assert (drawn[:, vector < 0] <= 0).all()
    np.testing.assert_allclose(np.abs(drawn).sum(axis=1), np.abs(vector).sum(), rtol=1e-4)


def test_some_candidates_do_without_a_signal_and_some_take_up_one_that_was_off() -> None:
    drawn = sample_weights(CURRENT, 1_000, np.random.default_rng(0))
    assert 0 < np.count_nonzero((drawn[:, :-1] == 0).any(axis=1)) < 500
    assert 0 < np.count_nonzero(drawn[:, -1]) < 500


# --- learning


def tuned(owner: SimulatedOwner, count: int, *, seed: int = 0, candidates: int = 1_024) -> TuningOutcome:
    return tune(owner.episodes(count, seed=seed), NAMES, owner.shown_by, candidates=candidates, seed=seed)


def true_gain(owner: SimulatedOwner, weights: FloatVector) -> float:
    """Return the gain over other searches of the owner, with its wishes told plainly."""
    others = replace(owner, noise=0.0).episodes(300, seed=12_345)
    before, after = rollout(pack(others), np.stack([owner.shown_by, weights])).mean(axis=1)
    return float(after - before)


def test_what_an_owner_wants_is_learned() -> None:
    owner = SimulatedOwner(shown_by=CURRENT, wants=WANTED)
    outcome = tuned(owner, 150)
    assert outcome.kept
    assert outcome.held_back is not None
    assert outcome.training is not None
    assert outcome.held_back.gain > 0.05
    assert (outcome.training.episodes, outcome.held_back.episodes) == (90, 60)
    assert true_gain(owner, outcome.weights) > 0.1
    np.testing.assert_array_equal(outcome.previous, CURRENT)


@pytest.mark.parametrize("noise", [0.5, 1.0])
def test_what_an_owner_wants_is_learned_through_noise(noise: float) -> None:
    owner = SimulatedOwner(shown_by=CURRENT, wants=WANTED, noise=noise)
    outcome = tuned(owner, 400)
    assert outcome.kept
    assert true_gain(owner, outcome.weights) > 0.08


def test_judgements_at_random_change_nothing_in_at_least_95_of_100_owners() -> None:
    owner = SimulatedOwner(shown_by=CURRENT, wants=WANTED, judging="at random")
    outcomes = [tuned(owner, 60, seed=seed, candidates=256) for seed in range(100)]
    assert sum(outcome.kept for outcome in outcomes) <= 5
    for outcome in outcomes:
        if not outcome.kept:
            np.testing.assert_array_equal(outcome.weights, CURRENT)


def test_an_owner_who_has_the_right_weights_keeps_them_in_at_least_95_of_100_tunings() -> None:
    owner = SimulatedOwner(shown_by=CURRENT, wants=CURRENT, noise=0.7)
    assert sum(tuned(owner, 60, seed=seed, candidates=256).kept for seed in range(100)) <= 5


def test_one_search_judged_a_hundred_times_proves_nothing() -> None:
    (episode,) = SimulatedOwner(shown_by=CURRENT, wants=WANTED).episodes(1, seed=0)
    repeated = [replace(episode, search_id=str(number)) for number in range(100)]
    assert tune(repeated, NAMES, CURRENT).reason == "too_few_judgements"


@pytest.mark.parametrize("count", [0, 19])
def test_too_few_judgements_change_nothing(count: int) -> None:
    outcome = tuned(SimulatedOwner(shown_by=CURRENT, wants=WANTED), count)
    assert (outcome.kept, outcome.reason, outcome.training) == (False, "too_few_judgements", None)
    np.testing.assert_array_equal(outcome.weights, CURRENT)


def test_what_was_not_useful_teaches_nothing() -> None:
    """The first of a search is judged because it stood there: to learn from that turns the ranking around."""
    random = np.random.default_rng(0)
    episodes = []
    for number in range(200):
        features = random.standard_normal((64, len(NAMES))).astype(np.float32)
        features = features[np.argsort(-(features @ CURRENT))]
        ids = [MemoryId(f"{number} {row}") for row in range(64)]
        episodes.append(Episode.of_search(str(number), features, ids, NOW).judged(ids[0], useful=False))
    assert tune(episodes, NAMES, CURRENT).reason == "too_few_judgements"


def test_searches_that_nobody_judged_are_left_out() -> None:
    episodes = SimulatedOwner(shown_by=CURRENT, wants=WANTED).episodes(60, seed=0)
    silent = [replace(episode, useful={}) for episode in episodes]
    assert_same_outcome(
        tune([*episodes, *silent], NAMES, CURRENT, candidates=256), tune(episodes, NAMES, CURRENT, candidates=256)
    )


def test_where_the_first_is_always_the_useful_one_nothing_is_better() -> None:
    episodes = SimulatedOwner(shown_by=CURRENT, wants=CURRENT).episodes(40, seed=0)
    content = [replace(episode, useful={episode.ids[0]: True}) for episode in episodes]
    outcome = tune(content, NAMES, CURRENT)
    assert (outcome.kept, outcome.reason) == (False, "nothing_better")


def test_a_seed_makes_it_the_same_again() -> None:
    owner = SimulatedOwner(shown_by=CURRENT, wants=WANTED)
    assert_same_outcome(tuned(owner, 60, seed=3), tuned(owner, 60, seed=3))
    assert not np.array_equal(tuned(owner, 60, seed=3).proposed, tuned(owner, 60, seed=4).proposed)


@pytest.mark.parametrize("wrong", [CURRENT[1:], np.zeros_like(CURRENT), CURRENT * np.float32(np.nan)])
def test_weights_that_do_not_belong_to_the_signals_are_refused(wrong: FloatVector) -> None:
    with pytest.raises(InvalidInput, match="current"):
        tune([], NAMES, wrong)


def test_chance_is_the_share_of_sign_flips_that_gain_as_much() -> None:
    random = np.random.default_rng(0)
    assert chance(np.zeros(10), random) == 1
    assert chance(np.ones(8), random) == pytest.approx(1 / 256, abs=0.003)
    assert chance(np.array([1.0, -1.0]), random) == pytest.approx(0.75, abs=0.03)


def assert_same_outcome(left: TuningOutcome, right: TuningOutcome) -> None:
    np.testing.assert_array_equal(left.weights, right.weights)
    np.testing.assert_array_equal(left.proposed, right.proposed)
    assert (left.reason, left.p_value, left.training) == (right.reason, right.p_value, right.training)
    assert left.held_back == right.held_back


# --- what was learned


@pytest.fixture(scope="module")
def outcome() -> TuningOutcome:
    return tuned(SimulatedOwner(shown_by=CURRENT, wants=WANTED), 150)


def test_learned_weights_are_in_force_until_they_are_undone(outcome: TuningOutcome) -> None:
    before = LearnedWeights.none_yet(NAMES, CURRENT)
    after = before.with_outcome(outcome, NOW)
    np.testing.assert_array_equal(before.current, CURRENT)
    np.testing.assert_array_equal(after.current, outcome.weights)
    assert (after.versions[0].at, after.versions[0].episodes) == (NOW, 60)
    assert after.undone() == before
    with pytest.raises(InvalidInput, match="undone"):
        before.undone()


def test_weights_that_were_not_kept_leave_no_version(outcome: TuningOutcome) -> None:
    before = LearnedWeights.none_yet(NAMES, CURRENT)
    assert before.with_outcome(replace(outcome, reason="not_proven"), NOW) == before


def test_weights_of_other_signals_are_refused(outcome: TuningOutcome) -> None:
    with pytest.raises(InvalidInput, match="other signals"):
        LearnedWeights.none_yet(NAMES[::-1], CURRENT).with_outcome(outcome, NOW)


def test_only_the_latest_versions_are_remembered(outcome: TuningOutcome) -> None:
    learned = LearnedWeights.none_yet(NAMES, CURRENT)
    for _ in range(MAX_VERSIONS + 3):
        learned = learned.with_outcome(outcome, NOW)
    assert len(learned.versions) == MAX_VERSIONS


def test_learned_weights_survive_as_bytes(outcome: TuningOutcome) -> None:
    learned = LearnedWeights.none_yet(NAMES, CURRENT).with_outcome(outcome, NOW)
    again = LearnedWeights.decode(learned.encode())
    assert again == learned
    assert again.replaces(NAMES, CURRENT)
    assert not again.replaces(NAMES[::-1], CURRENT)
    assert not again.replaces(NAMES, WANTED)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"not sealed at all",
        seal(b"XP01", {}),
        seal(b"LW01", {}),
        seal(b"LW01", []),
        seal(b"LW01", {"signals": NAMES, "base": [1.0], "versions": []}),
        seal(b"LW01", {"signals": ["a"], "base": [1.0], "versions": [[[1.0, 2.0], 0, 0.1, 9]]}),
        seal(b"LW01", {"signals": ["a"], "base": [1.0], "versions": [[[None], 0, 0.1, 9]]}),
        seal(b"LW01", {"signals": ["a"], "base": [1.0], "versions": [[[1.0], "now", 0.1, 9]]}),
        struct.pack("<4sII", b"LW01", crc32(b"{no"), 3) + b"{no",
    ],
)
def test_damaged_weights_are_refused(value: bytes) -> None:
    with pytest.raises(DamagedState):
        LearnedWeights.decode(value)
