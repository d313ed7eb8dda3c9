"""Owners too large for an index in memory: what the stores' arms find is weighed as by such an index (B1)."""

from typing import Any

import pytest

from context0.memory import store_hits
from context0.memory.engine import MemoryEngine
from tests.engine_bench import REGIMES, EngineBench, contents, many


@pytest.fixture
def engine(bench: EngineBench) -> MemoryEngine:
    return bench.engine(**REGIMES["stores' arms"])


async def test_who_is_named_said_it(engine: MemoryEngine) -> None:
    said: list[Any] = [{"content": f"bread is best {n}", "speaker": name} for n, name in enumerate(["Ben", "Lena"] * 3)]
    await engine.add_many(said, user_id="anna")
    for name in ("Ben", "Lena"):
        found = await engine.search(f"What does {name} say of bread?", user_id="anna", limit=3)
        assert {item.memory.speaker for item in found.items} == {name}
    options: dict[str, Any] = {"user_id": "anna", "strategies": ["keyword"], "explain": True}
    for item in (await engine.search("What does Ben say of bread?", **options)).items:
        assert set(item.explanation["signals"]) == {"keyword"}, "arms that are chosen count alone"  # type: ignore[call-overload]


async def test_what_follows_a_question_answers_it(engine: MemoryEngine) -> None:
    turns = ["Which bread do you like?", "The bread with seeds, I think."]
    told: list[Any] = [
        {"content": text, "speaker": name, "session_id": "s"} for text, name in zip(turns, ["Ben", "Lena"], strict=True)
    ]
    await engine.add_many([*told, {"content": "The bread with nuts, I think.", "speaker": "Lena"}], user_id="anna")
    found = await engine.search("bread", user_id="anna", explain=True)
    places = {item.memory.content: item.explanation["signals"] for item in found.items}
    assert places[turns[1]]["after_question"] > places["The bread with nuts, I think."]["after_question"]  # type: ignore[index]


async def test_what_no_longer_holds_stands_behind_what_took_its_place(engine: MemoryEngine) -> None:
    await engine.add("I live in Munich", user_id="anna")
    await engine.add("I moved to Graz", user_id="anna")
    assert contents(await engine.search("Where do I live?", user_id="anna")) == ["I moved to Graz", "I live in Munich"]


async def test_what_memory_does_not_hold_is_not_found(engine: MemoryEngine) -> None:
    said: list[Any] = [{"content": f"bread is best {n}", "speaker": name} for n, name in enumerate(["Ben", "Lena"] * 3)]
    await engine.add_many([*said, {"content": "Lena flew to Oslo", "speaker": "Lena"}], user_id="anna")
    near = await engine.search("Who flew to Oslo?", user_id="anna", min_relevance=0.5)
    far = await engine.search("Which violin concerto?", user_id="anna", min_relevance=0.5)
    assert near.items[0].memory.content == "Lena flew to Oslo"
    assert (near.relevance or 0) > 0.5 > (far.relevance or 0)
    assert (far.items, far.degraded) == ((), ())
    everything = await engine.search("Which violin concerto?", user_id="anna", min_relevance=0, limit=50)
    assert (everything.relevance, len(everything.items)) == (None, 7)


@pytest.mark.parametrize("weighed", [1, 3, 300])
async def test_all_that_the_arms_find_is_found_page_by_page(
    weighed: int, engine: MemoryEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_hits, "WEIGHED", weighed)
    await engine.add_many(many(10, "bread {n} and butter"), user_id="anna")
    found: list[Any] = []
    cursor = None
    while True:
        page = await engine.search("bread", user_id="anna", limit=3, cursor=cursor, explain=True)
        found += page.items
        if (cursor := page.next_cursor) is None:
            break
    assert len({item.memory.id for item in found}) == len(found) == 10
    told = [set(item.explanation["contributions"]) for item in found]  # type: ignore[call-overload]
    assert [one == {"arms_alone"} for one in told] == [place >= weighed for place in range(10)]
    assert [item.score for item in found] == sorted((item.score for item in found), reverse=True)


@pytest.mark.parametrize("stored", [3, 1])
async def test_what_was_deleted_meanwhile_is_left_out(stored: int, bench: EngineBench) -> None:
    doomed: list[str] = []

    class Late:
        """The documents, of which one is deleted before more is read of it."""

        def __init__(self, documents: Any) -> None:
            self.documents = documents

        def __getattr__(self, name: str) -> Any:
            return getattr(self.documents, name)

        async def index_rows(self, ids: Any, *, scope: Any) -> Any:
            await self.documents.delete(doomed.pop(), scope=scope, now=bench.clock.now())
            return await self.documents.index_rows(ids, scope=scope)

    engine = bench.engine(documents=Late, **REGIMES["stores' arms"])
    added = await engine.add_many(many(stored, "bread {n}"), user_id="anna")
    doomed.append(added[-1].id)
    left = {f"bread {n}" for n in range(stored - 1)}
    assert set(contents(await engine.search("bread", user_id="anna", explain=True))) == left
