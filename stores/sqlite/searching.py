"""The store's own search arms, for owners too large for an index in memory: FTS5, and time."""

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
from stores.records import Hit, MemoryId, TimeWindow
from stores.sqlite.codec import to_ms
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
