"""The store's own search arms, for owners too large for an index in memory: FTS5, and time."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
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
from stores.sqlite.rows import SEARCHED, as_json, owner_number, query, row_range, rows_of

_MOST_READ: Final = 15_000
"""So many places of the rarest words are read, which keeps a search of a million memories within some 10 ms."""
_RANKED: Final = 400
_MOST_BESIDE: Final = 3
"""So many of the commoner words are looked for in what the rarest propose; all of them rank the best of these."""
_FEW: Final = 2_000
"""Of so many memories the words are read themselves, 7 us each."""
MANY: Final = 20_000
"""Where a search is narrowed to more memories than this, it is first tried whether enough of what is best pass."""
_MOST_TRIED: Final = 4_000

Rows = npt.NDArray[np.int64]


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
    rarest words, those that are in 15,000 places together. Of those that hold the most, 400 at a time are ranked by
    how often they do. Narrowed to few memories, all their words are looked through; to very many, what would be best of
    all is tried first.
    """
    number = owner_number(connection, owner)
    if number is None:
        return []
    terms = [crc32(word.encode()).to_bytes(4, "little").hex() for word in dict.fromkeys(words)]
    ((memories,),) = query(connection, "SELECT next_n FROM owners WHERE owner_no = ?", (number,))
    read = partial(_holders, connection, terms, number, memories)
    if among is not None and len(among) <= _FEW:
        rarities = _rarities(read(_MOST_READ), memories)
        return _ranked(connection, rows_of(connection, among, number), rarities, limit, now_ms)
    if among is None or len(among) > MANY:
        holders = read(_MOST_READ)
        rarities = _rarities(holders, memories)
        proposed = _proposed(connection, holders, rarities, number, None)
        hits = _best(connection, proposed, rarities, limit, now_ms, None if among is None else set(among))
        if among is None or len(hits) == limit:
            return hits
    holders = read(memories)
    rarities = _rarities(holders, memories)
    return _best(connection, _proposed(connection, holders, rarities, number, among), rarities, limit, now_ms)


def _best(
    connection: apsw.Connection,
    proposed: Sequence[int],
    rarities: Mapping[str, float],
    limit: int,
    now_ms: int,
    passing: Collection[MemoryId] | None = None,
) -> list[Hit]:
    """Return the best of the proposed rows; passing: of the first of them, those that are among these."""
    rest = iter(proposed if passing is None else proposed[:_MOST_TRIED])
    hits = list[Hit]()
    while len(hits) < limit and (rows := list(islice(rest, _RANKED))):
        ranked = _ranked(connection, rows, rarities, limit if passing is None else len(rows), now_ms)
        hits += ranked if passing is None else [hit for hit in ranked if hit.id in passing]
    return hits[:limit]


@dataclass(frozen=True, slots=True)
class _Holders:
    """How many of an owner's rows hold a term. rows: which, ascending; None where they are too many to be read."""

    term: str
    count: int
    rows: Rows | None


def _holders(
    connection: apsw.Connection, terms: Sequence[str], number: int, memories: int, most: int
) -> list[_Holders]:
    """Return who holds each of the terms, the rarest first, without those that none holds."""
    holders = (_holders_of(connection, number, memories, term, most=most) for term in terms)
    return sorted((held for held in holders if held.count), key=lambda held: held.count)


def _rarities(holders: Sequence[_Holders], memories: int) -> dict[str, float]:
    return {held.term: log1p((memories - held.count + 0.5) / (held.count + 0.5)) for held in holders}


def _holders_of(connection: apsw.Connection, number: int, memories: int, term: str, *, most: int) -> _Holders:
    """Return who holds the term. Of more than `most`, the number is an estimate, by how far so many reach."""
    first, last = row_range(number)
    beyond = "SELECT rowid FROM memory_words WHERE memory_words MATCH ? AND rowid BETWEEN ? AND ? LIMIT 1 OFFSET ?"
    reach = query(connection, beyond, (term, first, last, most))  # half the time of reading them
    if reach:
        return _Holders(term, round((most + 1) * memories / (reach[0][0] - first + 1)), None)
    rows = _holding(connection, term, first, last)
    return _Holders(term, len(rows), rows)


def _holding(connection: apsw.Connection, wanted: str, first: int, last: int) -> Rows:
    """Return which rows from the first to the last fit an expression of FTS5, ascending."""
    sql = "SELECT json_group_array(rowid) FROM memory_words WHERE memory_words MATCH ? AND rowid BETWEEN ? AND ?"
    ((rows,),) = query(connection, sql, (wanted, first, last))
    return np.array(orjson.loads(rows), np.int64)


def _proposed(
    connection: apsw.Connection,
    holders: Sequence[_Holders],
    rarities: Mapping[str, float],
    number: int,
    among: Collection[MemoryId] | None,
) -> list[int]:
    """Return the rows that hold one of the rarest terms, or any term if `among` is given; those that hold most first.

    The rarest are those that are in 15,000 places together. Of a single one the newest 15,000, if it has more.
    """
    if not holders:
        return []
    first, last = row_range(number)
    fitting = sum(read <= _MOST_READ for read in accumulate(held.count for held in holders))
    rarest = holders if among is not None else holders[: max(1, fitting)]
    of_rarest = [held.rows for held in rarest if held.rows is not None]
    if not of_rarest:
        newest = (
            "SELECT min(row) FROM (SELECT rowid AS row FROM memory_words"
            " WHERE memory_words MATCH ? AND rowid BETWEEN ? AND ? ORDER BY rowid DESC LIMIT ?)"
        )
        ((first,),) = query(connection, newest, (rarest[0].term, first, last, _MOST_READ))
        of_rarest = [_holding(connection, rarest[0].term, first, last)]
    places = np.sort(np.concatenate(of_rarest))
    proposed = places[np.diff(places, prepend=-1) > 0]  # a tenth of the time of np.unique
    any_of = " OR ".join(held.term for held in rarest)
    scores = np.zeros(len(proposed))
    for place, held in enumerate(holders[: len(rarest) + _MOST_BESIDE]):
        rows = of_rarest[place] if place < len(of_rarest) else held.rows
        if rows is None:
            rows = _holding(connection, f"({any_of}) AND {held.term}", first, last)
        scores[np.isin(proposed, rows, assume_unique=True)] += rarities[held.term]
    if among is not None:
        allowed = np.isin(proposed, np.array(rows_of(connection, among, number), np.int64))
        proposed, scores = proposed[allowed], scores[allowed]
    best: list[int] = proposed[np.argsort(-scores, kind="stable")].tolist()
    return best


def _ranked(
    connection: apsw.Connection, rows: Sequence[int], rarities: Mapping[str, float], limit: int, now_ms: int
) -> list[Hit]:
    """Return the best `limit` of the rows that are live, equal ones by row; their own words are looked through."""
    sql = (
        "SELECT row, terms FROM memory_index WHERE row IN (SELECT value FROM json_each(?)) AND length(terms) > 0"
        " ORDER BY row"
    )
    held = query(connection, sql, (as_json(rows),))
    if not held:
        return []
    terms = np.frombuffer(b"".join(blob for _, blob in held), "<u4")
    starts = np.cumsum([0, *(len(blob) // 4 for _, blob in held[:-1])])
    scores = np.zeros(len(held))
    for term, rarity in rarities.items():
        times = np.add.reduceat(terms == int.from_bytes(bytes.fromhex(term), "little"), starts, dtype=np.float64)
        scores += rarity * times / (times + K1)
    order = [place for place in np.argsort(-scores, kind="stable").tolist() if scores[place] > 0]
    best = iter((held[place][0], float(scores[place])) for place in order)
    live = f"SELECT m.row, m.id FROM memories AS m WHERE m.row IN (SELECT value FROM json_each(?)) AND {SEARCHED}"
    hits = list[Hit]()
    while len(hits) < limit and (next_best := dict(islice(best, limit - len(hits)))):
        ids = dict(query(connection, live, (as_json(next_best), now_ms)))
        hits += [Hit(ids[row], score) for row, score in next_best.items() if row in ids]
    return hits


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
