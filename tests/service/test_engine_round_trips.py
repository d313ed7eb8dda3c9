"""What is told to the engine comes back: by id, in lists, in searches, with its history, and after a restart."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from context0.memory.engine import MemoryEngine
from stores.errors import Conflict, NotFound
from stores.records import Memory
from tests.contracts.builders import NOW
from tests.engine_bench import REGIMES, EngineBench, contents, ids, many

OCCURRED = datetime(2025, 12, 24, 18, 30, 0, 123456, tzinfo=UTC)
EVERYTHING: dict[str, Any] = {
    "speaker": "Anna",
    "agent_id": "helper",
    "session_id": "s1",
    "memory_type": "preference",
    "tags": ["food", "home"],
    "importance": 0.9,
    "occurred_at": OCCURRED,
    "expires_at": NOW + timedelta(days=30),
    "metadata": {"city": "Munich", "nested": {"list": [1, 2.5, None, True, "ü"]}, "größe": -1},
}


async def test_a_memory_comes_back_whole_by_every_way_of_reading(engine: MemoryEngine) -> None:
    added = await engine.add("Anna bakes Stollen with marzipan #baking", user_id="anna", **EVERYTHING)
    assert (added.content, added.user_id, added.version) == ("Anna bakes Stollen with marzipan #baking", "anna", 1)
    assert (added.created_at, added.updated_at) == (NOW, NOW)
    assert added.occurred_at == OCCURRED.replace(microsecond=123000)
    assert added.tags == ("food", "home", "baking")
    for name in ("speaker", "agent_id", "session_id", "memory_type", "importance", "expires_at", "metadata"):
        assert getattr(added, name) == EVERYTHING[name], name
    assert await engine.get(added.id, user_id="anna") == added
    assert await engine.get_many([added.id], user_id="anna") == [added]
    assert (await engine.list(user_id="anna")).items == (added,)
    found = await engine.search("marzipan", user_id="anna")
    assert [item.memory for item in found.items] == [added]
    assert found.degraded == ()


async def test_a_plain_memory_gets_the_defaults(engine: MemoryEngine) -> None:
    added = await engine.add("I moved to Munich in May", user_id="anna")
    assert (added.memory_type, added.importance, added.metadata, added.tags) == ("semantic", 0.5, {}, ())
    assert (added.speaker, added.session_id, added.occurred_at, added.expires_at) == (None, None, None, None)
    assert added.index.state == "done"
    assert await engine.get(added.id, user_id="anna") == added


async def test_any_storable_text_comes_back_as_it_was(engine: MemoryEngine) -> None:
    texts = ["a", " spaces around ", "two\nlines\r\n", "👩‍👩‍👧 שלום \U0010ffff", "\x01\x7f", "?!", "'; --", "%s {0} \\"]
    texts += ["x" * 65_536, "ü" * 32_768]
    added = await engine.add_many([{"content": text, "metadata": {"text": text}} for text in texts], user_id="anna")
    stored = await engine.get_many(ids(added), user_id="anna")
    assert [(memory.content, memory.metadata) for memory in stored] == [(text, {"text": text}) for text in texts]


async def test_many_memories_come_back_in_the_order_they_were_told(engine: MemoryEngine) -> None:
    stored = await engine.add_many(many(100, speaker="Anna", session_id="s1"), user_id="anna")
    assert contents(stored) == [f"note {n}" for n in range(100)]
    assert len(set(ids(stored))) == 100
    assert [memory.session_seq for memory in stored] == sorted({memory.session_seq for memory in stored})
    assert await engine.get_many(ids(stored)[::-1], user_id="anna") == stored[::-1]
    assert await engine.add_many([], user_id="anna") == []


async def test_many_memories_cost_one_embedding_call(bench: EngineBench) -> None:
    """B4"""
    await bench.engine().add_many(many(40), user_id="anna")
    assert [len(call) for call in bench.embedder.calls] == [40]


async def test_get_many_returns_what_exists_each_once_in_the_order_asked(engine: MemoryEngine) -> None:
    """A2"""
    first, second = await engine.add_many(many(2), user_id="anna")
    asked = [second.id, "unknown", first.id, second.id, "", "\0", "\ud800"]
    assert await engine.get_many(asked, user_id="anna") == [second, first]
    assert await engine.get_many([], user_id="anna") == []


async def test_a_list_is_newest_first(bench: EngineBench, engine: MemoryEngine) -> None:
    for n in range(3):
        await engine.add(f"note {n}", user_id="anna")
        bench.clock.advance(seconds=1)
    assert contents(await engine.list(user_id="anna")) == ["note 2", "note 1", "note 0"]


async def test_an_update_is_found_by_what_it_says_now(searching: MemoryEngine) -> None:
    added = await searching.add("Anna lives in Munich", user_id="anna")
    await searching.add("Ben plays the violin", user_id="anna")
    assert contents(await searching.search("Munich", user_id="anna", strategies=["keyword"])) == [added.content]
    changed = await searching.update(added.id, user_id="anna", content="Anna lives in Graz")
    for strategies in (["keyword"], ["semantic"], ["entity"]):
        found = await searching.search("Graz", user_id="anna", strategies=strategies, limit=1)
        assert [item.memory for item in found.items] == [changed], strategies
    assert contents(await searching.search("Munich", user_id="anna", strategies=["keyword"])) == []


async def test_an_update_changes_what_it_names_and_keeps_the_rest(bench: EngineBench, engine: MemoryEngine) -> None:
    added = await engine.add("Anna bakes Stollen", user_id="anna", **EVERYTHING)
    bench.clock.advance(minutes=1)
    changed = await engine.update(added.id, user_id="anna", importance=0.1, metadata={"city": "Graz"})
    expected = added.evolve(
        importance=0.1, metadata={"city": "Graz"}, updated_at=bench.clock.now(), version=2, index=changed.index
    )
    assert changed == expected
    assert changed.index.generation == 2
    assert await engine.get(added.id, user_id="anna") == changed


async def test_a_memory_with_all_the_tags_it_may_have_can_still_be_updated(engine: MemoryEngine) -> None:
    added = await engine.add("Stollen #baking", user_id="anna", tags=[f"tag {n}" for n in range(64)])
    changed = await engine.update(added.id, user_id="anna", content="Stollen with marzipan #sweet")
    assert len(changed.tags) == 66
    assert {"tag 0", "baking", "sweet"} < set(changed.tags)


async def test_the_history_has_every_version_oldest_first(bench: EngineBench, engine: MemoryEngine) -> None:
    added = await engine.add("version 1", user_id="anna")
    times = [NOW]
    for number in range(2, 5):
        bench.clock.advance(seconds=1)
        times.append(bench.clock.now())
        await engine.update(added.id, user_id="anna", content=f"version {number}")
    entries = await engine.history(added.id, user_id="anna")
    assert [entry.content for entry in entries] == [f"version {number}" for number in range(1, 5)]
    assert [entry.version for entry in entries] == [1, 2, 3, 4]
    assert [entry.event for entry in entries] == ["added", "updated", "updated", "updated"]
    assert [entry.changed_at for entry in entries] == times
    assert {entry.memory_id for entry in entries} == {added.id}


async def test_of_two_updates_at_once_none_is_lost(engine: MemoryEngine) -> None:
    added = await engine.add("version 1", user_id="anna")
    outcomes = await asyncio.gather(
        *(engine.update(added.id, user_id="anna", content=f"by {n}") for n in range(5)), return_exceptions=True
    )
    taken = [outcome.content for outcome in outcomes if isinstance(outcome, Memory)]
    assert taken
    assert all(isinstance(outcome, Memory | Conflict) for outcome in outcomes)
    told = [entry.content for entry in await engine.history(added.id, user_id="anna")]
    assert sorted(told) == sorted(["version 1", *taken])


async def test_an_update_to_what_another_memory_says_is_a_conflict(engine: MemoryEngine) -> None:
    first, second = await engine.add_many(many(2), user_id="anna")
    with pytest.raises(Conflict):
        await engine.update(second.id, user_id="anna", content=first.content)
    assert await engine.get_many([first.id, second.id], user_id="anna") == [first, second]


async def test_a_deleted_memory_is_nowhere(searching: MemoryEngine) -> None:
    kept, gone = await searching.add_many(
        [{"content": "Anna lives in Munich"}, {"content": "Anna left Munich in May"}], user_id="anna"
    )
    await searching.search("Munich", user_id="anna")
    await searching.delete(gone.id, user_id="anna")
    assert await searching.get_many([kept.id, gone.id], user_id="anna") == [kept]
    assert (await searching.list(user_id="anna")).items == (kept,)
    for strategies in (["semantic"], ["keyword"], ["entity"], None):
        found = await searching.search("Munich in May", user_id="anna", strategies=strategies)
        assert [item.memory for item in found.items] == [kept], strategies
    for call in (searching.get, searching.delete, searching.history):
        with pytest.raises(NotFound):
            await call(gone.id, user_id="anna")
    with pytest.raises(NotFound):
        await searching.update(gone.id, user_id="anna", content="again")


async def test_deleting_everything_leaves_nothing_and_nobody_else_notices(searching: MemoryEngine) -> None:
    await searching.add_many(many(20), user_id="anna")
    changed, *_ = (await searching.list(user_id="anna", limit=1)).items
    await searching.update(changed.id, user_id="anna", content="note Munich")
    kept = await searching.add("note of Ben", user_id="ben")
    await searching.search("note", user_id="anna")
    receipt = await searching.delete_all(user_id="anna")
    assert receipt.ok
    assert (receipt.user_id, receipt.erased_at) == ("anna", NOW)
    documents = receipt.stores[0]
    assert (documents.removed["memories"], documents.removed["history"], documents.remaining) == (20, 1, 0)
    assert (await searching.list(user_id="anna")).items == ()
    assert contents(await searching.search("note", user_id="anna")) == []
    assert contents(await searching.search("note", user_id="ben")) == [kept.content]
    again = await searching.delete_all(user_id="anna")
    assert again.ok
    assert not any(again.stores[0].removed.values())
    assert contents(await _added_and_found(searching)) == ["note after the erasure"]


async def _added_and_found(engine: MemoryEngine) -> Any:
    await engine.add("note after the erasure", user_id="anna")
    return await engine.search("note", user_id="anna")


@pytest.mark.durable
async def test_a_restart_finds_everything(bench: EngineBench, regime: str) -> None:
    """A8: nothing is lost when the process ends; indexes in memory are built anew."""
    before = bench.engine()
    stored = await before.add_many(
        [{"content": f"note {n}", "speaker": "Anna", "session_id": "s1", "occurred_at": OCCURRED} for n in range(20)],
        user_id="anna",
    )
    gone, changed = stored[0], stored[1]
    await before.delete(gone.id, user_id="anna")
    changed = await before.update(changed.id, user_id="anna", content="Anna lives in Graz")
    expected = [changed, *stored[2:]]
    history = await before.history(changed.id, user_id="anna")
    await before.aclose()

    after = bench.engine(**REGIMES[regime])
    assert await after.get_many(ids(stored), user_id="anna") == expected
    assert list((await after.list(user_id="anna", limit=50)).items) == expected[::-1]
    assert await after.history(changed.id, user_id="anna") == history
    for strategies in (["semantic"], ["keyword"], ["entity"]):
        found = await after.search("Graz", user_id="anna", strategies=strategies, limit=1)
        assert [item.memory for item in found.items] == [changed], strategies


@pytest.mark.durable
async def test_a_cursor_outlives_a_restart(bench: EngineBench) -> None:
    """A9"""
    before = bench.engine()
    await before.add_many(many(5), user_id="anna")
    page = await before.list(user_id="anna", limit=2)
    found = await before.search("note", user_id="anna", limit=2)
    await before.aclose()
    after = bench.engine()
    assert contents(await after.list(user_id="anna", limit=2, cursor=page.next_cursor)) == ["note 2", "note 1"]
    rest = await after.search("note", user_id="anna", limit=9, cursor=found.next_cursor)
    assert sorted(contents(found) + contents(rest)) == [f"note {n}" for n in range(5)]


async def test_what_one_process_writes_another_one_sees(bench: EngineBench, regime: str) -> None:
    ours = bench.engine(owner_index_staleness_s=0.0, **REGIMES[regime])
    theirs = bench.engine(owner_index_staleness_s=0.0, **REGIMES[regime])
    first = await ours.add("note 1 from Munich", user_id="anna")
    assert contents(await theirs.search("note", user_id="anna")) == ["note 1 from Munich"]
    await theirs.add("note 2 from Graz", user_id="anna")
    assert sorted(contents(await ours.search("note", user_id="anna"))) == ["note 1 from Munich", "note 2 from Graz"]
    bench.clock.advance(seconds=1)
    await theirs.update(first.id, user_id="anna", content="note 1 from Graz")
    for strategies in (["keyword"], ["semantic"], ["entity"]):
        found = await ours.search("Graz", user_id="anna", strategies=strategies, limit=2)
        assert sorted(contents(found)) == ["note 1 from Graz", "note 2 from Graz"], strategies


async def test_what_was_just_written_is_searched_at_once(searching: MemoryEngine) -> None:
    """B4: embeddings without a network make a memory searchable by meaning when `add` returns."""
    await searching.add("Ben plays the violin", user_id="anna")
    await searching.search("violin", user_id="anna")
    added = await searching.add("Anna lives in Munich", user_id="anna")
    for strategies in (["semantic"], ["keyword"], ["entity"]):
        found = await searching.search("Munich", user_id="anna", strategies=strategies, limit=1)
        assert contents(found) == ["Anna lives in Munich"], strategies
    await searching.update(added.id, user_id="anna", content="Anna sings")
    for strategies in (["semantic"], ["keyword"]):
        found = await searching.search("sings", user_id="anna", strategies=strategies, limit=1)
        assert contents(found) == ["Anna sings"], strategies


async def test_what_another_process_deleted_hides_nothing_that_is_left(bench: EngineBench, regime: str) -> None:
    """Hits that are gone are replaced, however many they are: an empty answer would look like an empty memory."""
    ours = bench.engine(**REGIMES[regime])
    theirs = bench.engine()
    await ours.add("bread, at last", user_id="anna")
    doomed = await ours.add_many(many(25, "bread bread bread {n}"), user_id="anna")
    assert "bread, at last" not in contents(await ours.search("bread", user_id="anna", limit=20))
    for memory_id in ids(doomed):
        await theirs.delete(memory_id, user_id="anna")
    for strategies in (["semantic"], None):
        found = await ours.search("bread", user_id="anna", limit=1, strategies=strategies)
        assert contents(found) == ["bread, at last"]
        assert found.next_cursor is None
