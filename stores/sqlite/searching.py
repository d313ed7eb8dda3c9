"""The store's own search arms, for owners too large for an index in memory: FTS5 and time, inside the owner's rows."""

from collections.abc import Collection, Sequence
from typing import Any
from zlib import crc32

import apsw

from stores.records import Hit, MemoryId, TimeWindow
from stores.sqlite.codec import to_ms
from stores.sqlite.rows import LIVE, as_json, owner_number, query, row_range


def keyword(
    words: Sequence[str],
    owner: str,
    limit: int,
    among: Collection[MemoryId] | None,
    now_ms: int,
    connection: apsw.Connection,
) -> list[Hit]:
    """Any of the words, by BM25, seeking to the owner's row range inside the index."""
    number = owner_number(connection, owner)
    if number is None:
        return []
    expression = " OR ".join(crc32(word.encode()).to_bytes(4, "little").hex() for word in dict.fromkeys(words))
    sql = (
        "SELECT m.id, -bm25(memory_words) FROM memory_words JOIN memories AS m ON m.row = memory_words.rowid"
        f" WHERE memory_words MATCH ? AND memory_words.rowid BETWEEN ? AND ? AND {LIVE}"
    )
    values: list[Any] = [expression, *row_range(number), now_ms]
    if among is not None:
        sql += " AND m.id IN (SELECT value FROM json_each(?))"
        values.append(as_json(among))
    sql += " ORDER BY memory_words.rank, m.id LIMIT ?"
    return [Hit(memory_id, score) for memory_id, score in query(connection, sql, (*values, limit))]


def temporal(
    window: TimeWindow,
    owner: str,
    limit: int,
    among: Collection[MemoryId] | None,
    now_ms: int,
    connection: apsw.Connection,
) -> list[Hit]:
    """Memories of the window, newest first."""
    number = owner_number(connection, owner)
    if number is None:
        return []
    sql = f"SELECT m.id FROM memories AS m INDEXED BY memories_event WHERE m.owner_no = ? AND {LIVE}"
    values: list[Any] = [number, now_ms]
    if window.since is not None:
        sql += " AND m.event_ms >= ?"
        values.append(to_ms(window.since))
    if window.until is not None:
        sql += " AND m.event_ms < ?"
        values.append(to_ms(window.until))
    if among is not None:
        sql += " AND m.id IN (SELECT value FROM json_each(?))"
        values.append(as_json(among))
    sql += " ORDER BY m.event_ms DESC, m.id DESC LIMIT ?"
    found = query(connection, sql, (*values, limit))
    return [Hit(memory_id, 1 - rank / len(found)) for rank, (memory_id,) in enumerate(found)]
