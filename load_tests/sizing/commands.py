"""Counts what each operation asks of MongoDB, when the owner is in memory."""

import asyncio
import tempfile
from dataclasses import replace
from pathlib import Path

from context0 import ChatService, MemoryEngine, Settings
from context0.runtime import build_parts
from load_tests.sizing.costs import Operation, texts
from stores.mongo.chats import MongoChats
from stores.mongo.client import MongoDatabase, MongoOptions
from stores.mongo.documents import MongoDocuments
from stores.mongo.graph import MongoGraph
from stores.mongo.monitoring import CommandCounter


async def counted(url: str, *, repeats: int) -> dict[str, float]:
    """Return commands by operation. url: of an empty database."""
    counter = CommandCounter()
    database = MongoDatabase(url, options=MongoOptions(min_pool=0, listeners=(counter,)))
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            data_dir=Path(folder), metrics=False, _env_file=None, search_cache_bytes=0, list_cache_bytes=0,
            llm_provider="scripted", chat_extraction="rules", owner_index_staleness_s=3_600, index_interval_s=3_600,
        )  # fmt: skip
        documents = MongoDocuments(database)
        parts = replace(
            build_parts(settings), documents=documents, graph=MongoGraph(database), chats=MongoChats(database)
        )
        items = texts(100 + repeats)
        told = {}
        async with MemoryEngine(settings, parts=parts) as engine, ChatService(engine) as chat:
            stored = await engine.add_many(items[:100], user_id="anna")
            await engine.search("warm", user_id="anna")
            session_id = (await chat.send("hello", user_id="anna")).session_id
            work: dict[str, Operation] = {
                "search": lambda n: engine.search(f"what about number {n}?", user_id="anna"),
                "list": lambda _: engine.list(user_id="anna"),
                "get": lambda n: engine.get(stored[n % 100].id, user_id="anna"),
                "add": lambda n: engine.add(items[100 + n]["content"], user_id="anna"),
                "turn": lambda n: chat.send(f"What of number {n}?", user_id="anna", session_id=session_id),
            }
            for name, one in work.items():
                await _settled(chat)
                counter.reset()
                for n in range(repeats):
                    await one(n)
                await _settled(chat)
                told[name] = len(counter.names) / repeats
    return told


async def _settled(chat: ChatService) -> None:
    """Return when nothing runs behind an answer any more."""
    while running := set(chat._background):  # noqa: SLF001 - nobody else has to know
        await asyncio.wait(running)
