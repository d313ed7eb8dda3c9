"""The floor: the standard library's sqlite3 and one numpy dot product, nothing else."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from harness.corpus import Memory, Question
from harness.embedding import DIMENSION, PrecomputedEmbedder
from numpy.typing import NDArray

from peers.protocol import Found

SCHEMA = """
CREATE TABLE IF NOT EXISTS memories (
    id INTEGER PRIMARY KEY, owner TEXT NOT NULL, content TEXT NOT NULL,
    speaker TEXT, session_id TEXT, occurred_at TEXT, vector BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS memories_by_owner ON memories (owner, id);
"""
INSERT = "INSERT INTO memories (owner, content, speaker, session_id, occurred_at, vector) VALUES (?, ?, ?, ?, ?, ?)"
SMALLEST_MATRIX = 64


class OwnerMatrix:
    """All vectors of one owner, in an array that doubles when it is full."""

    def __init__(self, ids: list[int], vectors: NDArray[np.float32]) -> None:
        self._count = len(ids)
        room = max(SMALLEST_MATRIX, self._count)
        self._ids = np.zeros(room, dtype=np.int64)
        self._vectors = np.zeros((room, DIMENSION), dtype=np.float32)
        self._ids[: self._count] = ids
        self._vectors[: self._count] = vectors

    def append(self, memory_id: int, vector: NDArray[np.float32]) -> None:
        if self._count == len(self._ids):
            self._ids = np.concatenate([self._ids, np.zeros_like(self._ids)])
            self._vectors = np.concatenate([self._vectors, np.zeros_like(self._vectors)])
        self._ids[self._count] = memory_id
        self._vectors[self._count] = vector
        self._count += 1

    def nearest(self, vector: NDArray[np.float32], k: int) -> list[int]:
        scores = self._vectors[: self._count] @ vector
        if self._count > k:
            best = np.argpartition(scores, -k)[-k:]
            best = best[np.argsort(-scores[best])]
        else:
            best = np.argsort(-scores)
        ids: list[int] = self._ids[best].tolist()
        return ids


class BarePeer:
    def __init__(self, embedder: PrecomputedEmbedder) -> None:
        del embedder
        self._matrices: dict[str, OwnerMatrix] = {}

    async def open(self, path: Path) -> None:
        self._db = sqlite3.connect(path / "bare.db", isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.executescript(SCHEMA)

    async def durability(self) -> str:
        return asked_durability(self._db)

    async def add(self, memory: Memory) -> str:
        return self._insert(memory)

    async def add_many(self, memories: Sequence[Memory]) -> list[str]:
        self._db.execute("BEGIN")
        ids = [self._insert(memory) for memory in memories]
        self._db.execute("COMMIT")
        return ids

    async def search_vector(self, question: Question, k: int) -> list[Found]:
        ids = self._matrix(question.owner).nearest(question.vector, k)
        marks = ",".join("?" * len(ids))
        rows = self._db.execute(f"SELECT id, content FROM memories WHERE id IN ({marks})", ids)
        contents = dict(rows.fetchall())
        return [Found(str(memory_id), contents[memory_id]) for memory_id in ids]

    async def get(self, owner: str, memory_id: str) -> Found:
        sql = "SELECT id, content FROM memories WHERE id = ? AND owner = ?"
        row = self._db.execute(sql, (int(memory_id), owner)).fetchone()
        return Found(str(row[0]), row[1])

    async def seek(self, owner: str, number: int, size: int) -> object:
        sql = "SELECT id FROM memories WHERE owner = ? ORDER BY id DESC LIMIT 1 OFFSET ?"
        (first,) = self._db.execute(sql, (owner, (number - 1) * size)).fetchone()
        return first + 1

    async def page(self, owner: str, position: object, size: int) -> list[Found]:
        sql = "SELECT id, content FROM memories WHERE owner = ? AND id < ? ORDER BY id DESC LIMIT ?"
        rows = self._db.execute(sql, (owner, position, size))
        return [Found(str(row[0]), row[1]) for row in rows.fetchall()]

    async def close(self) -> None:
        self._db.close()

    def _insert(self, memory: Memory) -> str:
        matrix = self._matrix(memory.owner)
        when = memory.occurred_at.isoformat()
        values = (memory.owner, memory.content, memory.speaker, memory.session_id, when, memory.vector.tobytes())
        memory_id = self._db.execute(INSERT, values).lastrowid or 0
        matrix.append(memory_id, memory.vector)
        return str(memory_id)

    def _matrix(self, owner: str) -> OwnerMatrix:
        matrix = self._matrices.get(owner)
        if matrix is None:
            rows = self._db.execute("SELECT id, vector FROM memories WHERE owner = ? ORDER BY id", (owner,)).fetchall()
            vectors = np.frombuffer(b"".join(row[1] for row in rows), dtype=np.float32).reshape(-1, DIMENSION)
            matrix = self._matrices[owner] = OwnerMatrix([row[0] for row in rows], vectors)
        return matrix


def asked_durability(db: sqlite3.Connection) -> str:
    """Ask an open SQLite connection for its journal mode and synchronous setting."""
    (journal,) = db.execute("PRAGMA journal_mode").fetchone()
    (level,) = db.execute("PRAGMA synchronous").fetchone()
    return f"SQLite journal_mode={journal}, synchronous={('OFF', 'NORMAL', 'FULL', 'EXTRA')[level]} (asked)"
