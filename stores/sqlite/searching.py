"""The store's own search arms, for owners too large for an index in memory: FTS5, time, and what was stated."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from itertools import accumulate, islice
from math import log1p
from typing import Any, Final
from zlib import crc32

import apsw
import numpy as np
import numpy.typing as npt
import orjson

from stores.owner.postings import K1
from stores.records import MENTIONS, Hit, MemoryId, Relation, Statement, TimeWindow
from stores.sqlite.codec import decode_relation, from_ms, from_ms_or_none, to_ms
from stores.sqlite.rows import SEARCHED, as_json, owner_number, query, row_range

_MOST_READ: Final = 20_000
"""So many places of the rarest words are read, which keeps a search of a million memories within some 15 ms."""
_RANKED: Final = 500
_MOST_BESIDE: Final = 16
"""So many of the commoner words are looked for in what the rarest propose; all of them rank the best of these."""


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
    and its scores tell every owner what words the others use. Unless `among` is given, a memory has to hold one of the
    rarest words, those that are in 20,000 places together. Of those that hold the most, 500 at a time are ranked by
    how often they do.
    """
    number = owner_number(connection, owner)
    if number is None:
        return []
    terms = [crc32(word.encode()).to_bytes(4, "little").hex() for word in dict.fromkeys(words)]
    ((memories,),) = query(connection, "SELECT next_n FROM owners WHERE owner_no = ?", (number,))
    holders = _holders(connection, terms, number, memories)
    rarities = {term: log1p((memories - count + 0.5) / (count + 0.5)) for term, count in holders.items()}
    proposed = iter(_proposed(connection, rarities, _rarest(holders), number, among))
    hits = list[Hit]()
    while len(hits) < limit and (rows := list(islice(proposed, _RANKED))):
        hits += _ranked(connection, rows, rarities, now_ms)
    return hits[:limit]


def _holders(connection: apsw.Connection, terms: Sequence[str], number: int, memories: int) -> dict[str, int]:
    """Return how many of the owner's rows hold each term, the rarest first, without those that none holds.

    Beyond 20,000 it is an estimate, by how far in the owner's rows so many are.
    """
    first, last = row_range(number)
    held = (
        "SELECT count(*), max(row) FROM (SELECT rowid AS row FROM memory_words"
        " WHERE memory_words MATCH ? AND rowid BETWEEN ? AND ? LIMIT ?)"
    )
    counted: dict[str, int] = {}
    for term in terms:
        ((found, row),) = query(connection, held, (term, first, last, _MOST_READ))
        if found == _MOST_READ:
            found = round(found * memories / (row - first + 1))
        if found:
            counted[term] = found
    return dict(sorted(counted.items(), key=lambda pair: pair[1]))


def _rarest(holders: Mapping[str, int]) -> list[str]:
    """Return the first of the terms, together in 20,000 rows at most; at least one, if there is any."""
    fitting = sum(read <= _MOST_READ for read in accumulate(holders.values()))
    return list(holders)[: max(1, fitting)]


def _proposed(
    connection: apsw.Connection,
    rarities: Mapping[str, float],
    rarest: Sequence[str],
    number: int,
    among: Collection[MemoryId] | None,
) -> list[int]:
    """Return the rows that hold one of the rarest terms, or any term if `among` is given; those that hold most first.

    Of a single rarest one the newest 20,000, if it has more.
    """
    if not rarities:
        return []
    first, last = row_range(number)
    if among is not None:
        rarest = list(rarities)
    elif len(rarest) == 1:
        newest = (
            "SELECT min(row) FROM (SELECT rowid AS row FROM memory_words"
            " WHERE memory_words MATCH ? AND rowid BETWEEN ? AND ? ORDER BY rowid DESC LIMIT ?)"
        )
        ((first,),) = query(connection, newest, (rarest[0], first, last, _MOST_READ))
    any_of = " OR ".join(rarest)
    sql = "SELECT json_group_array(rowid) FROM memory_words WHERE memory_words MATCH ? AND rowid BETWEEN ? AND ?"
    found: list[npt.NDArray[np.int64]] = []
    asked = list(rarities)[: len(rarest) + _MOST_BESIDE]
    for term in asked:
        wanted = term if term in rarest else f"({any_of}) AND {term}"
        ((rows,),) = query(connection, sql, (wanted, first, last))
        found.append(np.array(orjson.loads(rows), np.int64))
    rows, places = np.unique(np.concatenate(found), return_inverse=True)
    scores = np.bincount(
        places, np.repeat([rarities[term] for term in asked], [len(part) for part in found]), len(rows)
    )
    if among is not None:
        known = query(
            connection, "SELECT row FROM memories WHERE id IN (SELECT value FROM json_each(?))", (as_json(among),)
        )
        allowed = np.isin(rows, np.array(known, np.int64))
        rows, scores = rows[allowed], scores[allowed]
    best: list[int] = rows[np.argsort(-scores, kind="stable")].tolist()
    return best


def _ranked(connection: apsw.Connection, rows: Sequence[int], rarities: Mapping[str, float], now_ms: int) -> list[Hit]:
    """Return those of the rows that are live, the best first, equal ones by row; their own words are looked through."""
    sql = (
        "SELECT m.id, i.terms FROM memories AS m JOIN memory_index AS i ON i.row = m.row"
        f" WHERE m.row IN (SELECT value FROM json_each(?)) AND {SEARCHED} AND length(i.terms) > 0 ORDER BY m.row"
    )
    held = query(connection, sql, (as_json(rows), now_ms))
    if not held:
        return []
    terms = np.frombuffer(b"".join(blob for _, blob in held), "<u4")
    starts = np.cumsum([0, *(len(blob) // 4 for _, blob in held[:-1])])
    scores = np.zeros(len(held))
    for term, rarity in rarities.items():
        times = np.add.reduceat(terms == int.from_bytes(bytes.fromhex(term), "little"), starts, dtype=np.float64)
        scores += rarity * times / (times + K1)
    return [Hit(held[place][0], float(scores[place])) for place in np.argsort(-scores, kind="stable").tolist()]


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
    relations: Mapping[str, Collection[str]] | None,
    closed_by: MemoryId | None,
    since_ms: int | None,
    owner: str,
    connection: apsw.Connection,
) -> list[Statement]:
    """Memories that state something about the entities, or were ended by `closed_by`, with all their relations."""
    number = owner_number(connection, owner)
    if number is None:
        return []
    edges_of = f"SELECT memory_row FROM relations WHERE owner_no = :owner AND relation <> '{MENTIONS}'"
    if since_ms is not None:
        said = "(SELECT event_ms FROM memories WHERE row = memory_row)"
        edges_of += f" AND (invalid_ms IS NULL OR invalid_ms >= :since OR {said} >= :since)"
    stated = f"{edges_of} AND source IN (SELECT value FROM json_each(:about))"
    if relations is not None:
        stated += (
            f" AND relation IN (SELECT value FROM json_each(:to_any)) UNION ALL {edges_of}"
            " AND target IN (SELECT value FROM json_each(:targets))"  # by its index, not by those of the others
            " AND +source IN (SELECT value FROM json_each(:about))"
            " AND +relation IN (SELECT value FROM json_each(:to_some))"
        )
    sql = (
        "SELECT m.row, m.id, m.event_ms, ifnull(i.traits, 0), m.valid_ms, m.invalid_ms, m.superseded_by"
        " FROM memories AS m LEFT JOIN memory_index AS i ON i.row = m.row WHERE m.deleted_ms IS NULL AND m.row IN ("
        f"{stated} UNION SELECT memory_row FROM relations WHERE closed_by = :closer AND +owner_no = :owner)"
        " ORDER BY m.event_ms, m.id"
    )
    given = {"owner": number, "about": as_json(about), "closer": closed_by, "since": since_ms}
    narrowed = {
        "to_any": as_json([name for name, targets in (relations or {}).items() if not targets]),
        "to_some": as_json([name for name, targets in (relations or {}).items() if targets]),
        "targets": as_json({one for targets in (relations or {}).values() for one in targets}),
    }
    found = query(connection, sql, {**given, **narrowed})
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
