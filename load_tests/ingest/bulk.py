"""Bulk ingest beside its floor: the same texts, model and fsync, and of our work only what is unavoidable."""

import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from context0.memory.engine import MemoryEngine
from context0.settings import Settings

BATCH = 1_000
_SCHEMA = """
CREATE TABLE memories (
    id INTEGER PRIMARY KEY, owner TEXT NOT NULL, content TEXT NOT NULL,
    speaker TEXT, session_id TEXT, occurred_at TEXT, vector BLOB NOT NULL
);
CREATE VIRTUAL TABLE words USING fts5(content, content='memories', content_rowid='id');
"""
_INSERT = "INSERT INTO memories VALUES (?, ?, ?, ?, ?, ?, ?)"


@dataclass(frozen=True)
class Rates:
    """Memories a second, durable and searchable by word and meaning."""

    floor: float
    ingest: float
    add_many: float


def items_of(turns: Sequence[Any]) -> list[Any]:
    """Return the turns as `ingest` takes them."""
    return [
        {
            "content": turn.content,
            "speaker": turn.speaker,
            "session_id": turn.session_id,
            "occurred_at": turn.occurred_at,
        }
        for turn in turns
    ]


def floor(items: Sequence[Any], model: Any, path: Path) -> float:
    """Embed and insert in batches of 1,000: one table, one FTS5 index, one commit with fsync for each batch."""
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.executescript(_SCHEMA)
    started = time.perf_counter()
    for first in range(0, len(items), BATCH):
        batch = items[first : first + BATCH]
        vectors = model.embed([item["content"] for item in batch], norm=True)
        rows = [
            (
                first + place,
                "anna",
                item["content"],
                item["speaker"],
                item["session_id"],
                item["occurred_at"].isoformat(),
                vectors[place].tobytes(),
            )
            for place, item in enumerate(batch)
        ]
        database.execute("BEGIN")
        database.executemany(_INSERT, rows)
        database.executemany("INSERT INTO words (rowid, content) VALUES (?, ?)", [(row[0], row[2]) for row in rows])
        database.execute("COMMIT")
    rate = len(items) / (time.perf_counter() - started)
    database.close()
    return rate


async def ingest(items: Sequence[Any], path: Path, **changed: Any) -> float:
    """Return the rate, from opened files to the last memory found by meaning; `changed`: settings."""
    async with MemoryEngine(settings_at(path, **changed)) as engine:
        await engine.list(user_id="anna")  # opens the store and loads the model
        started = time.perf_counter()
        await engine.ingest(items, user_id="anna", wait=True)
        return len(items) / (time.perf_counter() - started)


async def add_many(items: Sequence[Any], path: Path) -> float:
    """The same by one call after another, as a program without `ingest` would."""
    async with MemoryEngine(settings_at(path)) as engine:
        await engine.list(user_id="anna")
        started = time.perf_counter()
        for first in range(0, len(items), BATCH):
            await engine.add_many(items[first : first + BATCH], user_id="anna", wait=True)
        return len(items) / (time.perf_counter() - started)


def settings_at(path: Path, **changed: Any) -> Settings:
    return Settings(store_url=f"sqlite:///{path}", _env_file=None, **changed)
