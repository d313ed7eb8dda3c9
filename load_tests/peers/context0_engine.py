"""Context0 by its public API: one SQLite file, static embeddings, everything as installed."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from importlib import import_module
from pathlib import Path

import apsw
from harness.corpus import Memory, Question
from harness.embedding import PrecomputedEmbedder

from context0 import MemoryEngine, Settings
from peers.protocol import Found

for name in ("wordllama", "context0.runtime", "stores.sqlite.build", "stores.local.build"):
    import_module(name)  # the engine imports them on first use; what the other peers need is imported by now, too


class Context0Peer:
    asynchronous = True
    embeds_itself = True

    def __init__(self, embedder: PrecomputedEmbedder) -> None:
        del embedder
        self._exits = AsyncExitStack()

    async def open(self, path: Path) -> None:
        self._file = path / "context0.db"
        settings = Settings(
            store_url=f"sqlite:///{self._file}", data_dir=path, search_cache_bytes=0, list_cache_bytes=0
        )  # each call does its work, like the peers'
        self._engine = await self._exits.enter_async_context(MemoryEngine(settings))

    async def durability(self) -> str:
        # The engine does not hand out its connection; `synchronous` lives in it alone, so fsyncs are counted instead.
        db = apsw.Connection(str(self._file), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            return f"SQLite journal_mode={db.pragma('journal_mode')} (asked), synchronous: see fsyncs per add"
        finally:
            db.close()

    async def add(self, memory: Memory) -> str:
        added = await self._engine.add(
            memory.content,
            user_id=memory.owner,
            speaker=memory.speaker,
            session_id=memory.session_id,
            occurred_at=memory.occurred_at,
        )
        return str(added.id)

    async def add_many(self, memories: Sequence[Memory]) -> list[str]:
        items = [
            {
                "content": memory.content,
                "speaker": memory.speaker,
                "session_id": memory.session_id,
                "occurred_at": memory.occurred_at,
            }
            for memory in memories
        ]
        added = await self._engine.add_many(items, user_id=memories[0].owner)
        return [str(memory.id) for memory in added]

    async def search_vector(self, question: Question, k: int) -> list[Found]:
        result = await self._engine.search(question.text, user_id=question.owner, limit=k, strategies=["semantic"])
        return [Found(str(item.memory.id), item.memory.content) for item in result.items]

    async def search_all(self, question: Question, k: int) -> list[Found]:
        result = await self._engine.search(question.text, user_id=question.owner, limit=k)
        return [Found(str(item.memory.id), item.memory.content) for item in result.items]

    async def get(self, owner: str, memory_id: str) -> Found:
        memory = await self._engine.get(memory_id, user_id=owner)
        return Found(str(memory.id), memory.content)

    async def seek(self, owner: str, number: int, size: int) -> object:
        cursor = None
        for _ in range(number - 1):
            page = await self._engine.list(user_id=owner, limit=size, cursor=cursor)
            cursor = page.next_cursor
        return cursor

    async def page(self, owner: str, position: object, size: int) -> list[Found]:
        page = await self._engine.list(user_id=owner, limit=size, cursor=position)
        return [Found(str(memory.id), memory.content) for memory in page.items]

    async def close(self) -> None:
        await self._exits.aclose()
