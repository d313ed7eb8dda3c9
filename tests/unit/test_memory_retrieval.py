"""B1, B3: what is looked up for a turn: one search, or the memories of the answer before, or nothing."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest

from context0.agents.memory_retrieval import MemoryRetrieval
from context0.context.built import BuiltContext, ContextKey, History
from context0.memory.results import SearchResult
from stores.errors import StoreError
from stores.records import MemoryId
from tests.chat_bench import ANNA, Chat, build_turn, open_chat_bench
from tests.context_records import message
from tests.engine_bench import Faulty, HashingEmbedder

ASKING: Final = "Where do I live near the river?"


@pytest.fixture
async def chat(tmp_path: Path) -> AsyncIterator[Chat]:
    async with open_chat_bench("reference", tmp_path) as bench:
        opened = bench.chat(documents=Faulty)
        await opened.engine.add("I live in Munich near the river", user_id="anna")
        yield opened


def embedded(chat: Chat) -> list[list[str]]:
    embedder = chat.engine._parts.embedder
    assert isinstance(embedder, HashingEmbedder)
    return embedder.calls


def answered_with(*used: Any) -> BuiltContext:
    """Return the context of a talk whose last answer used these memories."""
    messages = (message(1), message(2, metadata={"memories_used": list(used)}))
    return BuiltContext(key=ContextKey(scope=ANNA), history=History(messages=messages))


def test_it_has_a_name_and_a_deadline(chat: Chat) -> None:
    agent = MemoryRetrieval(chat.engine, deadline_s=0.5)
    assert (agent.name, agent.deadline_s) == ("memory_retrieval", 0.5)


async def test_it_searches_for_the_message(chat: Chat) -> None:
    turn = await MemoryRetrieval(chat.engine).run(build_turn(ASKING))
    assert turn.found is not None
    assert [one.memory.content for one in turn.found.items] == ["I live in Munich near the river"]
    assert embedded(chat)[-1] == [ASKING]


async def test_it_searches_for_what_the_message_means_where_that_is_known(chat: Chat) -> None:
    await MemoryRetrieval(chat.engine).run(build_turn("And why?", query="Why do I live there?"))
    assert embedded(chat)[-1] == ["Why do I live there?"]


async def test_of_a_long_message_the_head_is_searched_for(chat: Chat) -> None:
    await MemoryRetrieval(chat.engine).run(build_turn("Compare " + "the river and the lake " * 1_000))
    (query,) = embedded(chat)[-1]
    assert query.startswith("Compare the river")
    assert len(query) < 4_000


@pytest.mark.parametrize("text", ["Hello!", "try again"])
async def test_small_talk_and_repetitions_search_for_nothing(chat: Chat, text: str) -> None:
    before = len(embedded(chat))
    turn = await MemoryRetrieval(chat.engine).run(build_turn(text))
    assert (turn.found, len(embedded(chat))) == (None, before)


@pytest.mark.parametrize("changes", [{"mode": "off_record"}, {"privacy": None}, {"tier": None}])
async def test_it_looks_at_nothing_that_the_turn_may_not_use(chat: Chat, changes: dict[str, Any]) -> None:
    retrieval = MemoryRetrieval(chat.engine)
    turn = build_turn(ASKING, **changes)
    calls = dict(chat.engine._parts.documents.calls)  # type: ignore[attr-defined]  # a faulty one counts them
    assert (await retrieval.run(turn)).found is None
    if changes != {"tier": None}:
        (memory,) = await chat.remembered()
        calls = dict(chat.engine._parts.documents.calls)  # type: ignore[attr-defined]  # as above
        assert (await retrieval.recall(turn, answered_with(memory.id))).found is None
    assert dict(chat.engine._parts.documents.calls) == calls  # type: ignore[attr-defined]  # as above


async def test_it_recalls_the_memories_of_the_answer_before_in_their_order(chat: Chat) -> None:
    other = await chat.engine.add("The river is green", user_id="anna")
    (first, *_) = [memory for memory in await chat.remembered() if memory.id != other.id]
    turn = await MemoryRetrieval(chat.engine).recall(build_turn("try again"), answered_with(other.id, first.id, "gone"))
    assert turn.found is not None
    assert [one.memory.id for one in turn.found.items] == [other.id, first.id]
    assert [one.score for one in turn.found.items] == sorted((one.score for one in turn.found.items), reverse=True)


@pytest.mark.parametrize("used", [(), ("gone",), (5, None), ("\ud800",), ({"$ne": 1},)])
async def test_what_is_no_memory_is_not_recalled(chat: Chat, used: tuple[Any, ...]) -> None:
    turn = await MemoryRetrieval(chat.engine).recall(build_turn("try again"), answered_with(*used))
    assert turn.found in (None, SearchResult(items=()))


async def test_nobody_recalls_the_memories_of_another_user(chat: Chat) -> None:
    foreign = await chat.engine.add("I live in Graz", user_id="ben")
    turn = await MemoryRetrieval(chat.engine).recall(build_turn("try again"), answered_with(foreign.id))
    assert turn.found == SearchResult(items=())


async def test_a_search_that_fails_is_raised_and_its_fallback_names_it(chat: Chat) -> None:
    retrieval, turn = MemoryRetrieval(chat.engine), build_turn(ASKING)
    await retrieval.run(turn)
    chat.engine._parts.documents.down()  # type: ignore[attr-defined]  # a faulty one
    with pytest.raises(StoreError):
        await retrieval.recall(turn, answered_with(MemoryId("m1")))
    left = retrieval.fallback(turn.evolve(found=SearchResult(items=())), "store_unavailable")
    assert (left.found, dict(left.failures)) == (None, {"memory_retrieval": "store_unavailable"})
