"""What narrows a search applies before its cut, in both regimes: filters, memory types, times; and what has expired."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from context0.memory.engine import MemoryEngine
from context0.memory.inputs import ARM_NAMES
from stores.errors import NotFound
from stores.filters import OPERATORS, matches, parse_filter
from stores.records import Memory
from stores.reference.vectors import ReferenceVectors
from tests.contracts.builders import NOW
from tests.engine_bench import REGIMES, EngineBench, Faulty, contents, count_of, many, open_bench

CITIES: Final = ("Munich", "Graz", "Linz", None)
NARROWINGS: Final[Mapping[str, Mapping[str, Any]]] = {
    "filter": {"filters": {"metadata.kind": "rare"}},
    "memory type": {"memory_types": ["preference"]},
    "since": {"since": NOW - timedelta(days=40)},
    "until": {"until": NOW - timedelta(days=400)},
}
RARE: Final[Mapping[str, Mapping[str, Any]]] = {
    "filter": {"metadata": {"kind": "rare"}},
    "memory type": {"memory_type": "preference"},
    "since": {"occurred_at": NOW - timedelta(days=30)},
    "until": {"occurred_at": NOW - timedelta(days=500)},
}


def varied() -> list[Any]:
    """Twelve memories that differ in every field that can be filtered."""
    return [
        {
            "content": f"note {n} about bread",
            "speaker": ("Anna", "Ben", None)[n % 3],
            "agent_id": "helper" if n % 2 else None,
            "session_id": f"s{n // 4}",
            "memory_type": ("semantic", "episodic", "preference")[n % 3],
            "tags": ["food", "home"][: n % 3],
            "importance": n / 11,
            "occurred_at": NOW - timedelta(days=n) if n % 2 else None,
            "metadata": {"city": CITIES[n % 4], "n": n, "deep": {"even": n % 2 == 0}},
        }
        for n in range(12)
    ]


EVERY_OPERATOR: Final[Mapping[str, Mapping[str, Any]]] = {
    "eq": {"speaker": {"eq": "Anna"}},
    "ne": {"metadata.city": {"ne": "Graz"}},
    "gt": {"metadata.n": {"gt": 7}},
    "gte": {"importance": {"gte": 0.5}},
    "lt": {"occurred_at": {"lt": (NOW - timedelta(days=5)).isoformat()}},
    "lte": {"metadata.n": {"lte": 2}},
    "in": {"session_id": {"in": ["s0", "s2"]}},
    "nin": {"metadata.city": {"nin": ["Munich", "Linz"]}},
    "contains": {"tags": {"contains": "home"}},
    "AND": {"AND": [{"type": "semantic"}, {"agent": "helper"}]},
    "OR": {"OR": [{"metadata.city": "Graz"}, {"metadata.deep.even": True}]},
    "NOT": {"NOT": {"speaker": "Ben"}},
    "several keys": {"session": "s1", "metadata.n": {"gt": 4, "lt": 7}},
}


async def test_every_operator_narrows_searches_and_lists(searching: MemoryEngine) -> None:
    stored = await searching.add_many(varied(), user_id="anna")
    await searching.add_many(varied(), user_id="ben")
    for name, spec in EVERY_OPERATOR.items():
        expected = {memory.id for memory in stored if matches(parse_filter(spec), memory)}
        assert 0 < len(expected) < len(stored), name
        for strategies in (["semantic"], ["keyword"]):
            found = await searching.search("bread", user_id="anna", filters=spec, strategies=strategies, limit=50)
            assert {item.memory.id for item in found.items} == expected, (name, strategies)
        page = await searching.list(user_id="anna", filters=spec, limit=50)
        assert [memory.id for memory in page.items] == [memory.id for memory in stored[::-1] if memory.id in expected]


def test_every_operator_of_the_language_has_an_example() -> None:
    assert OPERATORS | {"AND", "OR", "NOT"} <= set(EVERY_OPERATOR)


def rare_among_many() -> list[Any]:
    """One memory for each narrowing, behind hundreds that lie nearer to the question."""
    year_ago: dict[str, Any] = {"occurred_at": NOW - timedelta(days=365)}
    rare = [{"content": f"of butter, milk, salt, {name} and bread", **year_ago, **RARE[name]} for name in RARE]
    return [*many(250, "bread bread bread {n}", **year_ago), *rare]


async def test_one_match_among_hundreds_of_nearer_memories_is_found(searching: MemoryEngine) -> None:
    """A filter is never applied after the cut."""
    await searching.add_many(rare_among_many(), user_id="anna")
    for name, narrowing in NARROWINGS.items():
        for strategies in (["semantic"], ["keyword"], None):
            found = await searching.search("bread", user_id="anna", limit=1, strategies=strategies, **narrowing)
            assert contents(found) == [f"of butter, milk, salt, {name} and bread"], strategies
            assert found.next_cursor is None
    page = await searching.list(user_id="anna", limit=1, filters={"metadata.kind": "rare"})
    assert contents(page) == ["of butter, milk, salt, filter and bread"]


async def test_a_remote_vector_store_is_told_of_the_narrowing_too(regime: str, tmp_path: Path) -> None:
    async with open_bench("reference", tmp_path) as bench:
        engine = bench.engine(vectors=ReferenceVectors(), **REGIMES[regime])
        await engine.add_many(rare_among_many(), user_id="anna", wait=True)
        for name, narrowing in NARROWINGS.items():
            found = await engine.search("bread", user_id="anna", limit=1, strategies=["semantic"], **narrowing)
            assert contents(found) == [f"of butter, milk, salt, {name} and bread"]


async def test_a_remote_vector_store_is_asked_once_though_it_finds_nothing(tmp_path: Path) -> None:
    """C4"""
    async with open_bench("reference", tmp_path) as bench:
        vectors = Faulty(ReferenceVectors())
        engine = bench.engine(vectors=vectors, owner_index_max_memories=0)
        await engine.search("bread", user_id="anna")
        assert vectors.calls["query"] == 1


async def test_a_search_that_nothing_passes_is_empty_and_not_degraded(searching: MemoryEngine) -> None:
    await searching.add_many(many(5), user_id="anna")
    found = await searching.search("note", user_id="anna", filters={"speaker": "nobody"})
    assert (found.items, found.degraded, found.next_cursor) == ((), (), None)
    nobody = await searching.search("note", user_id="nobody")
    assert (nobody.items, nobody.degraded, nobody.next_cursor) == ((), (), None)


async def test_times_are_those_of_the_event_or_else_of_the_arrival(bench: EngineBench, regime: str) -> None:
    engine = bench.engine(**REGIMES[regime])
    told = await engine.add("bread, undated", user_id="anna")
    past = await engine.add("bread, dated", user_id="anna", occurred_at=NOW - timedelta(days=10))

    async def between(since: datetime | None, until: datetime | None) -> set[str]:
        found = await engine.search("bread", user_id="anna", since=since, until=until, strategies=["keyword"])
        return {item.memory.id for item in found.items}

    second = timedelta(seconds=1)
    assert await between(None, None) == {told.id, past.id}
    assert await between(NOW, None) == {told.id}
    assert await between(NOW + second, None) == set()
    assert await between(None, NOW) == {past.id}
    assert await between(past.occurred_at, NOW) == {past.id}
    assert await between(past.occurred_at, NOW + second) == {told.id, past.id}
    assert await between(None, past.occurred_at) == set()
    assert await between(datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)) == {told.id, past.id}


async def test_a_question_about_a_time_finds_what_happened_then(searching: MemoryEngine) -> None:
    await searching.add_many(
        [
            {"content": "we baked bread", "occurred_at": NOW - timedelta(days=1)},
            {"content": "we baked cakes", "occurred_at": NOW - timedelta(days=200)},
        ],
        user_id="anna",
    )
    for reference, expected in ((NOW, "we baked bread"), (NOW - timedelta(days=199), "we baked cakes")):
        found = await searching.search("what did we bake yesterday?", user_id="anna", reference_time=reference)
        assert contents(found)[0] == expected
        assert "temporal" in found.items[0].arms
    only = await searching.search("what happened yesterday?", user_id="anna", strategies=["temporal"], limit=1)
    assert contents(only) == ["we baked bread"]


async def test_strategies_say_which_arms_are_asked(searching: MemoryEngine) -> None:
    """B3"""
    await searching.add("Ben flew from Munich to Graz yesterday", user_id="anna", occurred_at=NOW - timedelta(days=1))
    for arm in ARM_NAMES:
        found = await searching.search("Was Ben in Munich yesterday?", user_id="anna", strategies=[arm])
        assert [set(item.arms) for item in found.items] == [{arm}]
    everything = await searching.search("Was Ben in Munich yesterday?", user_id="anna")
    assert [set(item.arms) for item in everything.items] == [set(ARM_NAMES)]


async def test_a_search_tells_how_long_its_stages_took_and_why(searching: MemoryEngine) -> None:
    await searching.add("Anna lives in Munich", user_id="anna")
    plain = await searching.search("Munich", user_id="anna")
    assert {"index", "read", "fetch", "total"} <= set(plain.timings_ms)
    assert all(time >= 0 for time in plain.timings_ms.values())
    assert (plain.explanation, plain.items[0].explanation) == ({}, {})
    told = await searching.search("Munich", user_id="anna", explain=True)
    assert told.explanation["failures"] == {}
    assert told.items[0].explanation["ranks"]


# --- what has expired


async def is_there(engine: MemoryEngine, memory: Memory) -> set[bool]:
    """Return what each way of reading says."""
    found = [await engine.search(memory.content, user_id="anna", strategies=[arm]) for arm in ("semantic", "keyword")]
    answers = {memory.id in {item.memory.id for item in result.items} for result in found}
    answers.add(memory.id in {each.id for each in (await engine.list(user_id="anna")).items})
    answers.add(bool(await engine.get_many([memory.id], user_id="anna")))
    for read in (engine.get, engine.history):
        try:
            await read(memory.id, user_id="anna")
        except NotFound:
            answers.add(False)
        else:
            answers.add(True)
    return answers


async def test_a_memory_is_there_until_its_time_is_over(bench: EngineBench, regime: str) -> None:
    engine = bench.engine(**REGIMES[regime])
    kept = await engine.add("bread for ever", user_id="anna")
    brief = await engine.add("bread until noon", user_id="anna", expires_at=NOW + timedelta(hours=1))
    bench.clock.advance(minutes=59, seconds=59, milliseconds=999)
    assert await is_there(engine, brief) == {True}
    bench.clock.advance(milliseconds=1)
    assert await is_there(engine, brief) == {False}
    assert await is_there(engine, kept) == {True}
    with pytest.raises(NotFound):
        await engine.update(brief.id, user_id="anna", content="again")


async def test_the_background_work_removes_what_has_expired(bench: EngineBench, engine: MemoryEngine) -> None:
    await engine.add_many(many(3, expires_at=NOW + timedelta(hours=1)), user_id="anna")
    kept = await engine.add("for ever", user_id="anna")
    await engine.search("note", user_id="anna")
    bench.clock.advance(hours=2)
    await engine.flush()
    assert await count_of(engine) == 1
    assert (await engine.list(user_id="anna")).items == (kept,)


async def test_a_time_to_live_can_be_changed_and_taken_away(bench: EngineBench, engine: MemoryEngine) -> None:
    first = await engine.add("note 1", user_id="anna", expires_at=NOW + timedelta(hours=1))
    second = await engine.add("note 2", user_id="anna")
    await engine.update(first.id, user_id="anna", expires_at=None)
    await engine.update(second.id, user_id="anna", expires_at=NOW + timedelta(hours=1))
    bench.clock.advance(hours=2)
    await engine.flush()
    assert contents(await engine.list(user_id="anna")) == ["note 1"]


async def test_an_update_names_a_time_to_live_only_if_it_changes_it(bench: EngineBench, engine: MemoryEngine) -> None:
    added = await engine.add("note", user_id="anna", expires_at=NOW + timedelta(hours=1))
    changed = await engine.update(added.id, user_id="anna", importance=1)
    assert changed.expires_at == NOW + timedelta(hours=1)
    assert (await engine.list(user_id="anna")).items == (changed,)


async def test_what_others_store_shows_in_no_score(bench: EngineBench, regime: str) -> None:
    engine = bench.engine(search_cache_bytes=0, **REGIMES[regime])

    async def found() -> list[tuple[str, float, Any]]:
        result = await engine.search("Does Anna like Munich?", user_id="anna")
        return [(one.memory.content, one.score, one.arms) for one in result.items]

    texts = ["Anna lives in Munich", "Anna likes Graz", "It rains in Graz"]
    await engine.add_many([{"content": text} for text in texts], user_id="anna")
    before = await found()
    assert len(before) >= 2
    await engine.add_many(many(40, "Munich, Munich and Munich, note {n}"), user_id="ben")
    assert await found() == before
