"""Cursors walk through lists and searches without a duplicate or a gap, and serve nobody and nothing else (A9)."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from context0.errors import InvalidInput
from context0.memory.engine import MemoryEngine
from stores.errors import InvalidCursor
from tests.contracts.builders import NOW
from tests.engine_bench import REGIMES, EngineBench, all_pages, contents, ids, many, open_bench

Ask = Callable[..., Any]
WAYS = ("list", "search")


def asking(engine: MemoryEngine, way: str) -> Ask:
    """Return one of the two methods that page, called alike."""
    if way == "list":
        return engine.list
    return lambda **options: engine.search("note", **options)


# --- walking


@pytest.mark.parametrize("limit", [1, 7, 20, 1_000])
async def test_list_pages_have_every_memory_once_newest_first(engine: MemoryEngine, limit: int) -> None:
    """A9: though all of them were told in the same millisecond."""
    stored = await engine.add_many(many(20), user_id="anna")
    pages = await all_pages(lambda cursor: engine.list(user_id="anna", limit=limit, cursor=cursor))
    assert [text for page in pages for text in page] == contents(stored)[::-1]
    assert [len(page) for page in pages[:-1]] == [limit] * (len(pages) - 1)
    assert all(pages)


@pytest.mark.parametrize("strategies", [["semantic"], ["keyword"], None], ids=str)
async def test_search_pages_have_every_match_once_best_first(searching: MemoryEngine, strategies: Any) -> None:
    """A9"""
    await searching.add_many(many(60, "note {n} " + "of bread " * 3), user_id="anna")
    everything = await searching.search("bread note", user_id="anna", limit=1_000, strategies=strategies)
    scores = [item.score for item in everything.items]
    assert scores == sorted(scores, reverse=True)
    pages = await all_pages(
        lambda cursor: searching.search("bread note", user_id="anna", limit=7, cursor=cursor, strategies=strategies)
    )
    assert [text for page in pages for text in page] == contents(everything)
    assert len(everything.items) == 60


async def test_pages_of_any_size_continue_the_first_one(bench: EngineBench, regime: str) -> None:
    """Though more memories match than are looked at in the stores' arms: every page weighs the same candidates."""
    engine = bench.engine(**REGIMES[regime])
    words = ("bread", "butter", "milk", "salt", "flour", "yeast", "water")
    batch = [{"content": f"note {n} of " + " ".join(words[: 1 + n % 7]) + f" {n * n}"} for n in range(300)]
    await engine.add_many(batch, user_id="anna")
    query = "bread and butter, milk"
    first = await engine.search(query, user_id="anna", limit=10)
    assert first.next_cursor is not None
    rest = await engine.search(query, user_id="anna", limit=1_000, cursor=first.next_cursor)
    told = [item.memory.id for item in (*first.items, *rest.items)]
    assert len(told) == len(set(told)) >= 200
    scores = [item.score for item in (*first.items, *rest.items)]
    assert scores == sorted(scores, reverse=True)
    pages = await all_pages(lambda cursor: engine.search(query, user_id="anna", limit=50, cursor=cursor))
    assert [text for page in pages for text in page] == contents(first) + contents(rest)


async def test_list_pages_are_stable_while_memories_arrive(bench: EngineBench, engine: MemoryEngine) -> None:
    """A9"""
    await engine.add_many(many(10), user_id="anna")
    walked: list[str] = []
    cursor: str | None = None
    while True:
        page = await engine.list(user_id="anna", limit=3, cursor=cursor)
        walked += contents(page)
        if page.next_cursor is None:
            break
        cursor = page.next_cursor
        bench.clock.advance(milliseconds=1)
        await engine.add(f"arrived after {len(walked)}", user_id="anna")
    assert walked == [f"note {n}" for n in range(9, -1, -1)]


async def test_list_pages_go_on_though_the_last_one_seen_was_deleted(engine: MemoryEngine) -> None:
    await engine.add_many(many(5), user_id="anna")
    page = await engine.list(user_id="anna", limit=2)
    for memory in page.items:
        await engine.delete(memory.id, user_id="anna")
    assert contents(await engine.list(user_id="anna", cursor=page.next_cursor)) == ["note 2", "note 1", "note 0"]


async def test_a_search_goes_on_at_the_time_that_its_first_page_meant(bench: EngineBench, regime: str) -> None:
    engine = bench.engine(**REGIMES[regime])
    yesterday = {"occurred_at": NOW - timedelta(days=1)}
    await engine.add_many(many(4, "note {n} of yesterday", **yesterday), user_id="anna")
    options: dict[str, Any] = {"user_id": "anna", "limit": 2, "strategies": ["temporal"]}
    first = await engine.search("what happened yesterday?", **options)
    bench.clock.advance(hours=23)
    rest = await engine.search("what happened yesterday?", cursor=first.next_cursor, **options)
    assert len({*ids([item.memory for item in (*first.items, *rest.items)])}) == 4


@pytest.mark.parametrize("way", WAYS)
async def test_pages_keep_to_the_filters(engine: MemoryEngine, way: str) -> None:
    mixed = [{"content": f"note {n}", "tags": ["even"] if n % 2 == 0 else []} for n in range(20)]
    await engine.add_many(mixed, user_id="anna")
    options: dict[str, Any] = {"user_id": "anna", "limit": 3, "filters": {"tags": {"in": {"even", "odd"}}}}
    pages = await all_pages(lambda cursor: asking(engine, way)(cursor=cursor, **options))
    assert sorted(text for page in pages for text in page) == sorted(f"note {n}" for n in range(0, 20, 2))


# --- cursors that are none


async def cursor_of(engine: MemoryEngine, way: str, **options: Any) -> str:
    page = await asking(engine, way)(**{"user_id": "anna", "limit": 2, **options})
    assert page.next_cursor
    cursor: str = page.next_cursor
    return cursor


@pytest.mark.parametrize("way", WAYS)
async def test_a_forged_cursor_is_refused(engine: MemoryEngine, way: str) -> None:
    await engine.add_many(many(5), user_id="anna")
    cursor = await cursor_of(engine, way)
    flipped = "B" if cursor[20] == "A" else "A"
    end = "B" if cursor[-1] == "A" else "A"
    forged: list[Any] = ["", "x", "a" * 100, "%", "é", "A" * 5_000, cursor[:-1], cursor + "A", cursor + "=", cursor * 2]
    forged += [
        cursor[:20] + flipped + cursor[21:],
        cursor[:-1] + end,
        " " + cursor,
        cursor + "\n",
        5,
        b"x",
        ["x"],
        True,
    ]
    for each in forged:
        with pytest.raises(InvalidCursor):
            await asking(engine, way)(user_id="anna", cursor=each)


@pytest.mark.parametrize("way", WAYS)
async def test_a_cursor_of_another_user_is_refused(engine: MemoryEngine, way: str) -> None:
    for user in ("anna", "ben"):
        await engine.add_many(many(5), user_id=user)
    cursor = await cursor_of(engine, way)
    with pytest.raises(InvalidCursor):
        await asking(engine, way)(user_id="ben", cursor=cursor)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "change",
    [
        {"filters": {"speaker": {"ne": "Ben"}}},
        {"memory_types": ["semantic"]},
        {"filters": {"tags": {"nin": ["a"]}}, "memory_types": ["semantic"]},
    ],
    ids=["filters", "memory types", "both"],
)
async def test_a_cursor_of_another_narrowing_is_refused(engine: MemoryEngine, way: str, change: Any) -> None:
    await engine.add_many(many(5), user_id="anna")
    with pytest.raises(InvalidCursor):
        await asking(engine, way)(user_id="anna", cursor=await cursor_of(engine, way), **change)
    with pytest.raises(InvalidCursor):
        await asking(engine, way)(user_id="anna", cursor=await cursor_of(engine, way, **change))


@pytest.mark.parametrize(
    "change",
    [
        {"strategies": ["keyword"]},
        {"since": NOW - timedelta(days=1)},
        {"until": NOW + timedelta(days=1)},
        {"reference_time": NOW - timedelta(days=1)},
        {"filters": {"metadata.a": {"nin": {1, "a"}}}},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_a_search_cursor_of_another_search_is_refused(engine: MemoryEngine, change: Any) -> None:
    await engine.add_many(many(5), user_id="anna")
    with pytest.raises(InvalidCursor):
        await engine.search("note", user_id="anna", cursor=await cursor_of(engine, "search"), **change)
    cursor = await cursor_of(engine, "search", **change)
    with pytest.raises(InvalidCursor):
        await engine.search("note", user_id="anna", cursor=cursor)
    with pytest.raises(InvalidCursor):
        await engine.search("notes", user_id="anna", cursor=cursor, **change)
    await engine.search("note", user_id="anna", cursor=cursor, **change)


async def test_a_cursor_of_a_list_is_none_of_a_search_and_the_other_way_round(engine: MemoryEngine) -> None:
    await engine.add_many(many(5), user_id="anna")
    for way, other in (WAYS, WAYS[::-1]):
        with pytest.raises(InvalidCursor):
            await asking(engine, other)(user_id="anna", cursor=await cursor_of(engine, way))


@pytest.mark.parametrize("way", WAYS)
async def test_a_cursor_is_good_for_a_day_and_for_pages_of_any_size(
    bench: EngineBench, engine: MemoryEngine, way: str
) -> None:
    await engine.add_many(many(5), user_id="anna")
    cursor = await cursor_of(engine, way)
    bench.clock.advance(hours=24)
    for limit in (1, 3):
        assert len((await asking(engine, way)(user_id="anna", cursor=cursor, limit=limit)).items) == limit
    bench.clock.advance(seconds=1)
    with pytest.raises(InvalidCursor, match="24 hours"):
        await asking(engine, way)(user_id="anna", cursor=cursor)


async def test_a_cursor_of_another_store_is_refused(tmp_path: Path) -> None:
    """The key that signs it belongs to the store."""
    async with open_bench("reference", tmp_path) as one, open_bench("reference", tmp_path) as other:
        engines = one.engine(), other.engine()
        for engine in engines:
            await engine.add_many(many(5), user_id="anna")
        with pytest.raises(InvalidCursor):
            await engines[1].list(user_id="anna", cursor=await cursor_of(engines[0], "list"))


# --- sizes


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("limit", [0, -1, 1_001, 10**9, True, "5", 2.0, None, float("nan")], ids=repr)
async def test_a_page_has_one_to_a_thousand_memories(untouched: MemoryEngine, way: str, limit: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        await asking(untouched, way)(user_id="anna", limit=limit)
    assert caught.value.field == "limit"


@pytest.mark.parametrize("way", WAYS)
async def test_a_page_that_ends_with_the_last_memory_has_no_cursor(engine: MemoryEngine, way: str) -> None:
    await engine.add_many(many(3), user_id="anna")
    for limit, more in ((2, True), (3, False), (4, False), (1_000, False)):
        page = await asking(engine, way)(user_id="anna", limit=limit)
        assert (page.next_cursor is not None) is more
