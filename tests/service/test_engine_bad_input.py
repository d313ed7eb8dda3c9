"""Bad input is a typed error that names the field, the same on every backend, and leaves nothing behind."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, tzinfo
from enum import IntEnum
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import pytest

from context0.errors import Context0Error, InvalidInput
from context0.memory.engine import MemoryEngine
from stores.errors import InvalidCursor, InvalidFilter, StoreError
from tests.contracts.builders import NOW
from tests.engine_bench import EngineBench, contents, many

NAIVE: Final = NOW.replace(tzinfo=None)
NESTED: Final = {"a": {"a": {"a": {"a": {"a": {"a": {"a": {"a": {"a": 1}}}}}}}}}


class Odd(tzinfo):
    """A time zone that only a program can make."""

    def utcoffset(self, moment: datetime | None) -> timedelta:
        return timedelta(hours=2, seconds=1)

    def dst(self, moment: datetime | None) -> timedelta:
        return timedelta(0)


BAD_FIELDS: Final[Mapping[str, list[Any]]] = {
    "content": ["", " ", "\n\t", None, 5, b"x", ["x"], "a\0b", "\0", "\ud800", "a\udfff", "x" * 65_537, "ü" * 32_769],
    "speaker": ["", " ", 5, ["Anna"], "a\0b", "\ud800", "x" * 257],
    "agent_id": ["", 5, "a\0b"],
    "session_id": ["", 5, {"$gt": ""}, "x" * 257],
    "memory_type": ["", "facts", None, 5, ["semantic"], "SEMANTIC"],
    "tags": ["food", None, 5, [""], [5], [None], ["a\0b"], ["x" * 257], [f"t{n}" for n in range(65)], {"a": 1}],
    "importance": [-0.1, 1.1, float("nan"), float("inf"), "1", None, True],
    "occurred_at": [NAIVE, "2026-05-01", "yesterday", "", 5, NOW.date(), True],
    "expires_at": [NAIVE, "soon", 5, NOW, NOW - timedelta(milliseconds=1)],
    "metadata": [
        "x", 5, True, [], ["x"], [("a", 1)], {"": 1}, {5: 1}, {None: 1}, {"$where": "x"}, {"a": {"$gt": ""}},
        {"a.b": 1}, {"a": [{"b.c": 1}]}, {"a\0": 1}, {"\ud800": 1}, {"x" * 257: 1}, {"a": float("nan")},
        {"a": float("inf")}, {"a": [float("-inf")]}, {"a": 2**63}, {"a": -(2**63)}, {"a": b"x"}, {"a": NOW},
        {"a": {1, 2}}, {"a": object()}, {"a": 1j}, {"a": "\0"}, {"a": ["\ud800"]}, NESTED,
        {str(n): n for n in range(201)}, {"a": list(range(200))},
    ],
    "idempotency_key": ["", " ", 5, "a\0b", "x" * 257],
}  # fmt: skip
UNKNOWN_NAMES: Final = ({"contents": "x"}, {"user": "ben"}, {"id": "x"}, {"created_at": NOW}, {5: "x", "a": 1}, {"": 1})
BAD_SEARCHES: Final[Mapping[str, list[Any]]] = {
    "query": ["", " ", None, 5, ["x"], "a\0b", "\ud800", "x" * 8_193],
    "strategies": ["semantic", [], ["magic"], [None], [["semantic"]], 5, ["semantic", "x"]],
    "memory_types": ["semantic", [], ["facts"], [None], 5],
    "since": [NAIVE, "yesterday", 5],
    "until": [NAIVE, "tomorrow", 5],
    "reference_time": [NAIVE, "now", 5],
    "deadline_ms": [0, 0.5, -1, 600_001, float("nan"), "5", True, 10**400],
    "min_relevance": [-0.1, 2.1, float("nan"), "x", True],
    "why_not": ["x", 5, [5], ["x"] * 1_001],
    "colour": ["red"],
}
BAD_FILTERS: Final[list[Any]] = [
    {}, [], "x", 5, {"colour": "red"}, {"$where": "sleep(1)"}, {"speaker": {"$ne": None}}, {"speaker": {"like": "A%"}},
    {"speaker": {}}, {"speaker": None}, {"speaker": {"in": []}}, {"speaker": {"in": "Anna"}}, {"speaker": 5}, {5: "x"},
    {"AND": []}, {"AND": {"speaker": "x"}}, {"OR": ["x"]}, {"NOT": []}, {"metadata.": 1}, {"metadata.$where": 1},
    {"metadata": {"a": 1}}, {"created_at": {"gt": NAIVE}}, {"created_at": "yesterday"}, {"importance": "high"},
    {"metadata.a": float("nan")}, {"metadata.a": 10**400}, {"speaker": "a\0b"}, {"speaker": "\ud800"},
    {"tags": {"gt": "a"}}, {"user_id": "ben"}, {"source_user_id": "ben"}, {"content": "x"}, {"_id": "x"},
]  # fmt: skip


def items(table: Mapping[str, list[Any]]) -> list[Any]:
    return [pytest.param(name, values, id=name) for name, values in table.items()]


async def refusal(call: Any, field: str | None = None) -> Exception:
    with pytest.raises(InvalidInput if field else (Context0Error, StoreError)) as caught:
        await call
    if isinstance(caught.value, InvalidInput) and field is not None:
        assert caught.value.field == field
        assert len(str(caught.value)) < 400
    return caught.value


# --- before anything is opened


@pytest.mark.parametrize(("field", "values"), items(BAD_FIELDS))
async def test_a_bad_field_is_named(untouched: MemoryEngine, field: str, values: list[Any]) -> None:
    for value in values:
        memory: Any = {"content": "fine", field: value}
        await refusal(untouched.add(**memory, user_id="anna"), field)
        await refusal(untouched.add_many([*many(3), memory], user_id="anna"), field)


async def test_unknown_names_are_refused(untouched: MemoryEngine) -> None:
    for names in UNKNOWN_NAMES:
        await refusal(untouched.add_many([{"content": "fine"} | names], user_id="anna"))  # type: ignore[list-item]
        if all(isinstance(name, str) for name in names):
            await refusal(untouched.add("fine", user_id="anna", **names))
            await refusal(untouched.list(user_id="anna", **names))
            await refusal(untouched.search("fine", user_id="anna", **names))


@pytest.mark.parametrize(
    "memories", ["x", b"x", None, 5, {"content": "x"}, {"x"}, iter([]), [None], ["x"], [5], [["content"]], [("a", "b")]]
)
async def test_a_batch_is_a_list_of_dictionaries(untouched: MemoryEngine, memories: Any) -> None:
    await refusal(untouched.add_many(memories, user_id="anna"), "memories")


async def test_a_batch_has_up_to_ten_thousand_memories(untouched: MemoryEngine) -> None:
    await refusal(untouched.add_many(many(1) * 10_001, user_id="anna"), "memories")


@pytest.mark.parametrize(("field", "values"), items(BAD_SEARCHES))
async def test_a_bad_search_is_refused(untouched: MemoryEngine, field: str, values: list[Any]) -> None:
    named = {"strategies": "strategies", "colour": "colour", "why_not": "ids"}
    for value in values:
        options: dict[str, Any] = {"query": "fine", field: value}
        error = await refusal(untouched.search(**options, user_id="anna"))
        assert isinstance(error, InvalidInput)
        assert error.field in (named.get(field, field), "memory_type")
    since_after_until = untouched.search("fine", user_id="anna", since=NOW, until=NOW)
    await refusal(since_after_until, "until")


@pytest.mark.parametrize("spec", BAD_FILTERS, ids=lambda spec: repr(spec)[:30])
async def test_a_bad_filter_is_refused(untouched: MemoryEngine, spec: Any) -> None:
    for call in (untouched.list(user_id="anna", filters=spec), untouched.search("x", user_id="anna", filters=spec)):
        with pytest.raises(InvalidFilter):
            await call


async def test_the_longest_text_is_a_setting(bench: EngineBench) -> None:
    engine = bench.engine(max_content_bytes=10)
    assert (await engine.add("ü" * 5, user_id="anna")).content == "ü" * 5
    await refusal(engine.add("ü" * 5 + "x", user_id="anna"), "content")


# --- on every backend


async def everything(engine: MemoryEngine) -> list[Any]:
    page = await engine.list(user_id="anna", limit=99)
    histories = [await engine.history(memory.id, user_id="anna") for memory in page.items]
    return [page, histories, contents(await engine.search("note", user_id="anna"))]


async def test_what_is_refused_leaves_nothing_behind(engine: MemoryEngine) -> None:
    """Though only the last of many is bad."""
    kept = await engine.add_many(many(2), user_id="anna")
    before = await everything(engine)
    for field, values in BAD_FIELDS.items():
        for value in values:
            await refusal(engine.add_many([*many(20, "new {n}"), {"content": "fine", field: value}], user_id="anna"))
            if field not in ("speaker", "agent_id", "session_id", "idempotency_key"):
                await refusal(engine.update(kept[0].id, user_id="anna", **{field: value}))
    await refusal(engine.update(kept[0].id, user_id="anna"), "changes")
    for field in ("speaker", "session_id", "id", "user_id_", "version", "colour"):
        await refusal(engine.update(kept[0].id, user_id="anna", **{field: "x"}), field)  # type: ignore[arg-type]
    assert await everything(engine) == before


async def test_an_error_is_the_same_on_every_backend(engine: MemoryEngine) -> None:
    """Types and messages, where a store has a say in them."""
    first, second = await engine.add_many(many(2), user_id="anna")
    calls: list[tuple[Callable[[], Any], str, str]] = [
        (lambda: engine.get("unknown", user_id="anna"), "not_found", "no memory 'unknown' here"),
        (lambda: engine.history("unknown", user_id="anna"), "not_found", "no memory 'unknown' here"),
        (lambda: engine.update(second.id, user_id="anna", content=first.content), "conflict", "another memory"),
        (lambda: engine.list(user_id="anna", cursor="x"), "invalid_cursor", "no cursor of ours"),
        (lambda: engine.search("x", user_id="anna", cursor="x"), "invalid_cursor", "no cursor of ours"),
    ]
    for call, code, message in calls:
        error = await refusal(call())
        assert isinstance(error, StoreError)
        assert error.code == code
        assert message in str(error)
    assert issubclass(InvalidCursor, ValueError)


# --- what looks odd, and is fine


async def test_odd_numbers_and_mappings_become_plain_ones(engine: MemoryEngine) -> None:
    class Size(IntEnum):
        SMALL = 1

    odd: Any = MappingProxyType({"f": np.float64(1.5), "i": Size.SMALL, "t": (1, 2), "m": MappingProxyType({"x": 1})})
    added = await engine.add("note", user_id="anna", metadata=odd, importance=np.float64(0.25))
    assert added.metadata == {"f": 1.5, "i": 1, "t": [1, 2], "m": {"x": 1}}
    assert {type(value) for value in added.metadata.values()} == {float, int, list, dict}
    assert await engine.get(added.id, user_id="anna") == added


async def test_times_may_come_in_any_zone_and_as_text(engine: MemoryEngine) -> None:
    moment = datetime(2026, 5, 1, 14, 0, 1, tzinfo=Odd())
    first = await engine.add("note 1", user_id="anna", occurred_at=moment)
    second = await engine.add("note 2", user_id="anna", occurred_at="2026-05-01T14:00:00+02:00")  # type: ignore[arg-type]
    assert first.occurred_at == second.occurred_at == NOW
    odd: dict[str, Any] = {"since": moment, "reference_time": moment, "filters": {"occurred_at": {"gte": moment}}}
    page = await engine.search("note", user_id="anna", limit=1, strategies=["keyword"], **odd)
    rest = await engine.search("note", user_id="anna", limit=1, strategies=["keyword"], cursor=page.next_cursor, **odd)
    assert sorted(contents(page) + contents(rest)) == ["note 1", "note 2"]


async def test_filters_may_be_any_mapping_and_sets(engine: MemoryEngine) -> None:
    await engine.add_many(many(4, metadata={"x": 1}), user_id="anna")
    spec: Any = MappingProxyType({"metadata.x": MappingProxyType({"in": frozenset({1, "a", 2.5})})})
    for way in (engine.list, lambda **options: engine.search("note", **options)):
        page = await way(user_id="anna", limit=2, filters=spec)
        assert len((await way(user_id="anna", limit=2, filters=spec, cursor=page.next_cursor)).items) == 2
        other: Any = MappingProxyType({"metadata.x": MappingProxyType({"in": frozenset({1, "b"})})})
        with pytest.raises(InvalidCursor):
            await way(user_id="anna", limit=2, filters=other, cursor=page.next_cursor)
