"""A learner takes judgements of recent searches, learns each owner's weights from them, and forgets on demand."""

import asyncio
import logging
from datetime import datetime

import numpy as np
import pytest

from context0.errors import InvalidInput
from context0.memory.feedback import Episode, UnknownSearch
from context0.memory.learning import RECENT_S, WEIGHTS_STALE_S, Learner
from context0.memory.sealed import DamagedState
from stores.errors import NotFound
from stores.records import MemoryId, Scope
from stores.reference.documents import ReferenceDocuments
from tests.contracts.builders import ANNA, BEN, NOW, build_document
from tests.judged_searches import SimulatedOwner

SIGNALS = ("semantic", "keyword", "temporal")
BASE = np.array([1.0, 0.7, 3.0], np.float32)
OWNER = SimulatedOwner(shown_by=BASE, wants=np.array([0.2, 3.0, 0.3], np.float32), noise=0.1, found=30)


class StandingClock:
    def now(self) -> datetime:
        return NOW


class Timer:
    """Monotonic seconds that a test moves."""

    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


class Bench:
    """A learner over a store whose owners have the memories that are judged here."""

    def __init__(self) -> None:
        self.documents = ReferenceDocuments()
        self.timer = Timer()
        self.learner = self.another_process()

    def another_process(self) -> Learner:
        return Learner(self.documents, SIGNALS, clock=StandingClock(), timer=self.timer)

    async def stored(self, *ids: str, scope: Scope = ANNA) -> None:
        documents = [build_document(f"about {one}", scope=scope, id=MemoryId(one)) for one in ids]
        await self.documents.put_many(documents, scope=scope, now=NOW)

    async def judged(self, episodes: list[Episode], *, scope: Scope = ANNA) -> None:
        """Let the owner run these searches, and judge as it did."""
        for episode in episodes:
            await self.stored(*episode.useful, scope=scope)
            search_id = self.learner.remember(scope, episode.features, episode.ids)
            for memory_id, useful in episode.useful.items():
                await self.learner.judge(scope, search_id, memory_id, useful=useful)

    async def searched(self, *, scope: Scope = ANNA) -> str:
        """Let the owner run a search that finds two memories, "here" and "there"."""
        await self.stored("here", "there", scope=scope)
        ids = [MemoryId("here"), MemoryId("there")]
        return self.learner.remember(scope, np.eye(2, 3, dtype=np.float32), ids)


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_an_owner_has_the_base_weights_until_something_is_learned(bench: Bench) -> None:
    np.testing.assert_array_equal(await bench.learner.weights(ANNA, BASE), BASE)


async def test_what_an_owner_judged_is_learned_for_this_owner_and_can_be_undone(bench: Bench) -> None:
    await bench.judged(OWNER.episodes(60, seed=0))
    outcome = await bench.learner.tune(ANNA, BASE)
    assert outcome.kept
    np.testing.assert_array_equal(await bench.learner.weights(ANNA, BASE), outcome.weights)
    np.testing.assert_array_equal(await bench.learner.weights(BEN, BASE), BASE)
    np.testing.assert_array_equal(await bench.another_process().weights(ANNA, BASE), outcome.weights)
    undone = await bench.learner.undo(ANNA, BASE)
    np.testing.assert_array_equal(undone.current, BASE)
    np.testing.assert_array_equal(await bench.learner.weights(ANNA, BASE), BASE)
    with pytest.raises(InvalidInput, match="undone"):
        await bench.learner.undo(ANNA, BASE)


async def test_learned_weights_do_not_count_against_another_base(bench: Bench) -> None:
    await bench.judged(OWNER.episodes(60, seed=0))
    outcome = await bench.learner.tune(ANNA, BASE)
    assert outcome.kept
    other = BASE * np.float32(2)
    np.testing.assert_array_equal(await bench.learner.weights(ANNA, other), other)


async def test_without_judgements_tuning_changes_nothing(bench: Bench) -> None:
    outcome = await bench.learner.tune(ANNA, BASE)
    assert outcome.reason == "too_few_judgements"
    assert await bench.another_process().weights(ANNA, BASE) is BASE


async def test_weights_learned_by_another_process_are_in_force_within_a_minute(bench: Bench) -> None:
    await bench.learner.weights(ANNA, BASE)
    other = bench.another_process()
    await bench.judged(OWNER.episodes(60, seed=0))
    outcome = await other.tune(ANNA, BASE)
    np.testing.assert_array_equal(await bench.learner.weights(ANNA, BASE), BASE)
    bench.timer.at += WEIGHTS_STALE_S + 1
    np.testing.assert_array_equal(await bench.learner.weights(ANNA, BASE), outcome.weights)


async def test_an_unknown_an_old_and_a_foreign_search_cannot_be_judged(bench: Bench) -> None:
    search_id = await bench.searched()
    await bench.stored("here", scope=BEN)
    with pytest.raises(UnknownSearch):
        await bench.learner.judge(ANNA, "no such search", MemoryId("here"), useful=True)
    with pytest.raises(UnknownSearch):
        await bench.learner.judge(BEN, search_id, MemoryId("here"), useful=True)
    bench.timer.at += RECENT_S + 1
    with pytest.raises(UnknownSearch, match="within the hour"):
        await bench.learner.judge(ANNA, search_id, MemoryId("here"), useful=True)


async def test_a_search_that_was_judged_once_can_be_judged_again_much_later_and_elsewhere(bench: Bench) -> None:
    search_id = await bench.searched()
    await bench.learner.judge(ANNA, search_id, MemoryId("here"), useful=True)
    bench.timer.at += RECENT_S + 1
    await bench.another_process().judge(ANNA, search_id, MemoryId("there"), useful=False)


async def test_a_memory_that_is_gone_or_was_not_found_cannot_be_judged(bench: Bench) -> None:
    search_id = await bench.searched()
    await bench.stored("elsewhere")
    with pytest.raises(InvalidInput, match="not among"):
        await bench.learner.judge(ANNA, search_id, MemoryId("elsewhere"), useful=True)
    await bench.documents.delete(MemoryId("here"), scope=ANNA, now=NOW)
    with pytest.raises(NotFound):
        await bench.learner.judge(ANNA, search_id, MemoryId("here"), useful=True)


async def test_judgements_at_the_same_moment_are_all_kept(bench: Bench) -> None:
    searches = [await bench.searched() for _ in range(8)]
    async with asyncio.TaskGroup() as group:
        for search_id in searches:
            for memory_id, useful in ((MemoryId("here"), True), (MemoryId("there"), False)):
                group.create_task(bench.learner.judge(ANNA, search_id, memory_id, useful=useful))
    bench.timer.at += RECENT_S + 1
    for search_id in searches:  # known from the store alone
        await bench.learner.judge(ANNA, search_id, MemoryId("here"), useful=True)


async def test_forgetting_leaves_nothing_of_the_owner_and_all_of_the_others(bench: Bench) -> None:
    await bench.judged(OWNER.episodes(60, seed=0))
    assert (await bench.learner.tune(ANNA, BASE)).kept
    kept, gone = await bench.searched(scope=BEN), await bench.searched()
    await bench.learner.judge(BEN, kept, MemoryId("here"), useful=True)
    assert await bench.learner.forget(ANNA) == {"experience": 1, "weights": 1}
    assert await bench.learner.forget(ANNA) == {"experience": 0, "weights": 0}
    np.testing.assert_array_equal(await bench.learner.weights(ANNA, BASE), BASE)
    assert (await bench.learner.tune(ANNA, BASE)).reason == "too_few_judgements"
    with pytest.raises(UnknownSearch):
        await bench.learner.judge(ANNA, gone, MemoryId("here"), useful=True)
    await bench.learner.judge(BEN, kept, MemoryId("there"), useful=False)


async def test_damaged_state_never_fails_a_search_and_refuses_judgements_until_it_is_forgotten(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    await bench.judged(OWNER.episodes(60, seed=0))
    assert (await bench.learner.tune(ANNA, BASE)).kept
    await damage(bench.documents)
    learner = bench.learner = bench.another_process()
    with caplog.at_level(logging.WARNING):
        np.testing.assert_array_equal(await learner.weights(ANNA, BASE), BASE)
    assert [record.message for record in caplog.records] == ["learning.weights_damaged"]
    search_id = await bench.searched()
    with pytest.raises(DamagedState):
        await learner.judge(ANNA, search_id, MemoryId("here"), useful=True)
    with pytest.raises(DamagedState):
        await learner.tune(ANNA, BASE)
    assert await learner.forget(ANNA) == {"experience": 1, "weights": 1}
    await learner.judge(ANNA, await bench.searched(), MemoryId("here"), useful=True)


async def test_experience_of_other_signals_is_dropped_and_told(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    await bench.judged(OWNER.episodes(3, seed=0))
    later = Learner(bench.documents, ("semantic", "keyword"), clock=StandingClock())
    with caplog.at_level(logging.INFO):
        await later.tune(ANNA, BASE[:2])
    assert "learning.experience_dropped" in [record.message for record in caplog.records]


async def test_the_owner_cannot_be_read_from_the_stored_keys(bench: Bench) -> None:
    await bench.learner.judge(ANNA, await bench.searched(), MemoryId("here"), useful=True)
    assert bench.documents._meta
    assert not any("anna" in key for key in bench.documents._meta)


async def damage(documents: ReferenceDocuments) -> None:
    for key, value in list(documents._meta.items()):
        await documents.put_meta(key, value[:-1] + bytes([value[-1] ^ 1]), replace=True)
