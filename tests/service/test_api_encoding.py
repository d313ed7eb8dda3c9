"""What is held of memories as JSON: the same bytes as without, and nothing of a memory that is gone. B6."""

import gc
from dataclasses import replace

import orjson

from context0.api.encoding import EncodedMemories, listed, plain
from context0.memory.engine import MemoryEngine
from context0.memory.results import SearchResult
from tests.engine_bench import EngineBench


async def _found(engine: MemoryEngine) -> SearchResult:
    await engine.add_many([{"content": f"Lena lent the bike to Tom in week {n}"} for n in range(5)], user_id="anna")
    return await engine.search("What did Lena do?", user_id="anna", explain=True)


async def test_a_search_is_told_as_it_would_be_without_what_is_held(bench: EngineBench) -> None:
    result, encoded = await _found(bench.engine()), EncodedMemories()
    assert len(result.items) == 5
    for _ in range(2):
        assert (await encoded.found(result)).body == orjson.dumps(result, default=plain)


async def test_a_page_is_told_as_it_would_be_without_what_is_held(bench: EngineBench) -> None:
    engine, encoded = bench.engine(), EncodedMemories()
    await _found(engine)
    page = await engine.list(user_id="anna")
    for _ in range(2):
        assert (await encoded.page(page.items, page.next_cursor)).body == listed(page.items, page.next_cursor).body


async def test_a_changed_memory_is_told_as_it_is_now(bench: EngineBench) -> None:
    encoded, memory = EncodedMemories(), (await _found(bench.engine())).items[0].memory
    await encoded.page([memory])
    changed = replace(memory, content="Tom gave it back")
    assert orjson.loads((await encoded.page([changed])).body)["items"][0]["content"] == "Tom gave it back"


async def test_with_the_last_memory_that_somebody_holds_its_json_goes(bench: EngineBench) -> None:
    encoded, result = EncodedMemories(), await _found(bench.engine())
    copies = [replace(one.memory) for one in result.items]
    await encoded.page(copies)
    assert len(encoded) == len(copies)
    copies.clear()
    gc.collect()
    assert len(encoded) == 0
