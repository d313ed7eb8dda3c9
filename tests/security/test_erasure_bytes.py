"""S17, finding 10: after an erasure no byte stands in a file, in Redis, or in a cache. At length: `erasures`.

The canary is put everywhere, and its user is erased while a turn is streamed, a journal waits and adds are under way.
What MongoDB (here its stand-in) leaves in its own files is its own affair: only what we write ourselves is looked at.
"""

import asyncio
import base64
import gc
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import pytest

from context0.chat.service import ChatService
from context0.memory.engine import MemoryEngine
from context0.settings import Settings
from context0.wire import TokenEvent
from stores.errors import Erased
from stores.records import Scope
from tests.mongo_server import database_url, drop, fresh_name
from tests.redis_server import RedisServer, redis_server
from tests.security.erasures import tell
from tests.security.traces import files_with, held_in_caches, held_in_word_caches, redis_with, residues
from tests.service.test_chat_erasure import Gated

CANARY: Final = "zyxquokka4711"
ANNA: Final = Scope(owner="anna")


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    folder = tmp_path / "redis"
    folder.mkdir()
    with redis_server(folder, "--dbfilename", "dump.rdb", "--dir", str(folder), "--rdbcompression", "no") as server:
        yield server


@asynccontextmanager
async def told(
    store: str, tmp_path: Path, redis: RedisServer
) -> AsyncIterator[tuple[MemoryEngine, ChatService, Gated]]:
    """Yield an engine and a chat in which the canary stands everywhere."""
    name = fresh_name()
    url = f"sqlite:///{tmp_path}/data/x.db" if store == "sqlite" else database_url(name)
    settings = Settings(
        data_dir=tmp_path / "data",
        store_url=url,
        cache_url=redis.url,
        learn_from_feedback=True,
        mongodb_timeout_ms=60_000,
        chat_flush_interval_s=3_600,
        chat_flush_changes=1_000,
    )
    llm = Gated()
    llm.gate.set()
    try:
        async with MemoryEngine(settings) as engine, ChatService(engine, llm=llm) as chat:
            await tell(engine, chat, "anna", CANARY)
            yield engine, chat, llm
    finally:
        if store == "mongodb":
            await asyncio.to_thread(drop, database_url(name))


async def erased_in_full_flight(engine: MemoryEngine, chat: ChatService, llm: Gated) -> None:
    """Erase her while a turn says its second word and adds and a flush of the background are under way."""
    llm.gate.clear()
    adding = []
    async for event in chat.stream(f"And my brother is in {CANARY} too", user_id="anna", session_id=CANARY):
        if isinstance(event, TokenEvent) and not llm.gate.is_set():
            adding = [asyncio.create_task(engine.add(f"{CANARY} {n}", user_id="anna")) for n in range(5)]
            adding.append(asyncio.create_task(engine.flush()))
            receipt = await engine.delete_all(user_id="anna")
            assert receipt.ok, receipt
            llm.gate.set()
    for task in adding:
        with suppress(Erased):
            await task
    assert (await engine.delete_all(user_id="anna")).ok
    assert not any((await engine._parts.documents.count(ANNA)).values())


@pytest.mark.parametrize("store", ["sqlite", "mongodb"])
async def test_no_file_no_redis_and_no_cache_holds_a_byte_of_it(store: str, tmp_path: Path, redis: RedisServer) -> None:
    data = tmp_path / "data"
    async with told(store, tmp_path, redis) as (engine, chat, llm):
        assert files_with(data, CANARY), "the scan sees what is there: the database, or the journal"
        assert list(held_in_caches(CANARY)), "and what the process remembers"
        assert list(held_in_word_caches(CANARY))
        await erased_in_full_flight(engine, chat, llm)
        llm.prompts.clear()
        assert files_with(data, CANARY) == []
        assert await redis_with(redis, tmp_path / "redis", CANARY) == []
        gc.collect()
        assert list(held_in_caches(CANARY)) == []
        assert sorted(set(held_in_word_caches(CANARY))) == []
    assert files_with(tmp_path, CANARY) == []


async def test_deleting_one_memory_leaves_no_byte_of_it_either(tmp_path: Path, redis: RedisServer) -> None:
    """Its content, its history, its words and its vectors; what was said in a chat is the conversation's."""
    settings = Settings(data_dir=tmp_path / "data", store_url=f"sqlite:///{tmp_path}/data/x.db", cache_url=redis.url)
    async with MemoryEngine(settings) as engine:
        await engine.add("I like bread", user_id="anna")
        memory = await engine.add(f"I live near {CANARY}", user_id="anna", tags=[CANARY], metadata={"place": CANARY})
        await engine.update(memory.id, user_id="anna", content=f"I moved from {CANARY} to Graz")
        await engine.search(f"near {CANARY}", user_id="anna")
        assert files_with(tmp_path / "data", CANARY)
        await engine.delete(memory.id, user_id="anna")
        assert files_with(tmp_path / "data", CANARY) == []
        assert await redis_with(redis, tmp_path / "redis", CANARY) == []
        gc.collect()
        assert list(held_in_caches(CANARY)) == []


def test_the_scan_finds_what_is_hidden_in_other_writing() -> None:
    for lead in range(4):
        hidden = b"x" * lead + f"… {CANARY} …".encode()
        assert residues(base64.b64encode(hidden), CANARY)
        assert residues(b"x" * lead + zlib.compress(hidden, 1) + b"x" * lead, CANARY)
        assert residues(hidden.hex().encode(), CANARY)
        assert residues(hidden.decode().encode("utf-16-le"), CANARY)
    assert residues(b"nothing of the kind", CANARY) == []
