"""LangGraph's SqliteStore with its sqlite-vec index, one namespace per owner."""

import importlib
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from harness.corpus import Memory, Question
from harness.embedding import DIMENSION, PrecomputedEmbedder
from langgraph.store.base import Item, PutOp
from langgraph.store.sqlite import SqliteStore

from peers.bare import asked_durability
from peers.protocol import Found

# sqlite-vec is a loadable extension, and many builds of Python cannot load any (pyenv's cannot).
SQLITE = (
    sqlite3 if hasattr(sqlite3.Connection, "enable_load_extension") else importlib.import_module("pysqlite3.dbapi2")
)


class LangGraphPeer:
    def __init__(self, embedder: PrecomputedEmbedder) -> None:
        self._embedder = embedder

    async def open(self, path: Path) -> None:
        # `from_conn_string` leaves the rollback journal on; WAL is the faster choice that is as durable.
        self._db = SQLITE.connect(path / "langgraph.db", check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        fields = ["content"]
        index = {"dims": DIMENSION, "embed": self._embed, "fields": fields, "text_fields": fields}
        self._store = SqliteStore(self._db, index=index)
        self._store.setup()

    async def durability(self) -> str:
        return asked_durability(self._db)

    async def add(self, memory: Memory) -> str:
        self._store.put(_namespace(memory.owner), str(memory.row), _value(memory))
        return str(memory.row)

    async def add_many(self, memories: Sequence[Memory]) -> list[str]:
        self._store.batch([PutOp(_namespace(m.owner), str(m.row), _value(m)) for m in memories])
        return [str(memory.row) for memory in memories]

    async def search_vector(self, question: Question, k: int) -> list[Found]:
        return _rows(self._store.search(_namespace(question.owner), query=question.text, limit=k))

    async def get(self, owner: str, memory_id: str) -> Found:
        item = self._store.get(_namespace(owner), memory_id)
        return _rows([item] if item else [])[0]

    async def seek(self, owner: str, number: int, size: int) -> object:
        del owner
        return (number - 1) * size

    async def page(self, owner: str, position: object, size: int) -> list[Found]:
        offset = position if isinstance(position, int) else 0
        return _rows(self._store.search(_namespace(owner), limit=size, offset=offset))

    async def close(self) -> None:
        self._db.close()

    def _embed(self, texts: Sequence[str]) -> list[list[float]]:
        return [self._embedder(text) for text in texts]


def _namespace(owner: str) -> tuple[str, ...]:
    return ("memories", owner)


def _value(memory: Memory) -> dict[str, str]:
    return {
        "content": memory.content,
        "speaker": memory.speaker,
        "session_id": memory.session_id,
        "occurred_at": memory.occurred_at.isoformat(),
    }


def _rows(items: Sequence[Item]) -> list[Found]:
    return [Found(item.key, item.value["content"]) for item in items]
