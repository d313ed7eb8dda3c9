"""LanceDB, one table on disk, pre-filtered by owner; hybrid queries by its own full-text index."""

from collections.abc import Sequence
from pathlib import Path

import lancedb
import numpy as np
import pyarrow as pa
from harness.corpus import Memory, Question
from harness.embedding import DIMENSION, PrecomputedEmbedder
from lancedb.index import FTS, Bitmap, BTree

from peers.protocol import Found

SCHEMA = pa.schema(
    [
        *(pa.field(name, pa.string()) for name in ("id", "owner", "content", "speaker", "session_id", "occurred_at")),
        pa.field("vector", pa.list_(pa.float32(), DIMENSION)),
    ]
)
COLUMNS = ["id", "content"]


class LancePeer:
    def __init__(self, embedder: PrecomputedEmbedder) -> None:
        del embedder

    async def open(self, path: Path) -> None:
        self._db = lancedb.connect(path)
        self._table = self._db.create_table("memories", schema=SCHEMA, exist_ok=True)

    async def durability(self) -> str:
        return "a new file per commit, no setting to ask for: see fsyncs per add"

    async def add(self, memory: Memory) -> str:
        return (await self.add_many([memory]))[0]

    async def add_many(self, memories: Sequence[Memory]) -> list[str]:
        ids = [str(memory.row) for memory in memories]
        flat = pa.array(np.concatenate([memory.vector for memory in memories]))
        columns = [
            pa.array(ids),
            pa.array([memory.owner for memory in memories]),
            pa.array([memory.content for memory in memories]),
            pa.array([memory.speaker for memory in memories]),
            pa.array([memory.session_id for memory in memories]),
            pa.array([memory.occurred_at.isoformat() for memory in memories]),
            pa.FixedSizeListArray.from_arrays(flat, DIMENSION),
        ]
        self._table.add(pa.Table.from_arrays(columns, schema=SCHEMA))
        return ids

    async def build_indexes(self) -> None:
        self._table.optimize()
        self._table.create_index("id", config=BTree())
        self._table.create_index("owner", config=Bitmap())
        self._table.create_index("content", config=FTS())

    async def search_vector(self, question: Question, k: int) -> list[Found]:
        query = self._table.search(question.vector).distance_type("cosine")
        query = query.where(_owned_by(question.owner), prefilter=True)
        return _rows(query.select([*COLUMNS, "_distance"]).limit(k).to_list())

    async def search_all(self, question: Question, k: int) -> list[Found]:
        query = self._table.search(query_type="hybrid").vector(question.vector).text(question.text)
        query = query.distance_type("cosine").where(_owned_by(question.owner), prefilter=True)
        return _rows(query.select(COLUMNS).limit(k).to_list())

    async def get(self, owner: str, memory_id: str) -> Found:
        del owner
        return _rows(self._table.search().where(f"id = '{memory_id}'").select(COLUMNS).limit(1).to_list())[0]

    async def seek(self, owner: str, number: int, size: int) -> object:
        del owner
        return (number - 1) * size

    async def page(self, owner: str, position: object, size: int) -> list[Found]:
        offset = position if isinstance(position, int) else 0
        query = self._table.search().where(_owned_by(owner)).select(COLUMNS)
        return _rows(query.offset(offset).limit(size).to_list())

    async def close(self) -> None:
        del self._table, self._db


def _owned_by(owner: str) -> str:
    return f"owner = '{owner}'"


def _rows(rows: Sequence[dict[str, str]]) -> list[Found]:
    return [Found(row["id"], row["content"]) for row in rows]
