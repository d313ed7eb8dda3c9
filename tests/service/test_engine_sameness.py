"""What is the same memory: idempotency keys, and exact duplicates; told once or by fifty callers at once."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from context0.errors import IdempotencyMismatch
from context0.memory.engine import MemoryEngine
from tests.contracts.builders import NOW
from tests.engine_bench import EngineBench, contents, count_of, ids, many

CALLERS = 50


# --- idempotency keys


async def test_the_same_key_is_the_same_memory(engine: MemoryEngine) -> None:
    first = await engine.add("Anna lives in Munich", user_id="anna", idempotency_key="k1")
    again = await engine.add("Anna lives in Munich", user_id="anna", idempotency_key="k1")
    assert again == first
    assert await count_of(engine) == 1


async def test_other_keys_are_other_memories_though_they_say_the_same(engine: MemoryEngine) -> None:
    first = await engine.add("the same", user_id="anna", idempotency_key="k1")
    second = await engine.add("the same", user_id="anna", idempotency_key="k2")
    third = await engine.add("the same", user_id="anna")
    assert len({first.id, second.id, third.id}) == 3


async def test_fifty_callers_with_one_key_make_one_memory(engine: MemoryEngine) -> None:
    stored = await asyncio.gather(
        *(engine.add("Anna lives in Munich", user_id="anna", idempotency_key="k1") for _ in range(CALLERS))
    )
    assert len(set(ids(stored))) == 1
    assert await count_of(engine) == 1


async def test_a_key_that_stands_for_another_content_is_refused(engine: MemoryEngine) -> None:
    first = await engine.add("Anna lives in Munich", user_id="anna", idempotency_key="k1")
    with pytest.raises(IdempotencyMismatch, match=first.id):
        await engine.add("Anna lives in Graz", user_id="anna", idempotency_key="k1")
    assert (await engine.list(user_id="anna")).items == (first,)


async def test_fifty_callers_with_one_key_and_two_contents_make_one_memory(engine: MemoryEngine) -> None:
    outcomes = await asyncio.gather(
        *(engine.add(f"version {n % 2}", user_id="anna", idempotency_key="k1") for n in range(CALLERS)),
        return_exceptions=True,
    )
    (kept,) = (await engine.list(user_id="anna")).items
    told = [outcome for outcome in outcomes if not isinstance(outcome, IdempotencyMismatch)]
    assert told == [kept] * (CALLERS // 2)


async def test_inside_one_call_a_key_stands_for_one_content(engine: MemoryEngine) -> None:
    twice = [{"content": "the same", "idempotency_key": "k1"}] * 2
    first, second = await engine.add_many(twice, user_id="anna")
    assert first == second
    mixed: list[Any] = [{"content": f"version {n}", "idempotency_key": "k2"} for n in range(2)]
    with pytest.raises(IdempotencyMismatch):
        await engine.add_many([*many(3), *mixed], user_id="anna")
    assert contents(await engine.list(user_id="anna")) == ["the same"]


async def test_a_key_belongs_to_its_user(engine: MemoryEngine) -> None:
    hers = await engine.add("note of Anna", user_id="anna", idempotency_key="k1")
    his = await engine.add("note of Ben", user_id="ben", idempotency_key="k1")
    assert hers.id != his.id
    assert contents(await engine.list(user_id="anna")) == ["note of Anna"]
    assert contents(await engine.list(user_id="ben")) == ["note of Ben"]


async def test_a_key_is_free_again_after_a_deletion(engine: MemoryEngine) -> None:
    first = await engine.add("Anna lives in Munich", user_id="anna", idempotency_key="k1")
    await engine.delete(first.id, user_id="anna")
    second = await engine.add("Anna lives in Graz", user_id="anna", idempotency_key="k1")
    assert second.id != first.id
    assert (await engine.list(user_id="anna")).items == (second,)
    await engine.delete_all(user_id="anna")
    third = await engine.add("Anna lives in Linz", user_id="anna", idempotency_key="k1")
    assert (await engine.list(user_id="anna")).items == (third,)


async def test_a_key_is_free_again_when_its_memory_has_expired(bench: EngineBench, engine: MemoryEngine) -> None:
    soon = NOW + timedelta(minutes=1)
    await engine.add("Anna lives in Munich", user_id="anna", idempotency_key="k1", expires_at=soon)
    bench.clock.advance(minutes=2)
    second = await engine.add("Anna lives in Graz", user_id="anna", idempotency_key="k1")
    assert (await engine.list(user_id="anna")).items == (second,)


@pytest.mark.durable
async def test_a_key_outlives_a_restart(bench: EngineBench) -> None:
    before = bench.engine()
    first = await before.add("Anna lives in Munich", user_id="anna", idempotency_key="k1")
    await before.aclose()
    assert await bench.engine().add("Anna lives in Munich", user_id="anna", idempotency_key="k1") == first


# --- exact duplicates


async def test_fifty_callers_who_say_the_same_make_one_memory(engine: MemoryEngine) -> None:
    stored = await asyncio.gather(*(engine.add("Anna lives in Munich", user_id="anna") for _ in range(CALLERS)))
    assert len(set(ids(stored))) == 1
    assert await count_of(engine) == 1
    assert contents(await engine.search("Munich", user_id="anna")) == ["Anna lives in Munich"]


async def test_fifty_calls_with_the_same_hundred_memories_store_each_once(engine: MemoryEngine) -> None:
    batch = many(20)
    stored = await asyncio.gather(*(engine.add_many(batch, user_id="anna") for _ in range(10)))
    assert {tuple(ids(each)) for each in stored} == {tuple(ids(stored[0]))}
    assert await count_of(engine) == 20


async def test_inside_one_call_the_same_is_stored_once(engine: MemoryEngine) -> None:
    stored = await engine.add_many([*many(3), *many(3)], user_id="anna")
    assert stored[:3] == stored[3:]
    assert await count_of(engine) == 3


@pytest.mark.parametrize(
    "change",
    [
        {"speaker": "Ben"},
        {"session_id": "s2"},
        {"agent_id": "helper"},
        {"memory_type": "episodic"},
        {"occurred_at": NOW},
        {"metadata": {"n": 1}},
        {"content": "anna lives in Munich"},
        {"content": "Anna lives in Munich "},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_who_where_when_and_data_make_another_memory(engine: MemoryEngine, change: dict[str, Any]) -> None:
    first: dict[str, Any] = {"content": "Anna lives in Munich", "speaker": "Anna", "session_id": "s1"}
    stored = await engine.add_many([first, {**first, **change}], user_id="anna")
    assert len(set(ids(stored))) == 2
    assert await engine.get_many(ids(stored), user_id="anna") == stored


@pytest.mark.parametrize("value", [1, 1.0, True, "1", [1], None, {"1": 1}], ids=repr)
async def test_metadata_of_another_kind_makes_another_memory(engine: MemoryEngine, value: Any) -> None:
    others = [other for other in (1, 1.0, True, "1", [1], None, {"1": 1}) if repr(other) != repr(value)]
    batch: list[Any] = [{"content": "same", "metadata": {"x": other}} for other in (value, *others)]
    assert len(set(ids(await engine.add_many(batch, user_id="anna")))) == 7


async def test_the_order_of_metadata_keys_and_what_only_weighs_make_no_difference(engine: MemoryEngine) -> None:
    first = await engine.add("same", user_id="anna", metadata={"a": 1, "b": {"c": 2, "d": 3}})
    again = await engine.add(
        "same", user_id="anna", metadata={"b": {"d": 3, "c": 2}, "a": 1}, importance=0.9, tags=["new"]
    )
    assert again == first


async def test_a_duplicate_of_another_user_is_a_memory_of_its_own(engine: MemoryEngine) -> None:
    hers = await engine.add("the same", user_id="anna")
    his = await engine.add("the same", user_id="ben")
    assert hers.id != his.id
    await engine.delete(hers.id, user_id="anna")
    assert await engine.get(his.id, user_id="ben") == his


async def test_what_was_forgotten_can_be_told_again(bench: EngineBench, engine: MemoryEngine) -> None:
    first = await engine.add("the same", user_id="anna")
    await engine.delete(first.id, user_id="anna")
    bench.clock.advance(seconds=1)
    second = await engine.add("the same", user_id="anna")
    assert second.id != first.id
    assert (await engine.list(user_id="anna")).items == (second,)
    assert [item.memory for item in (await engine.search("same", user_id="anna")).items] == [second]


async def test_after_an_update_the_old_words_and_the_new_ones_are_told_apart(engine: MemoryEngine) -> None:
    first = await engine.add("Anna lives in Munich", user_id="anna")
    changed = await engine.update(first.id, user_id="anna", content="Anna lives in Graz")
    assert await engine.add("Anna lives in Graz", user_id="anna") == changed
    back = await engine.add("Anna lives in Munich", user_id="anna")
    assert back.id != first.id
