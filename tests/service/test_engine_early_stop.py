"""`early_stop`: where the words settle a search, the embedding of the question is neither waited for nor asked for."""

from typing import Any

import pytest

from context0.errors import EmbeddingUnavailable
from context0.memory.engine import MemoryEngine
from tests.engine_bench import EngineBench, Faulty, HashingEmbedder, contents, many

QUESTION = "bread from the Tartine bakery"
TURNS = [
    {"content": "Bread from the Tartine bakery", "speaker": "Anna", "session_id": "s"},
    *many(20, "Nothing but weather number {n}", speaker="Ben", session_id="s"),
]


async def filled(bench: EngineBench, turns: list[Any], **options: Any) -> tuple[MemoryEngine, Any]:
    embedder = Faulty(HashingEmbedder())
    engine = bench.engine(embedder=embedder, **options)
    await engine.add_many(turns, user_id="anna")
    await engine.search("weather", user_id="anna")
    embedder.calls.clear()
    return engine, embedder


async def test_what_the_words_settle_is_answered_without_an_embedding(bench: EngineBench) -> None:
    engine, embedder = await filled(bench, TURNS)
    found = await engine.search(QUESTION, user_id="anna", early_stop=True, explain=True)
    assert contents(found)[0] == TURNS[0]["content"]
    assert embedder.calls["embed"] == 0
    assert found.degraded == ()
    rules: Any = found.explanation["rules"]
    assert rules["arms"]["semantic"] == "not waited for: the others settled it"
    assert "semantic" not in found.items[0].arms


async def test_an_embedder_that_is_down_is_then_not_even_noticed(bench: EngineBench) -> None:
    engine, embedder = await filled(bench, TURNS)
    embedder.faults["embed"] = EmbeddingUnavailable("down")
    assert (await engine.search(QUESTION, user_id="anna", early_stop=True)).degraded == ()
    assert (await engine.search(QUESTION, user_id="anna")).degraded == ("semantic",)


@pytest.mark.parametrize(
    ("question", "options"),
    [
        (QUESTION, {}),
        (QUESTION, {"early_stop": False}),
        ("what does she like to eat for breakfast on sundays?", {"early_stop": True}),
        (QUESTION, {"early_stop": True, "strategies": ["semantic", "keyword"]}),
    ],
    ids=["unasked", "refused", "unsettled", "arms chosen"],
)
async def test_otherwise_every_arm_is_waited_for(bench: EngineBench, question: str, options: Any) -> None:
    engine, embedder = await filled(bench, TURNS)
    await engine.search(question, user_id="anna", **options)
    assert embedder.calls["embed"] == 1


async def test_what_is_not_settled_is_found_as_without_it(bench: EngineBench) -> None:
    engine, _ = await filled(bench, TURNS)
    question = "what does she like to eat for breakfast on sundays?"
    eager = await engine.search(question, user_id="anna", early_stop=True, min_relevance=0)
    plain = await engine.search(question, user_id="anna", min_relevance=0)
    assert [(item.memory.id, item.score) for item in eager.items] == [
        (item.memory.id, item.score) for item in plain.items
    ]


async def test_talks_with_an_assistant_wait_for_every_arm(bench: EngineBench) -> None:
    turns = [{**turn, "speaker": "user" if turn["speaker"] == "Anna" else "assistant"} for turn in TURNS]
    engine, embedder = await filled(bench, turns)
    await engine.search(QUESTION, user_id="anna", early_stop=True)
    assert embedder.calls["embed"] == 1


async def test_the_stores_own_arms_are_all_asked(bench: EngineBench) -> None:
    engine, embedder = await filled(bench, TURNS, owner_index_max_memories=0)
    await engine.search(QUESTION, user_id="anna", early_stop=True)
    assert embedder.calls["embed"] == 1


async def test_the_pages_of_a_stopped_search_follow_each_other(bench: EngineBench) -> None:
    engine, _ = await filled(bench, [{"content": f"bread from the Tartine bakery {n}"} for n in range(7)])
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = await engine.search(QUESTION, user_id="anna", early_stop=True, limit=3, cursor=cursor)
        seen += contents(page)
        cursor = page.next_cursor
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 7
