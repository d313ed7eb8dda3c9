"""What no longer holds: facts by rules through the engine, on every backend and in both regimes of search (A10, E5)."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from context0.errors import InvalidInput
from context0.memory.engine import MemoryEngine
from context0.memory.rules.facts import SELF, extract_facts
from context0.memory.rules.names import entity_key
from stores.errors import NotFound
from tests.engine_bench import EngineBench, FakeClock, contents, ids

UPDATES: Final[list[Mapping[str, Any]]] = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "data" / "fact_updates.jsonl").read_text("utf-8").splitlines()
]


@pytest.fixture
def clock(bench: EngineBench) -> FakeClock:
    return bench.clock


async def said(engine: MemoryEngine, *texts: str, clock: FakeClock) -> list[str]:
    """Add texts a day apart, and return their ids."""
    found = []
    for text in texts:
        clock.advance(days=1)
        found.append((await engine.add(text, user_id="anna")).id)
    return found


async def standing(engine: MemoryEngine, *memory_ids: str) -> list[str | None]:
    return [memory.superseded_by for memory in await engine.get_many(memory_ids, user_id="anna")]


async def test_a_newer_fact_ends_the_older_one_with_all_that_stood(engine: MemoryEngine, clock: FakeClock) -> None:
    munich, graz = await said(engine, "I live in Munich.", "I moved to Graz.", clock=clock)
    old, new = await engine.get_many([munich, graz], user_id="anna")
    assert (old.superseded_by, old.invalid_at, old.version) == (graz, clock.now(), 1)
    assert (new.superseded_by, new.invalid_at) == (None, None)


async def test_who_asks_finds_what_holds_first_and_what_held_behind_it(
    searching: MemoryEngine, clock: FakeClock, regime: str
) -> None:
    engine = searching
    await said(engine, "I live in Munich.", *(f"Note {n} on tools" for n in range(5)), "I moved to Graz.", clock=clock)
    found = await engine.search("Where do I live?", user_id="anna", limit=2)
    if regime == "owner index":
        assert contents(found) == ["I moved to Graz.", "I live in Munich."]
    else:  # the stores' own arms rank by words alone
        assert "I live in Munich." in contents(found)


async def test_a_plan_ends_nothing_before_its_time(bench: EngineBench, clock: FakeClock) -> None:
    engine = bench.engine()
    clock.at = datetime(2023, 4, 1, tzinfo=UTC)
    await said(engine, "I live in Munich.", "I'm moving to Oslo in August.", clock=clock)
    assert contents(await engine.search("Where do I live?", user_id="anna"))[0] == "I live in Munich."
    clock.at = datetime(2023, 9, 1, tzinfo=UTC)
    found = await engine.search("Where do I live?", user_id="anna")
    assert contents(found) == ["I'm moving to Oslo in August.", "I live in Munich."]


async def test_a_search_as_of_then_answers_as_of_then(engine: MemoryEngine, clock: FakeClock) -> None:
    start = clock.now()
    await said(engine, "I live in Munich.", "I live in Graz.", "I live in Rome.", clock=clock)
    for days, expected in (
        (0.5, []),
        (1.5, ["I live in Munich."]),
        (2.5, ["I live in Graz."]),
        (9, ["I live in Rome."]),
    ):
        found = await engine.search("I live in", user_id="anna", as_of=start + timedelta(days=days))
        assert contents(found) == expected


async def test_as_of_follows_what_the_text_says_not_when_it_was_said(engine: MemoryEngine) -> None:
    january, may = datetime(2023, 1, 10, tzinfo=UTC), datetime(2023, 5, 2, tzinfo=UTC)
    await engine.add("I live in Munich.", user_id="anna", occurred_at=january)
    await engine.add("I moved to Graz in April.", user_id="anna", occurred_at=may)
    in_april = await engine.search("Munich Graz", user_id="anna", as_of=datetime(2023, 4, 15, tzinfo=UTC))
    assert contents(in_april) == ["I moved to Graz in April."]


async def test_deleting_the_newer_fact_gives_the_older_one_back(engine: MemoryEngine, clock: FakeClock) -> None:
    munich, graz, rome = await said(engine, "I live in Munich.", "I live in Graz.", "I live in Rome.", clock=clock)
    await engine.delete(rome, user_id="anna")
    assert await standing(engine, munich, graz) == [graz, None]
    await engine.delete(graz, user_id="anna")
    assert await standing(engine, munich) == [None]
    assert contents(await engine.search("Where do I live?", user_id="anna")) == ["I live in Munich."]


async def test_deleting_one_in_the_middle_leaves_the_first_ended_by_the_last(
    engine: MemoryEngine, clock: FakeClock
) -> None:
    munich, graz, rome = await said(engine, "I live in Munich.", "I live in Graz.", "I live in Rome.", clock=clock)
    await engine.delete(graz, user_id="anna")
    assert await standing(engine, munich, rome) == [rome, None]


async def test_changing_the_newer_fact_gives_the_older_one_back(engine: MemoryEngine, clock: FakeClock) -> None:
    munich, graz = await said(engine, "I live in Munich.", "I live in Graz.", clock=clock)
    await engine.update(graz, user_id="anna", content="Graz is lovely in May.")
    assert await standing(engine, munich, graz) == [None, None]
    await engine.update(graz, user_id="anna", content="I live in Graz now.")
    assert await standing(engine, munich) == [graz]


async def test_changing_what_no_longer_holds_leaves_it_ended(engine: MemoryEngine, clock: FakeClock) -> None:
    munich, graz = await said(engine, "I live in Munich.", "I live in Graz.", clock=clock)
    changed = await engine.update(munich, user_id="anna", tags=["home"])
    assert (changed.superseded_by, await standing(engine, munich)) == (graz, [graz])


async def test_both_can_be_kept_and_stay_kept(engine: MemoryEngine, clock: FakeClock) -> None:
    munich, graz = await said(engine, "I live in Munich.", "I live in Graz.", clock=clock)
    await engine.keep_both(graz, user_id="anna")
    assert await standing(engine, munich, graz) == [None, None]
    (rome,) = await said(engine, "I live in Rome.", clock=clock)
    assert await standing(engine, munich, graz) == [rome, None]


async def test_what_was_ended_by_a_contradiction_is_told_as_uncertain(engine: MemoryEngine, clock: FakeClock) -> None:
    _, moved = await said(engine, "I live in Munich.", "I live in Graz.", clock=clock)
    _, other = await said(engine, "My birthday is on 3 March.", "My birthday is on 4 March.", clock=clock)
    assert [one.certain for one in await engine.superseded(moved, user_id="anna")] == [True]
    assert [(one.object, one.certain) for one in await engine.superseded(other, user_id="anna")] == [("3 march", False)]


async def test_what_was_superseded_can_be_said_again(engine: MemoryEngine, clock: FakeClock) -> None:
    first, graz, again = await said(engine, "I live in Munich.", "I live in Graz.", "I live in Munich.", clock=clock)
    assert again != first
    assert await standing(engine, first, graz, again) == [graz, again, None]


async def test_other_people_and_relations_of_many_values_end_nothing(engine: MemoryEngine, clock: FakeClock) -> None:
    texts = ("I live in Munich.", "My sister lives in Graz.", "I like tea.", "I like jazz.", "I have a dog called Rex.")
    found = await said(engine, *texts, "I have a dog called Bella.", clock=clock)
    await engine.add("I live in Oslo.", user_id="anna", speaker="Ben")
    await engine.add("I live in Oslo.", user_id="anna", speaker="assistant")
    await engine.add("I live in Rome.", user_id="ben")
    assert await standing(engine, *found) == [None] * 6


async def test_a_text_that_tells_more_than_the_fact_stays(engine: MemoryEngine, clock: FakeClock) -> None:
    long = "I live in Munich, and yesterday the orchestra played Mahler in the new hall until the roof began to leak."
    first, _ = await said(engine, long, "I moved to Graz.", clock=clock)
    assert await standing(engine, first) == [None]
    facts = await engine.facts(user_id="anna", as_of=clock.now())
    assert [(fact.relation, fact.object) for fact in facts] == [("lives_in", "graz")]


async def test_a_batch_is_settled_as_if_it_had_been_said_one_by_one(engine: MemoryEngine) -> None:
    start = datetime(2023, 1, 1, tzinfo=UTC)
    batch = [
        {"content": f"I live in {place}.", "occurred_at": start + timedelta(days=days)}
        for days, place in ((20, "Rome"), (0, "Munich"), (10, "Graz"))
    ]
    rome, munich, graz = await engine.add_many(batch, user_id="anna")
    assert [one.superseded_by for one in (rome, munich, graz)] == [None, graz.id, rome.id]
    assert await standing(engine, *ids([rome, munich, graz])) == [None, graz.id, rome.id]


@pytest.mark.parametrize("update", UPDATES, ids=range(len(UPDATES)))
async def test_no_fact_is_ended_that_should_stay(bench: EngineBench, update: Mapping[str, Any]) -> None:
    engine = bench.engine()
    for day, text in update["said"]:
        await engine.add(text, user_id="anna", occurred_at=datetime.fromisoformat(day).replace(tzinfo=UTC))
    last = datetime.fromisoformat(update["said"][-1][0]).replace(tzinfo=UTC)
    texts = [text for _, text in update["said"]]
    subjects = {fact.subject for text in texts for fact in extract_facts(text, speaker=None, reference=last)}
    facts = [
        fact
        for subject in subjects
        for fact in await engine.facts(user_id="anna", about=None if subject == SELF else subject, as_of=last)
    ]
    holding = {(fact.relation, entity_key(fact.object)) for fact in facts if not fact.negated}
    for relation, value, state in update["expected"]:
        assert (relation, entity_key(value)) in holding or state != "on"


async def test_bad_input_is_refused(untouched: MemoryEngine) -> None:
    with pytest.raises(InvalidInput, match="as_of"):
        await untouched.search("x", user_id="anna", as_of=datetime(2023, 1, 1))  # noqa: DTZ001 - that is the point
    with pytest.raises(InvalidInput, match="about"):
        await untouched.facts(user_id="anna", about=" ")


async def test_an_unknown_memory_keeps_nothing(engine: MemoryEngine) -> None:
    with pytest.raises(NotFound):
        await engine.keep_both("unknown", user_id="anna")
