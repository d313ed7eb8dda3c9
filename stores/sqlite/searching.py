"""The store's own search arms, for owners too large for an index in memory: FTS5, time, and what was stated."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any
from zlib import crc32

import apsw

from stores.records import MENTIONS, Hit, MemoryId, Relation, Statement, TimeWindow
from stores.sqlite.codec import decode_relation, from_ms, from_ms_or_none, to_ms
from stores.sqlite.rows import SEARCHED, as_json, owner_number, query, row_range


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
        f" WHERE memory_words MATCH ? AND memory_words.rowid BETWEEN ? AND ? AND {SEARCHED}"
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
    sql = f"SELECT m.id FROM memories AS m INDEXED BY memories_event WHERE m.owner_no = ? AND {SEARCHED}"
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


def statements(
    about: Collection[str],
    relations: Collection[str] | None,
    closed_by: MemoryId | None,
    owner: str,
    connection: apsw.Connection,
) -> list[Statement]:
    """Memories that state something about the entities, or were ended by `closed_by`, with all their relations."""
    number = owner_number(connection, owner)
    if number is None:
        return []
    stated = (
        f"SELECT memory_row FROM relations WHERE owner_no = ?1 AND relation <> '{MENTIONS}'"
        " AND source IN (SELECT value FROM json_each(?2))"
    )
    if relations is not None:
        stated += " AND relation IN (SELECT value FROM json_each(?4))"
    sql = (
        "SELECT m.row, m.id, m.event_ms, ifnull(i.traits, 0), m.valid_ms, m.invalid_ms, m.superseded_by"
        " FROM memories AS m LEFT JOIN memory_index AS i ON i.row = m.row WHERE m.deleted_ms IS NULL AND m.row IN ("
        f"{stated} UNION SELECT memory_row FROM relations WHERE closed_by = ?3 AND +owner_no = ?1)"
        " ORDER BY m.event_ms, m.id"
    )
    values: list[Any] = [number, as_json(about), closed_by]
    found = query(connection, sql, values if relations is None else [*values, as_json(relations)])
    edges: defaultdict[int, list[Relation]] = defaultdict(list)
    for row, *edge in query(
        connection,
        "SELECT memory_row, source, relation, target, created_ms, valid_ms, invalid_ms, retired_ms, closed_by"
        " FROM relations WHERE memory_row IN (SELECT value FROM json_each(?)) ORDER BY rowid",
        (as_json([row for row, *_ in found]),),
    ):
        edges[row].append(decode_relation(edge))
    return [
        Statement(
            id=memory_id,
            said_at=from_ms(event_ms),
            traits=traits,
            relations=tuple(edges[row]),
            valid_from=from_ms_or_none(valid_ms),
            invalid_at=from_ms_or_none(invalid_ms),
            superseded_by=superseded_by,
        )
        for row, memory_id, event_ms, traits, valid_ms, invalid_ms, superseded_by in found
    ]
