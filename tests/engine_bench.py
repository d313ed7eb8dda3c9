"""Engines made by hand for tests: on any backend, with a clock that stands still and vectors that need no model.

A bench is one backend's storage. Engines on it can follow each other, like a process that was restarted, or stand side
by side, like two processes.
"""

import asyncio
import inspect
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np

from context0.cache.shared import SharedCache
from context0.embeddings.protocol import Embedder, FloatMatrix
from context0.memory.engine import MemoryEngine
from context0.memory.parts import EngineParts, Limits
from context0.memory.results import SearchResult
from stores.chat_protocol import ChatStore
from stores.errors import Unavailable
from stores.local.vectors import LocalVectors
from stores.protocols import DocumentStore, GraphStore
from stores.reference.chats import ReferenceChats
from stores.reference.documents import ReferenceDocuments
from stores.reference.graph import ReferenceGraph
from stores.reference.replies import ReferenceReplies
from stores.reply_protocol import ReplyStore
from stores.sqlite.chats import SqliteChats
from stores.sqlite.database import SqliteDatabase
from stores.sqlite.documents import SqliteDocuments
from stores.sqlite.graph import SqliteGraph
from stores.sqlite.replies import SqliteReplies
from tests.contracts.builders import NOW, words_of

DIMENSION: Final = 64
REGIMES: Final[Mapping[str, Mapping[str, Any]]] = {
    "owner index": {},
    "stores' arms": {"owner_index_max_memories": 0},
}
"""Limits under which a search is answered by the owner's index in memory, or by the stores' own."""

Stores = tuple[DocumentStore, GraphStore, ChatStore, ReplyStore]


class FakeClock:
    """Stands still until a test moves it."""

    def __init__(self, at: datetime = NOW) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def advance(self, **by: float) -> None:
        self.at += timedelta(**by)


class HashingEmbedder:
    """Texts that share words lie near each other: each word is one of DIMENSION axes. Counts its calls."""

    def __init__(self, *, local: bool = True, model: str = "hashing/64") -> None:
        self.model = model
        self.dimension: int | None = DIMENSION
        self.local = local
        self.calls: list[list[str]] = []

    async def embed(self, texts: Sequence[str]) -> FloatMatrix:
        if texts:
            self.calls.append(list(texts))
        rows = np.zeros((len(texts), DIMENSION), np.float32)
        for row, text in zip(rows, texts, strict=True):
            row[0] = 0.1  # for texts without a word
            for word in words_of(text):
                row[1 + zlib.crc32(word.encode()) % (DIMENSION - 1)] += 1
        unit: FloatMatrix = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
        return unit

    async def aclose(self) -> None:
        """Nothing is open."""


class Faulty:
    """Stands before a store or an embedder, counts the calls of its methods, and lets them fail when told to.

    faults: by method, an error to raise, or "hang". before: by method, what is awaited before the call goes through.
    """

    def __init__(self, store: Any) -> None:
        self._store = store
        self.faults: dict[str, Exception | str] = {}
        self.before: dict[str, Callable[[], Any]] = {}
        self.calls: Counter[str] = Counter()
        self.called = asyncio.Event()
        self._repaired = asyncio.Event()

    def down(self, *names: str) -> None:
        """Let the methods fail, or all of them; `aclose` always works."""
        self.faults |= dict.fromkeys(names or self._methods(), Unavailable("the store is down"))

    def hang(self, *names: str) -> None:
        self.faults |= dict.fromkeys(names or self._methods(), "hang")

    def repair(self) -> None:
        """Let everything work again, and what hangs go on."""
        self._repaired.set()
        self._repaired = asyncio.Event()
        self.faults = {}
        self.before.clear()

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._store, name)
        if inspect.isasyncgenfunction(member):
            return lambda *args, **kwargs: self._iterated(name, member(*args, **kwargs))
        if inspect.iscoroutinefunction(member):
            return lambda *args, **kwargs: self._awaited(name, lambda: member(*args, **kwargs))
        return member

    def _methods(self) -> list[str]:
        return [
            name
            for name in dir(self._store)
            if not name.startswith("_")
            and name != "aclose"
            and callable(getattr(type(self._store), name, None))
            and (
                inspect.iscoroutinefunction(getattr(self._store, name))
                or inspect.isasyncgenfunction(getattr(self._store, name))
            )
        ]

    async def _pass(self, name: str) -> None:
        self.calls[name] += 1
        self.called.set()
        await asyncio.sleep(0)
        if name in self.before:
            await self.before[name]()
        fault = self.faults.get(name)
        if fault == "hang":
            await self._repaired.wait()
        if isinstance(fault, Exception):
            raise fault

    async def _awaited(self, name: str, call: Callable[[], Any]) -> Any:
        await self._pass(name)
        return await call()

    async def _iterated(self, name: str, batches: AsyncIterator[Any]) -> AsyncIterator[Any]:
        await self._pass(name)
        async for batch in batches:
            yield batch


class EngineBench:
    """One backend's storage, and the engines that were opened on it; all of them are closed at the end."""

    def __init__(self, name: str, connect: Callable[[], Stores]) -> None:
        self.name = name
        self.clock = FakeClock()
        self.embedder = HashingEmbedder()
        self._connect = connect
        self._engines: list[MemoryEngine] = []

    def engine(
        self,
        *,
        documents: Callable[[DocumentStore], Any] | None = None,
        graph: Callable[[GraphStore], Any] | None = None,
        chats: Callable[[ChatStore], Any] | None = None,
        vectors: Any = None,
        embedder: Embedder | Any = None,
        shared: SharedCache | None = None,
        **limits: Any,
    ) -> MemoryEngine:
        """Return an engine that has opened nothing yet.

        documents, graph, chats: make the engine's store from the backend's. vectors: a store instead of the local one.
        limits: any of `Limits`; the background work looks for work only when it is woken.
        """
        store, relations, conversations, replies = self._connect()
        store = store if documents is None else documents(store)
        chosen = Limits(**{"index_interval_s": 3600.0, **limits})
        follower = LocalVectors(store, staleness_s=chosen.owner_index_staleness_s)
        parts = EngineParts(
            documents=store,
            graph=relations if graph is None else graph(relations),
            chats=conversations if chats is None else chats(conversations),
            vectors=follower if vectors is None else vectors,
            embedder=self.embedder if embedder is None else embedder,
            clock=self.clock,
            limits=chosen,
            shared=shared,
            replies=replies,
        )
        engine = MemoryEngine(parts=parts)
        self._engines.append(engine)
        return engine

    def forget(self, engine: MemoryEngine) -> None:
        """Leave it to the test to close `engine`."""
        self._engines.remove(engine)

    async def aclose(self) -> None:
        for engine in self._engines:
            await engine.aclose()


@asynccontextmanager
async def _reference(_folder: Path) -> AsyncIterator[Callable[[], Stores]]:
    documents = ReferenceDocuments()
    chats, replies = ReferenceChats(), ReferenceReplies()
    yield lambda: (documents, ReferenceGraph(documents), chats, replies)


@asynccontextmanager
async def _sqlite(folder: Path) -> AsyncIterator[Callable[[], Stores]]:
    def connect() -> Stores:
        database = SqliteDatabase(folder / "context0.db", synchronous="NORMAL")
        return SqliteDocuments(database), SqliteGraph(database), SqliteChats(database), SqliteReplies(database)

    yield connect


@asynccontextmanager
async def _mongodb(_folder: Path) -> AsyncIterator[Callable[[], Stores]]:
    from stores.mongo.chats import MongoChats
    from stores.mongo.client import MongoDatabase
    from stores.mongo.documents import MongoDocuments
    from stores.mongo.graph import MongoGraph
    from stores.mongo.replies import MongoReplies
    from tests.mongo_server import OPTIONS, database_url, drop, fresh_name

    url = database_url(fresh_name())

    def connect() -> Stores:
        database = MongoDatabase(url, options=OPTIONS)
        return MongoDocuments(database), MongoGraph(database), MongoChats(database), MongoReplies(database)

    try:
        yield connect
    finally:
        await asyncio.to_thread(drop, url)


BACKENDS: Final = {"reference": _reference, "sqlite": _sqlite, "mongodb": _mongodb}


@asynccontextmanager
async def open_bench(backend: str, folder: Path) -> AsyncIterator[EngineBench]:
    """Yield the bench of `backend`, which keeps everything in `folder` or in a database of its own."""
    async with AsyncExitStack() as stack:
        connect = await stack.enter_async_context(BACKENDS[backend](folder))
        bench = EngineBench(backend, connect)
        stack.push_async_callback(bench.aclose)
        yield bench


def contents(found: Any) -> list[str]:
    """Return the texts of a search, a page or a list of memories, in order."""
    if isinstance(found, SearchResult):
        return [item.memory.content for item in found.items]
    return [memory.content for memory in getattr(found, "items", found)]


async def all_pages(ask: Callable[[str | None], Any]) -> list[list[str]]:
    """Return the texts of every page; `ask` takes a cursor."""
    pages: list[list[str]] = []
    cursor: str | None = None
    while True:
        page = await ask(cursor)
        pages.append(contents(page))
        cursor = page.next_cursor
        if cursor is None:
            return pages


async def count_of(engine: MemoryEngine, user_id: str = "anna") -> int:
    """Return how many memories the store has of the user, tombstones included."""
    from stores.records import Scope

    return (await engine._parts.documents.count(Scope(owner=user_id)))["memories"]


def many(number: int, text: str = "note {n}", **fields: Any) -> list[Any]:
    """Return `number` inputs of `add_many`."""
    return [{"content": text.format(n=n), **fields} for n in range(number)]


def ids(memories: Collection[Any]) -> list[str]:
    return [memory.id for memory in memories]
