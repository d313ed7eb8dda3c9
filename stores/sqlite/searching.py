"""The store's own search arms, for owners too large for an index in memory: FTS5, time, and what was stated."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from itertools import islice
from math import log1p
from typing import Any
from zlib import crc32

import apsw
import orjson

from stores.owner.postings import K1
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
    """Any of the words, by BM25 without its length term, seeking to the owner's row range inside the index.

    How rare a word is, is counted in the owner's memories alone: FTS5's own bm25() counts in all that the table holds,
    and its scores tell every owner what words the others use.
    """
    number = owner_number(connection, owner)
    if number is None:
        return []
    terms = [crc32(word.encode()).to_bytes(4, "little").hex() for word in dict.fromkeys(words)]
    rarities = orjson.dumps(_rarities(connection, terms, number)).decode()
    values: list[Any] = [rarities, *row_range(number)]
    sql = (
        "WITH held AS MATERIALIZED (SELECT asked.value AS rarity, w.rowid AS row, times_held(memory_words) AS times"
        " FROM json_each(?) AS asked CROSS JOIN memory_words AS w"
        " WHERE w.memory_words MATCH asked.key AND w.rowid BETWEEN ? AND ?"
    )
    if among is not None:
        sql += " AND w.rowid IN (SELECT row FROM memories WHERE id IN (SELECT value FROM json_each(?)))"
        values.append(as_json(among))
    sql += f") SELECT row, sum(rarity * times / (times + {K1})) FROM held GROUP BY row ORDER BY 2 DESC, row"
    ranked, hits = connection.execute(sql, values), list[Hit]()
    live = f"SELECT m.row, m.id FROM memories AS m WHERE m.row IN (SELECT value FROM json_each(?)) AND {SEARCHED}"
    while len(hits) < limit and (rows := list(islice(ranked, 2 * limit))):
        ids = dict(query(connection, live, (as_json(row for row, _ in rows), now_ms)))
        hits += [Hit(ids[row], score) for row, score in rows if row in ids]
    return hits[:limit]


def add_functions(connection: apsw.Connection) -> None:
    """Give the connection what `keyword` calls: FTS5 tells only functions how often a row holds what matched."""
    connection.register_fts5_function("times_held", _times_held)


def _times_held(row: apsw.FTS5ExtensionApi, *_: object) -> int:
    return row.inst_count


def _rarities(connection: apsw.Connection, terms: Sequence[str], number: int) -> dict[str, float]:
    """Return the inverse document frequency, as in BM25, of each term that any of the owner's memories holds."""
    counted = query(
        connection,
        "SELECT asked.value, count(*) FROM json_each(?) AS asked CROSS JOIN memory_words AS w"
        " WHERE w.memory_words MATCH asked.value AND w.rowid BETWEEN ? AND ? GROUP BY 1",
        (as_json(terms), *row_range(number)),
    )
    ((memories,),) = query(connection, "SELECT next_n FROM owners WHERE owner_no = ?", (number,))
    return {term: log1p((memories - holders + 0.5) / (holders + 0.5)) for term, holders in counted}


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
