"""What a search tells of itself: ranks, contributions, rules; and why a memory is not there."""

from datetime import timedelta
from typing import Any

import pytest

from context0.memory.engine import MemoryEngine
from context0.memory.inputs import ARM_NAMES
from tests.contracts.builders import NOW
from tests.engine_bench import EngineBench, many

YESTERDAY = NOW - timedelta(days=1)


async def reason(engine: MemoryEngine, memory_id: str, query: str = "bread", **options: Any) -> str:
    found = await engine.search(query, user_id="anna", why_not=[memory_id], **options)
    told = found.explanation["why_not"]
    assert isinstance(told, dict)
    return str(told[memory_id])


async def conversation(engine: MemoryEngine) -> None:
    turns = [
        ("Ben", "Which bakery did you go to?"),
        ("Anna", "I went to the bakery of Tartine in Munich yesterday"),
        ("Ben", "I would rather eat cake"),
        ("Anna", "The weather is lovely"),
    ]
    await engine.add_many(
        [{"content": text, "speaker": who, "session_id": "s1", "occurred_at": YESTERDAY} for who, text in turns],
        user_id="anna",
    )


# --- explain


async def test_each_arm_tells_its_rank_and_score_of_each_memory(searching: MemoryEngine) -> None:
    await conversation(searching)
    found = await searching.search("Which bakery did Anna visit yesterday?", user_id="anna", explain=True)
    assert len(found.items) == 4
    for item in found.items:
        told: Any = item.explanation
        assert told["scores"] == pytest.approx(item.arms)
        assert {name for name, rank in told["ranks"].items() if rank is not None} == set(item.arms)
        assert told["of"] == 4
    for arm in ("semantic", "keyword"):
        placed: Any = [(i.explanation["ranks"][arm], -i.arms[arm]) for i in found.items if arm in i.arms]  # type: ignore[index]
        assert [score for _, score in sorted(placed)] == sorted(score for _, score in placed)


@pytest.mark.parametrize("strategies", [None, ["keyword"], ["keyword", "semantic", "temporal"]])
async def test_the_contributions_add_up_to_the_score(searching: MemoryEngine, strategies: Any) -> None:
    await conversation(searching)
    question = "Which bakery did Anna visit yesterday?"
    found = await searching.search(question, user_id="anna", explain=True, strategies=strategies)
    assert found.items
    for item in found.items:
        told: Any = item.explanation["contributions"]
        assert sum(told.values()) == pytest.approx(item.score, abs=1e-3)


async def test_the_rules_tell_what_they_read_from_the_question(engine: MemoryEngine) -> None:
    await conversation(engine)
    found = await engine.search("When did Anna go to tartine yesterday?", user_id="anna", explain=True)
    rules: Any = found.explanation["rules"]
    assert (rules["intent"], rules["answer_kind"], rules["speakers"]) == ("when", "time", ("Anna",))
    assert rules["names_stripped"]
    assert "Anna" not in rules["embedded_text"]
    assert rules["range"].text == "yesterday"
    assert rules["profile"] == "dialogue"
    assert rules["weights"]["speaker"] > 0
    best: Any = found.items[0].explanation["contributions"]
    assert {"speaker", "temporal", "answers", "after_question"} <= set(best)


async def test_a_name_that_only_the_memories_know_is_found_in_small_letters(searching: MemoryEngine) -> None:
    await searching.add_many(
        [*many(5, "nothing of note {n}"), {"content": "We met Zanzibar Joe at the lake"}], user_id="anna"
    )
    for question in ("what about zanzibar joe?", "did zanzibar joe's boat sink"):
        found = await searching.search(question, user_id="anna", strategies=["entity"])
        assert [item.memory.content for item in found.items] == ["We met Zanzibar Joe at the lake"]


async def test_the_rules_tell_which_known_names_the_question_holds(engine: MemoryEngine) -> None:
    await engine.add("We met Zanzibar Joe at the lake", user_id="anna")
    await engine.add("Zanzibar Joe has a boat", user_id="anna")
    found = await engine.search("where is zanzibar joe?", user_id="anna", explain=True)
    rules: Any = found.explanation["rules"]
    assert rules["known_entities"] == {"zanzibar joe": 2}


async def test_the_rules_tell_which_arms_took_part_and_why_others_did_not(searching: MemoryEngine) -> None:
    await conversation(searching)
    found = await searching.search("bakery", user_id="anna", explain=True, strategies=["keyword", "temporal"])
    rules: Any = found.explanation["rules"]
    assert set(rules["arms"]) == set(ARM_NAMES)
    assert rules["arms"] == {
        "semantic": "not chosen",
        "keyword": "asked",
        "entity": "not chosen",
        "temporal": "the question gives it nothing to look for",
    }


async def test_nothing_is_explained_unasked(searching: MemoryEngine) -> None:
    await conversation(searching)
    found = await searching.search("bakery", user_id="anna")
    assert found.explanation == {}
    assert all(item.explanation == {} for item in found.items)


# --- why not


async def test_a_memory_on_the_page_is_said_to_be_there(searching: MemoryEngine) -> None:
    memory = await searching.add("bread", user_id="anna")
    assert await reason(searching, memory.id) == "it is on the page"


async def test_a_memory_behind_the_page_has_its_rank_and_score(engine: MemoryEngine) -> None:
    stored = await engine.add_many([*many(3, "bread {n}"), {"content": "butter"}], user_id="anna")
    told = await reason(engine, stored[-1].id, limit=2)
    assert told.startswith("rank 4 with score ")
    assert told.endswith("beyond this page")


async def test_a_memory_of_an_earlier_page_is_said_to_be_there(engine: MemoryEngine) -> None:
    await engine.add_many([*many(3, "bread {n}"), {"content": "butter"}], user_id="anna")
    first = await engine.search("bread", user_id="anna", limit=1)
    wanted = first.items[0].memory.id
    again = await engine.search("bread", user_id="anna", limit=1, why_not=[wanted])
    second = await engine.search("bread", user_id="anna", limit=1, why_not=[wanted], cursor=again.next_cursor)
    told: Any = second.explanation["why_not"]
    assert told[wanted].startswith("it is on an earlier page")


async def test_a_memory_that_says_the_same_names_the_one_that_stands_for_it(engine: MemoryEngine) -> None:
    await engine.add_many(
        [{"content": "Bread!", "session_id": "a"}, {"content": "bread", "session_id": "b"}], user_id="anna"
    )
    found = await engine.search("bread", user_id="anna")
    (shown,) = found.items
    assert await reason(engine, shown.same[0]) == f"it says the same as {shown.memory.id}"


async def test_each_condition_that_leaves_a_memory_out_is_named(bench: EngineBench, engine: MemoryEngine) -> None:
    memory = await engine.add("bread", user_id="anna", occurred_at=YESTERDAY, expires_at=NOW + timedelta(hours=1))
    for options, expected in (
        ({"memory_types": ["preference"]}, "its type is not among those asked for"),
        ({"since": NOW}, "it happened before `since`"),
        ({"until": YESTERDAY}, "it happened at `until` or later"),
        ({"as_of": YESTERDAY - timedelta(days=1)}, "it did not hold at `as_of`"),
        ({"filters": {"metadata.x": 1}}, "it does not match the filters"),
    ):
        assert await reason(engine, memory.id, **options) == expected
    bench.clock.advance(hours=2)
    assert await reason(engine, memory.id) in ("it has expired", "there is no such memory of this user")


async def test_a_memory_without_any_of_the_words_was_found_by_no_arm(engine: MemoryEngine) -> None:
    await engine.add("bread", user_id="anna")
    memory = await engine.add("butter", user_id="anna")
    assert await reason(engine, memory.id, strategies=["keyword"]) == "no arm found it"


async def test_where_nothing_is_relevant_enough_the_best_likeness_is_told(engine: MemoryEngine) -> None:
    memory = await engine.add("bread and butter", user_id="anna")
    told = await reason(engine, memory.id, min_relevance=2)
    assert told.startswith("nothing is relevant enough: the best memory reaches ")
    assert told.endswith("below 2.00")


async def test_an_unknown_id_and_another_users_are_told_alike(searching: MemoryEngine) -> None:
    await searching.add("bread", user_id="anna")
    theirs = await searching.add("bread", user_id="ben")
    assert await reason(searching, theirs.id) == await reason(searching, "nobody")
