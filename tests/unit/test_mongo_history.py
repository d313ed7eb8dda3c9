"""The versions of a memory: the last ones inside it, the others beside it, none lost and none left over."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from stores.errors import Conflict, Unavailable
from stores.mongo.documents import MongoDocuments
from stores.mongo.writing import VERSIONS_INSIDE
from stores.records import Memory
from tests.contracts.builders import (
    ANNA,
    MILLISECOND,
    NOW,
    PAST,
    build_document,
    document_of,
    named,
    put,
)
from tests.mongo_server import WarmStore, warm_store


@pytest.fixture
async def warm() -> AsyncIterator[WarmStore]:
    async with warm_store() as opened:
        yield opened


async def versions(store: MongoDocuments, number: int) -> Memory:
    """Give memory 1 `number` versions, and return the last."""
    document = build_document("version 1", id=named(1), at=PAST)
    await put(store, document)
    memory = document.memory
    for version in range(2, number + 1):
        memory = replace(memory, content=f"version {version}", version=version, updated_at=PAST + version * MILLISECOND)
        await store.update(document_of(memory), scope=ANNA, expected_version=version - 1, now=NOW)
    return memory


async def test_all_versions_stay_when_they_no_longer_fit_inside_the_memory(warm: WarmStore) -> None:
    number = 2 * VERSIONS_INSIDE + 5
    last = await versions(warm.documents, number)
    warm.counter.reset()
    past = await warm.documents.history(last.id, scope=ANNA, now=NOW)
    assert [entry.version for entry in past] == list(range(1, number + 1))
    assert [entry.content for entry in past] == [f"version {version}" for version in range(1, number + 1)]
    assert [entry.event for entry in past] == ["added"] + ["updated"] * (number - 1)
    assert warm.counter.names == ["find", "find"]
    inside = await warm.raw.collection("memories").find_one({"_id": last.id})
    assert inside is not None
    assert len(inside["history"]) <= VERSIONS_INSIDE


async def test_an_update_costs_a_third_command_only_when_the_history_moves_out(warm: WarmStore) -> None:
    await versions(warm.documents, 3 * VERSIONS_INSIDE)
    names = warm.counter.names
    assert names.count("update") == 3 * VERSIONS_INSIDE - 1
    assert names.count("insert") - 1 == 2


async def test_a_crash_after_moving_history_out_loses_and_repeats_nothing(
    warm: WarmStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = await versions(warm.documents, VERSIONS_INSIDE + 1)
    changed = document_of(replace(last, content="after", version=last.version + 1))

    async def crash(*_: Any) -> bool:
        raise Unavailable("crashed")

    with monkeypatch.context() as patched:
        patched.setattr("stores.mongo.writing._compare_and_set", crash)
        with pytest.raises(Unavailable):
            await warm.documents.update(changed, scope=ANNA, expected_version=last.version, now=NOW)
    assert await warm.raw.collection("memory_history").count_documents({}) == VERSIONS_INSIDE
    before = await warm.documents.history(last.id, scope=ANNA, now=NOW)
    assert [entry.version for entry in before] == list(range(1, last.version + 1))
    await warm.documents.update(changed, scope=ANNA, expected_version=last.version, now=NOW)
    after = await warm.documents.history(last.id, scope=ANNA, now=NOW)
    assert [entry.version for entry in after] == list(range(1, last.version + 2))


@pytest.mark.parametrize("way", ["delete", "purge after a crash", "erase"])
async def test_versions_outside_the_memory_go_with_it(warm: WarmStore, way: str) -> None:
    last = await versions(warm.documents, VERSIONS_INSIDE + 2)
    moved = warm.raw.collection("memory_history")
    left = await moved.find({}).to_list(None)
    assert left
    if way == "erase":
        removed = await warm.documents.erase(ANNA)
        assert removed["history"] == VERSIONS_INSIDE + 1
    else:
        await warm.documents.delete(last.id, scope=ANNA, now=NOW)
    if way == "purge after a crash":
        await moved.insert_many(left)
        await warm.documents.purge([last.id], scope=ANNA)
    assert await moved.count_documents({}) == 0


async def test_fifty_updates_of_one_version_leave_one_winner(warm: WarmStore) -> None:
    document = build_document("first", id=named(1))
    await put(warm.documents, document)

    async def change(number: int) -> bool:
        memory = replace(document.memory, content=f"by {number}", version=2)
        try:
            await warm.documents.update(document_of(memory), scope=ANNA, expected_version=1, now=NOW)
        except Conflict:
            return False
        return True

    assert sum(await asyncio.gather(*map(change, range(50)))) == 1
    assert [e.version for e in await warm.documents.history(named(1), scope=ANNA, now=NOW)] == [1, 2]
