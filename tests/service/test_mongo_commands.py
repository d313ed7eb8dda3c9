"""What the engine's calls cost on MongoDB, in commands, counted by the driver's listener on a warm store.

The clock of the server does not matter here: a round trip is what an owner of a real one pays for.
"""

import time
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any, Final

import pytest

from context0.memory.engine import MemoryEngine
from context0.memory.parts import EngineParts, Limits
from stores.local.vectors import LocalVectors
from stores.mongo.chats import MongoChats
from stores.mongo.client import MongoDatabase, MongoOptions
from stores.mongo.documents import MongoDocuments
from stores.mongo.graph import MongoGraph
from stores.mongo.monitoring import CommandCounter
from tests.contracts.builders import NOW
from tests.engine_bench import REGIMES, FakeClock, HashingEmbedder, contents, ids, many
from tests.mongo_server import database_url, fresh_name

NARROWINGS: Final[dict[str, dict[str, Any]]] = {
    "plain": {},
    "filters": {"filters": {"speaker": {"ne": "Ben"}}},
    "types and times": {"memory_types": ["semantic"], "since": NOW - timedelta(days=9)},
}
QUESTIONS: Final = {
    "about a topic": "which note is about bread?",
    "about a person": "Where does Anna live?",
    "about a person and a time": "Was Anna in Munich yesterday?",
}
TIMELESS: Final = ("about a topic", "about a person")

Open = Callable[..., MemoryEngine]


class Bench:
    """An engine on a database of its own, and the count of its commands."""

    def __init__(self, url: str) -> None:
        self.counter = CommandCounter()
        self.database = MongoDatabase(url, options=MongoOptions(min_pool=0, listeners=(self.counter,)))
        self.engines: list[MemoryEngine] = []

    def engine(self, **limits: Any) -> MemoryEngine:
        documents = MongoDocuments(self.database)
        chosen = Limits(**{"index_interval_s": 3600.0, "owner_index_staleness_s": 3600.0, **limits})
        parts = EngineParts(
            documents=documents,
            graph=MongoGraph(self.database),
            chats=MongoChats(self.database),
            vectors=LocalVectors(documents, staleness_s=chosen.owner_index_staleness_s),
            embedder=HashingEmbedder(),
            clock=FakeClock(),
            limits=chosen,
        )
        self.engines.append(MemoryEngine(parts=parts))
        return self.engines[-1]

    async def cost(self, call: Any) -> list[str]:
        """Await `call`; return the names of its commands, and assert that no query was sent twice."""
        self.counter.reset()
        await call
        sent = [(name, collection, without_session(body)) for name, collection, body in self.counter.sent]
        assert all(sent.count(each) == 1 for each in sent if each[0] in ("find", "aggregate")), sent
        return self.counter.names


def without_session(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in ("lsid", "maxTimeMS", "$clusterTime")}


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    opened = Bench(database_url(fresh_name()))
    try:
        yield opened
    finally:
        await opened.database.handle.client.drop_database(opened.database.handle.name)
        for engine in opened.engines:
            await engine.aclose()


@pytest.fixture
async def engine(bench: Bench) -> MemoryEngine:
    return await warm(bench.engine())


async def warm(engine: MemoryEngine) -> MemoryEngine:
    """Open everything and write the first vector, as an engine that has been running for a while has done."""
    await engine.flush()
    await engine.add_many(
        [
            {"content": "Anna lives in Munich", "occurred_at": NOW - timedelta(days=1)},
            {"content": "Ben was in Munich with Clara"},
            *many(20, "note {n} about bread"),
        ],
        user_id="anna",
    )
    await engine.search("bread", user_id="anna")
    return engine


async def test_an_add_is_one_write(bench: Bench, engine: MemoryEngine) -> None:
    """B4, B6"""
    assert await bench.cost(engine.add("Clara sings", user_id="anna")) == ["insert"]
    assert await bench.cost(engine.add("Clara sings too", user_id="somebody new")) == ["insert"]
    assert await bench.cost(engine.add("Ben dances", user_id="anna", idempotency_key="k")) == ["insert"]


async def test_a_duplicate_costs_one_read_more(bench: Bench, engine: MemoryEngine) -> None:
    await engine.add("Clara sings", user_id="anna")
    assert await bench.cost(engine.add("Clara sings", user_id="anna")) == ["insert", "find"]


async def test_a_thousand_adds_are_one_write(bench: Bench, engine: MemoryEngine) -> None:
    """B4, B6: two are allowed; a write that took half a second itself looks whether its owner was erased meanwhile."""
    began = time.monotonic()
    cost = await bench.cost(engine.add_many(many(1_000), user_id="ben"))
    assert cost == ["insert"] or (cost == ["insert", "find"] and time.monotonic() - began > 0.5)


async def test_reads_are_one_command(bench: Bench, engine: MemoryEngine) -> None:
    """A2, A9, B6"""
    stored = await engine.add_many(many(100), user_id="ben")
    assert await bench.cost(engine.get_many(ids(stored), user_id="ben")) == ["find"]
    assert await bench.cost(engine.get(stored[0].id, user_id="ben")) == ["find"]
    assert await bench.cost(engine.history(stored[0].id, user_id="ben")) == ["find"]
    assert await bench.cost(engine.list(user_id="ben")) == ["find"]
    page = await engine.list(user_id="ben", limit=30, filters={"speaker": {"ne": "Ben"}})
    following = engine.list(user_id="ben", limit=30, filters={"speaker": {"ne": "Ben"}}, cursor=page.next_cursor)
    assert await bench.cost(following) == ["find"]


@pytest.mark.parametrize("narrowing", NARROWINGS)
@pytest.mark.parametrize("question", QUESTIONS)
async def test_a_search_in_memory_costs_the_fetch_and_one_query_for_a_filter(
    bench: Bench, engine: MemoryEngine, question: str, narrowing: str
) -> None:
    """A5, B6: four are allowed."""
    options = NARROWINGS[narrowing]
    cost = await bench.cost(engine.search(QUESTIONS[question], user_id="anna", limit=5, **options))
    assert cost == (["find", "find"] if narrowing == "filters" else ["find"])


async def test_the_next_page_costs_what_the_first_one_costs(bench: Bench, engine: MemoryEngine) -> None:
    first = await engine.search("bread", user_id="anna", limit=5)
    assert await bench.cost(engine.search("bread", user_id="anna", limit=5, cursor=first.next_cursor)) == ["find"]


async def test_a_user_without_memories_costs_nothing(bench: Bench, engine: MemoryEngine) -> None:
    await engine.search("bread", user_id="nobody")
    assert await bench.cost(engine.search("bread", user_id="nobody")) == []


@pytest.mark.parametrize("question", QUESTIONS)
async def test_a_search_by_the_stores_arms_costs_five_commands(bench: Bench, question: str) -> None:
    """A5, B6: words, the graph, the time if the question names one, at once; then what else there is to know of the
    best, and the fetch; one more for a filter."""
    engine = await warm(bench.engine(**REGIMES["stores' arms"]))
    cost = await bench.cost(engine.search(QUESTIONS[question], user_id="anna", limit=5))
    assert cost == ["find"] * (4 if question in TIMELESS else 5)
    for narrowing in ("filters", "types and times"):
        narrowed = engine.search(QUESTIONS[question], user_id="anna", limit=5, **NARROWINGS[narrowing])
        assert len(await bench.cost(narrowed)) == len(cost) + 1


ARMS: Final = {"semantic": 0, "keyword": 1, "entity": 1, "temporal": 1}
"""What each arm asks the store, beside the fetch."""


@pytest.mark.parametrize("arm", ARMS)
async def test_an_arm_costs_what_it_asks_and_the_fetch(bench: Bench, arm: str) -> None:
    engine = await warm(bench.engine(**REGIMES["stores' arms"]))
    options: dict[str, Any] = {"user_id": "anna", "limit": 5, "strategies": [arm]}
    await engine.search("Was Anna in Munich yesterday?", **options)
    cost = await bench.cost(engine.search("Was Anna in Munich yesterday?", **options))
    assert len(cost) == ARMS[arm] + 1
    narrowed = engine.search("Was Anna in Munich yesterday?", filters={"speaker": {"ne": "Ben"}}, **options)
    assert len(await bench.cost(narrowed)) == ARMS[arm] + 2


async def test_an_arm_that_is_not_called_for_costs_nothing(bench: Bench) -> None:
    engine = await warm(bench.engine(**REGIMES["stores' arms"]))
    for arm, question in (("temporal", "bread"), ("keyword", "?!"), ("entity", "?!")):
        assert await bench.cost(engine.search(question, user_id="anna", strategies=[arm])) == []


async def test_changes_cost_few_commands(bench: Bench, engine: MemoryEngine) -> None:
    (newest,) = (await engine.list(user_id="anna", limit=1)).items
    changed = engine.update(newest.id, user_id="anna", content="note about butter")
    assert await bench.cost(changed) == ["find", "find", "update"]
    deleted = engine.delete(newest.id, user_id="anna")
    assert await bench.cost(deleted) == ["find", "update", "delete", "find", "delete", "delete"]
    assert contents(await engine.search("butter", user_id="anna", strategies=["keyword"])) == []
    await engine.chats()
    bench.counter.reset()
    assert (await engine.delete_all(user_id="anna")).ok
    assert len(bench.counter.names) <= 22, "it is noted twice, counted before and after; ten are the chats'"


async def test_an_idle_engine_sends_nothing(bench: Bench, engine: MemoryEngine) -> None:
    assert len(await bench.cost(engine.flush())) <= 2
