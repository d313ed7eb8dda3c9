"""B2, A3: searches and first pages that are answered again: never older than they may be, and nobody else's."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from context0.memory.engine import MemoryEngine
from stores.errors import NotFound, StoreError, Unavailable
from tests.contracts.builders import NOW
from tests.engine_bench import EngineBench, Faulty, HashingEmbedder, contents, many, open_bench

CACHES: Final = {"search_cache_bytes": 8 << 20, "list_cache_bytes": 8 << 20}


class Caching:
    """One engine with its caches on; `documents` counts the calls."""

    def __init__(self, bench: EngineBench, **options: Any) -> None:
        self.bench = bench

        def watched(store: Any) -> Any:
            self.documents = Faulty(store)
            return self.documents

        self.engine: MemoryEngine = bench.engine(documents=watched, **{**CACHES, **options})

    async def asked(self, query: str = "tea", **options: Any) -> tuple[list[str], bool]:
        """Return what was found, and whether the cache had it."""
        found = await self.engine.search(query, user_id="anna", **options)
        return contents(found), set(found.timings_ms) == {"total"}

    @property
    def hits(self) -> int:
        return self.engine._answers.searches.cache.statistics().hits


@pytest.fixture(params=["reference", "sqlite"])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[EngineBench]:
    async with open_bench(request.param, tmp_path) as opened:
        yield opened


@pytest.fixture
async def caching(bench: EngineBench) -> Caching:
    made = Caching(bench, owner_index_staleness_s=3600.0)
    await made.engine.add("anna likes tea", user_id="anna", metadata={"a": {"b": [1]}})
    await made.engine.add("anna likes coffee", user_id="anna")
    return made


async def test_the_same_search_is_answered_again_without_a_round_trip(caching: Caching) -> None:
    first = await caching.engine.search("tea", user_id="anna")
    caching.documents.calls.clear()
    second = await caching.engine.search("tea", user_id="anna")
    assert not caching.documents.calls
    assert second.items == first.items
    assert (second.next_cursor, second.relevance) == (first.next_cursor, first.relevance)


@pytest.mark.parametrize("staleness_s", [0.0, 3600.0])
async def test_each_search_counts_once(bench: EngineBench, staleness_s: float) -> None:
    caching = Caching(bench, owner_index_staleness_s=staleness_s)
    await caching.engine.add("anna likes tea", user_id="anna")
    for _ in range(5):
        await caching.asked()
    told = caching.engine._answers.searches.cache.statistics()
    assert (told.hits, told.misses, told.entries) == (4, 1, 1)


async def test_whatever_shapes_a_search_makes_it_another(caching: Caching) -> None:
    asked: list[dict[str, Any]] = [
        {},
        {"limit": 1},
        {"strategies": ["keyword"]},
        {"strategies": ["semantic"]},
        {"since": NOW - timedelta(days=1)},
        {"until": NOW + timedelta(days=1)},
        {"as_of": NOW},
        {"memory_types": ["semantic"]},
        {"min_relevance": 0.1},
        {"early_stop": True},
        {"deadline_ms": 4_000},
        {"filters": {"metadata.x": 1}},
        {"filters": {"metadata.x": 1.5}},
        {"filters": {"metadata.x": True}},
        {"filters": {"metadata.x": "1"}},
    ]
    assert [(await caching.asked("tea", **one))[1] for one in asked] == [False] * len(asked)
    assert [(await caching.asked("tea", **one))[1] for one in asked] == [True] * len(asked)
    assert (await caching.asked("tea?"))[1] is False


async def test_a_search_of_another_owner_is_another(caching: Caching) -> None:
    await caching.engine.add("ben likes tea", user_id="ben")
    assert (await caching.asked())[0][0] == "anna likes tea"
    assert contents(await caching.engine.search("tea", user_id="ben")) == ["ben likes tea"]
    assert (await caching.asked())[1] is True


async def added(engine: MemoryEngine) -> list[str]:
    await engine.add("more tea", user_id="anna")
    return ["more tea"]


async def updated(engine: MemoryEngine) -> list[str]:
    page = await engine.list(user_id="anna", limit=100)
    (old,) = [memory for memory in page.items if memory.content == "anna likes tea"]
    await engine.update(old.id, user_id="anna", content="anna adores tea")
    return ["anna adores tea"]


async def deleted(engine: MemoryEngine) -> list[str]:
    page = await engine.list(user_id="anna", limit=100)
    (old,) = [memory for memory in page.items if memory.content == "anna likes tea"]
    await engine.delete(old.id, user_id="anna")
    return []


async def erased(engine: MemoryEngine) -> list[str]:
    await engine.delete_all(user_id="anna")
    return []


@pytest.mark.parametrize("change", [added, updated, deleted, erased])
async def test_a_change_is_in_the_next_answer(caching: Caching, change: Callable[[MemoryEngine], Any]) -> None:
    strategies = {"strategies": ["keyword"]}
    before = await caching.asked(**strategies)
    page = contents(await caching.engine.list(user_id="anna"))
    wanted = await change(caching.engine)
    now, was_held = await caching.asked(**strategies)
    assert was_held is False
    left = [] if change in (deleted, updated, erased) else before[0]
    assert sorted(now) == sorted([*left, *wanted])
    assert contents(await caching.engine.list(user_id="anna")) != page


async def test_erasing_leaves_no_answer_in_memory(caching: Caching) -> None:
    await caching.asked()
    await caching.engine.list(user_id="anna")
    await caching.engine.delete_all(user_id="anna")
    caches = (caching.engine._answers.searches.cache, caching.engine._answers.lists.cache)
    assert [cache.statistics().entries for cache in caches] == [0, 0]


async def test_a_memory_is_not_found_after_it_expired(caching: Caching) -> None:
    await caching.engine.add("tea today", user_id="anna", expires_at=caching.bench.clock.at + timedelta(minutes=1))
    assert "tea today" in (await caching.asked())[0]
    assert (await caching.asked())[1] is True
    caching.bench.clock.advance(minutes=1)
    found, was_held = await caching.asked()
    assert ("tea today" in found, was_held) == (False, False)


async def test_yesterday_is_another_day_tomorrow_and_the_same_all_day(caching: Caching) -> None:
    clock = caching.bench.clock
    clock.at = datetime(2026, 5, 4, 9, 0, tzinfo=UTC)
    query = "what did we drink yesterday?"
    assert (await caching.asked(query))[1] is False
    clock.advance(minutes=4)
    assert (await caching.asked(query))[1] is True
    assert (await caching.asked(query, reference_time=clock.at + timedelta(seconds=5)))[1] is True
    assert (await caching.asked(query, reference_time=clock.at + timedelta(days=1)))[1] is False
    assert (await caching.asked("what did we drink?", reference_time=clock.at + timedelta(days=1)))[1] is False
    assert (await caching.asked("what did we drink?", reference_time=clock.at - timedelta(days=1)))[1] is True


async def test_an_explained_search_is_run_and_so_is_one_that_is_learned_from(bench: EngineBench) -> None:
    caching = Caching(bench, learn_from_feedback=True)
    await caching.engine.add("anna likes tea", user_id="anna")
    searches = [await caching.engine.search("tea", user_id="anna") for _ in range(2)]
    assert searches[0].search_id != searches[1].search_id
    explained = [await caching.engine.search("tea", user_id="anna", explain=True) for _ in range(2)]
    assert all(one.explanation["analysis"] for one in explained)
    assert caching.hits == 0


async def test_a_degraded_answer_is_not_kept(bench: EngineBench) -> None:
    embedder = Faulty(HashingEmbedder(local=False))
    caching = Caching(bench, embedder=embedder)
    await caching.engine.add("anna likes tea", user_id="anna", wait=True)
    embedder.faults["embed"] = Unavailable("down")
    degraded = [await caching.engine.search("tea", user_id="anna") for _ in range(2)]
    assert [one.degraded for one in degraded] == [("semantic",)] * 2
    embedder.repair()
    assert [(await caching.engine.search("tea", user_id="anna")).degraded for _ in range(2)] == [(), ()]
    assert caching.hits == 1


async def test_what_gets_its_vector_later_is_found_by_meaning_then(bench: EngineBench) -> None:
    caching = Caching(bench, embedder=HashingEmbedder(local=False), owner_index_staleness_s=3600.0)
    await caching.engine.add("anna likes tea", user_id="anna", wait=True)
    await caching.asked("coffee", strategies=["semantic"], min_relevance=0)
    await caching.engine.add("black coffee", user_id="anna")
    await caching.asked("coffee", strategies=["semantic"], min_relevance=0)
    await caching.engine.flush()
    assert (await caching.asked("coffee", strategies=["semantic"], min_relevance=0))[0][0] == "black coffee"


async def test_nobody_can_change_an_answer_that_others_get(caching: Caching) -> None:
    for _ in range(2):
        found = await caching.engine.search("tea", user_id="anna")
        memory = found.items[0].memory
        page = await caching.engine.list(user_id="anna")
        held: list[Any] = [memory.metadata, memory.metadata["a"], found.items[0].arms, page.items[-1].metadata]
        for one in held:
            with pytest.raises(TypeError, match="copy"):
                one["x"] = 1
        with pytest.raises(TypeError, match="copy"):
            memory.metadata["a"]["b"].append(2)
        assert memory.metadata == page.items[-1].metadata == {"a": {"b": [1]}}


async def test_pages_go_on_from_an_answer_that_was_held(caching: Caching) -> None:
    await caching.engine.add_many(many(30, "tea note {n}"), user_id="anna")
    whole = contents(await caching.engine.search("tea", user_id="anna", limit=40))
    for _ in range(2):
        first = await caching.engine.search("tea", user_id="anna", limit=16)
        rest = await caching.engine.search("tea", user_id="anna", limit=16, cursor=first.next_cursor)
        assert contents(first) + contents(rest) == whole
        pages = await caching.engine.list(user_id="anna", limit=20)
        last = await caching.engine.list(user_id="anna", limit=20, cursor=pages.next_cursor)
        assert len({memory.id for memory in (*pages.items, *last.items)}) == 32


async def test_a_thousand_who_ask_the_same_are_one_search(caching: Caching) -> None:
    await caching.asked("warm up")
    caching.documents.calls.clear()
    found = await asyncio.gather(*(caching.engine.search("tea", user_id="anna") for _ in range(1_000)))
    assert caching.documents.calls["get_many"] == 1
    assert len({tuple(contents(one)) for one in found}) == 1


async def test_an_outage_is_told_and_not_kept(caching: Caching) -> None:
    await caching.asked("warm up")
    caching.documents.down("get_many")
    for _ in range(2):
        with pytest.raises(StoreError):
            await caching.asked()
    caching.documents.repair()
    assert (await caching.asked())[0][0] == "anna likes tea"


async def test_an_owner_who_is_too_large_for_an_index_has_no_cache(bench: EngineBench) -> None:
    caching = Caching(bench, owner_index_max_memories=0)
    await caching.engine.add("anna likes tea", user_id="anna")
    assert [(await caching.asked())[1] for _ in range(2)] == [False, False]


async def test_switched_off_every_search_is_run(bench: EngineBench) -> None:
    caching = Caching(bench, search_cache_bytes=0, list_cache_bytes=0)
    await caching.engine.add("anna likes tea", user_id="anna")
    assert [(await caching.asked())[1] for _ in range(3)] == [False] * 3
    await caching.engine.list(user_id="anna")
    assert caching.engine._answers.lists.cache.statistics().entries == 0


class TwoProcesses:
    """Two engines on one store: what `writer` does, `reader` has to see after `staleness_s`, here at once."""

    def __init__(self, bench: EngineBench) -> None:
        self.writer = bench.engine(owner_index_staleness_s=0.0)
        self.reader = Caching(bench, owner_index_staleness_s=0.0)


@pytest.fixture
async def two(bench: EngineBench) -> TwoProcesses:
    made = TwoProcesses(bench)
    await made.writer.add_many(many(5, "tea note {n}"), user_id="anna")
    return made


async def test_what_another_process_added_is_found(two: TwoProcesses) -> None:
    before = (await two.reader.asked())[0]
    await two.writer.add("more tea", user_id="anna")
    assert sorted((await two.reader.asked())[0]) == sorted([*before, "more tea"])
    assert "more tea" in contents(await two.reader.engine.list(user_id="anna"))


async def test_what_another_process_deleted_does_not_come_back(two: TwoProcesses) -> None:
    page = await two.reader.engine.list(user_id="anna")
    before = (await two.reader.asked())[0]
    gone = page.items[0]
    await two.writer.delete(gone.id, user_id="anna")
    assert sorted((await two.reader.asked())[0]) == sorted(set(before) - {gone.content})
    assert gone.content not in contents(await two.reader.engine.list(user_id="anna"))
    with pytest.raises(NotFound):
        await two.reader.engine.get(gone.id, user_id="anna")


async def test_what_another_process_changed_is_as_it_is_now(two: TwoProcesses) -> None:
    page = await two.reader.engine.list(user_id="anna")
    await two.reader.asked()
    await two.writer.update(page.items[0].id, user_id="anna", content="tea with milk")
    assert "tea with milk" in (await two.reader.asked())[0]


async def test_what_another_process_erased_is_gone(two: TwoProcesses) -> None:
    await two.reader.asked()
    await two.reader.engine.list(user_id="anna")
    await two.writer.delete_all(user_id="anna")
    assert (await two.reader.asked())[0] == []
    assert contents(await two.reader.engine.list(user_id="anna")) == []


async def test_an_old_answer_is_looked_up_by_one_round_trip(two: TwoProcesses) -> None:
    await two.reader.asked()
    await two.writer.add("who has written may have written this", user_id="ben")
    two.reader.documents.calls.clear()
    assert (await two.reader.asked())[1] is True
    assert two.reader.documents.calls == {"scan": 1, "get_many": 1}
