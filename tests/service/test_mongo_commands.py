"""How many commands each engine call sends to MongoDB, counted on warm stores (A2, B4, B6)."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import orjson
import pytest

from context0.memory.engine import MemoryEngine
from context0.memory.parts import EngineParts, Limits
from stores.local.vectors import LocalVectors
from stores.mongo.client import MongoDatabase
from stores.mongo.documents import MongoDocuments
from stores.mongo.graph import MongoGraph
from stores.mongo.monitoring import CommandCounter
from tests.engine_bench import HashingEmbedder
from tests.mongo_server import OPTIONS, database_url, drop, fresh_name

USER = "anna"
ALL_ARMS = "What did Ben say about Munich in May?"


@asynccontextmanager
async def warm_engine(**limits: Any) -> AsyncIterator[tuple[MemoryEngine, CommandCounter]]:
    """An engine that has searched before; its index counts as fresh for an hour."""
    counter, url = CommandCounter(), database_url(fresh_name())
    database = MongoDatabase(url, options=replace(OPTIONS, listeners=(counter,)))
    documents = MongoDocuments(database)
    parts = EngineParts(
        documents=documents,
        vectors=LocalVectors(documents, staleness_s=3600),
        graph=MongoGraph(database),
        embedder=HashingEmbedder(),
        limits=Limits(index_interval_s=3600, owner_index_staleness_s=3600, **limits),
    )
    async with MemoryEngine(parts=parts) as engine:
        await engine.add_many(
            [
                {"content": f"Ben told me about Munich, part {n}", "speaker": "Ben", "metadata": {"part": n}}
                for n in range(200)
            ],
            user_id=USER,
        )
        await engine.search(ALL_ARMS, user_id=USER)
        counter.reset()
        yield engine, counter
    drop(url)


Call = Callable[[MemoryEngine], Awaitable[object]]


async def ids_of(engine: MemoryEngine) -> list[str]:
    return [memory.id for memory in (await engine.list(user_id=USER, limit=100)).items]


@pytest.mark.parametrize(
    ("call", "most", "writes"),
    [
        (lambda engine: engine.add("One more thing", user_id=USER), 1, 1),
        (lambda engine: engine.add_many([{"content": f"Thing {n}"} for n in range(1000)], user_id=USER), 2, 1),
        (lambda engine: engine.list(user_id=USER, limit=100), 1, 0),
        (lambda engine: engine.search(ALL_ARMS, user_id=USER), 1, 0),
        (lambda engine: engine.search(ALL_ARMS, user_id=USER, filters={"metadata.part": {"lt": 50}}), 2, 0),
    ],
    ids=["add", "add_many of 1,000", "list", "search", "search with a filter"],
)
async def test_what_a_call_costs(call: Call, most: int, writes: int) -> None:
    async with warm_engine() as (engine, counter):
        await call(engine)
        assert 1 <= len(counter.names) <= most
        assert sum(name in ("insert", "update", "delete", "findAndModify") for name in counter.names) == writes


async def test_a_hundred_memories_are_fetched_by_one_command() -> None:
    async with warm_engine() as (engine, counter):
        ids = await ids_of(engine)
        counter.reset()
        assert len(await engine.get_many(ids, user_id=USER)) == 100
        assert counter.names == ["find"]


@pytest.mark.parametrize(
    ("question", "most"),
    [(ALL_ARMS, 4), ("munich", 3)],
    ids=["keyword, entity, time, fetch", "keyword, entity, fetch"],
)
async def test_the_stores_own_arms_cost_what_the_question_calls_for(question: str, most: int) -> None:
    async with warm_engine(owner_index_max_memories=0) as (engine, counter):
        await engine.search(question, user_id=USER)
        assert len(counter.names) <= most


async def test_no_command_is_sent_twice_in_one_call() -> None:
    async with warm_engine(owner_index_max_memories=0) as (engine, counter):
        await engine.search(ALL_ARMS, user_id=USER, filters={"speaker": "Ben"})
        bodies = [
            orjson.dumps({**body, "lsid": None, "$clusterTime": None}, default=str, option=orjson.OPT_SORT_KEYS)
            for _, _, body in counter.sent
        ]
        assert len(set(bodies)) == len(bodies)
