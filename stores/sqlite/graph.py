"""The graph in the same file: relations are written with their memory, and read hop by hop."""

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import product
from typing import Final

import apsw

from stores.records import Document, Hit, MemoryId, Scope
from stores.sqlite.codec import to_ms_or_none
from stores.sqlite.database import SqliteDatabase
from stores.sqlite.rows import as_json, owner_number, query, row_of, row_range, rows_of
from stores.sqlite.searching import MANY
from stores.sqlite.writing import replace_relations

MOST_RELATIONS: Final = 500
"""Of an entity, a search looks at so many relations from each side: the newest ones."""


class SqliteGraph:
    """See `stores.protocols.GraphStore`. Of each entity a search looks at the newest 500 relations from each side."""

    name = "sqlite-graph"

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    async def open(self) -> None:
        await self._database.open()

    async def aclose(self) -> None:
        await self._database.aclose()

    async def put_many(self, documents: Sequence[Document], *, scope: Scope) -> None:
        await self._database.write(partial(_put_many, documents, scope.owner))

    async def delete_many(self, ids: Collection[MemoryId], *, scope: Scope) -> None:
        await self._database.write(partial(_delete_many, ids, scope.owner))

    async def search(
        self,
        entities: Collection[str],
        *,
        scope: Scope,
        hops: int = 1,
        limit: int,
        as_of: datetime | None = None,
        among: Collection[MemoryId] | None = None,
    ) -> list[Hit]:
        if not entities:
            return []
        walk = _Walk(set(entities), hops, to_ms_or_none(as_of))
        read = partial(_search, walk, scope.owner, limit, among)
        return sorted(await self._database.read(read), key=lambda hit: (-hit.score, hit.id))[:limit]

    async def relations(self, entity: str, *, scope: Scope, limit: int) -> list[tuple[MemoryId, str, str, str]]:
        return await self._database.read(partial(_relations, entity, scope.owner, limit))

    async def erase(self, scope: Scope) -> int:
        return await self._database.write(partial(_erase, scope.owner))

    async def count(self, scope: Scope) -> int:
        return await self._database.read(partial(_count, scope.owner))


def _put_many(documents: Sequence[Document], owner: str, connection: apsw.Connection) -> None:
    for document in documents:
        row = row_of(connection, document.memory.id, owner, now_ms=None)
        if row is not None:
            replace_relations(connection, row, document)


def _delete_many(ids: Collection[MemoryId], owner: str, connection: apsw.Connection) -> None:
    sql = (
        "DELETE FROM relations WHERE memory_row IN (SELECT row FROM memories WHERE id IN"
        " (SELECT value FROM json_each(?)) AND +owner_no = (SELECT owner_no FROM owners WHERE owner = ?))"
    )
    connection.execute(sql, (as_json(ids), owner))


@dataclass(frozen=True, slots=True)
class _Walk:
    """From these entities on, so many hops, over relations that are valid at a moment."""

    entities: set[str]
    hops: int
    as_of_ms: int | None


def _search(
    walk: _Walk,
    owner: str,
    limit: int,
    among: Collection[MemoryId] | None,
    connection: apsw.Connection,
) -> list[Hit]:
    """Return the best memories in any order; all that are as good as the last."""
    number = owner_number(connection, owner)
    if number is None:
        return []
    if among is not None and len(among) > MANY:  # as a search of all, if enough of what it finds pass
        scores, passing = _scores(connection, number, walk, None), set(among)
        hits = [hit for hit in _hits(connection, scores) if hit.id in passing]
        if len(hits) >= limit:
            return hits
    rows = None if among is None else set(rows_of(connection, among, number))
    scores = _scores(connection, number, walk, rows)
    if rows is not None:
        scores = {row: score for row, score in scores.items() if row in rows}
    least = sorted(scores.values(), reverse=True)[min(limit, len(scores)) - 1] if scores else 0.0
    return _hits(connection, {row: score for row, score in scores.items() if score >= least})


def _scores(
    connection: apsw.Connection,
    number: int,
    walk: _Walk,
    among: Collection[int] | None,
) -> dict[int, float]:
    scores: defaultdict[int, float] = defaultdict(float)
    asked, weight = walk.entities, 1.0
    seen = set(asked)
    counted: set[int] = set()
    for _ in range(walk.hops):
        edges = _touching(connection, number, asked, walk.as_of_ms, among)
        degree = Counter(source for _, _, source, _ in edges)
        degree.update(target for _, _, source, target in edges if target != source)
        weights = {end: weight / math.log2(2 + degree[end]) for end in asked}
        for edge, row, source, target in edges:
            if edge not in counted:
                counted.add(edge)
                scores[row] += weights.get(source, 0) + (weights.get(target, 0) if target != source else 0)
        asked = {end for _, _, source, target in edges for end in (source, target)} - seen
        seen |= asked
        weight /= 2
    return scores


def _hits(connection: apsw.Connection, scores: Mapping[int, float]) -> list[Hit]:
    ids = "SELECT row, id FROM memories WHERE row IN (SELECT value FROM json_each(?))"
    return [Hit(memory_id, scores[row]) for row, memory_id in query(connection, ids, (as_json(scores),))]


def _touching(
    connection: apsw.Connection,
    number: int,
    entities: Collection[str],
    as_of_ms: int | None,
    among: Collection[int] | None,
) -> list[tuple[int, int, str, str]]:
    """Return the newest relations of each entity, and those of the rows in `among`; all, where these are many.

    Each as its own row, its memory's, its source and its target.
    """
    edge = "SELECT r.rowid, r.memory_row, r.source, r.target FROM relations AS r"
    known = "r.retired_ms IS NULL"
    if as_of_ms is not None:
        known += " AND (r.valid_ms IS NULL OR r.valid_ms <= :at) AND (r.invalid_ms IS NULL OR r.invalid_ms > :at)"
    is_many = among is not None and len(among) > MANY
    given = {"owner": number, "at": as_of_ms, "most": -1 if is_many else MOST_RELATIONS}
    newest = f"{edge} WHERE r.owner_no = :owner AND r.{{end}} = :entity AND {known} ORDER BY r.rowid DESC LIMIT :most"
    found: set[tuple[int, int, str, str]] = set()
    for entity, end in product(entities, ("source", "target")):
        found.update(query(connection, newest.format(end=end), {**given, "entity": entity}))
    if among is not None and not is_many:
        of_these = (  # each + keeps SQLite from looking through all relations of the owner
            f"{edge} WHERE r.memory_row IN (SELECT value FROM json_each(:among)) AND +r.owner_no = :owner AND {known}"
            " AND (+r.source IN (SELECT value FROM json_each(:entities))"
            " OR +r.target IN (SELECT value FROM json_each(:entities)))"
        )
        asked = {**given, "among": as_json(among), "entities": as_json(entities)}
        found.update(query(connection, of_these, asked))
    return sorted(found)


def _relations(
    entity: str, owner: str, limit: int, connection: apsw.Connection
) -> list[tuple[MemoryId, str, str, str]]:
    number = owner_number(connection, owner)
    sql = (
        "SELECT m.id, r.source, r.relation, r.target FROM relations AS r JOIN memories AS m ON m.row = r.memory_row"
        " WHERE r.owner_no = ?1 AND (r.source = ?2 OR r.target = ?2) AND m.deleted_ms IS NULL AND r.retired_ms IS NULL"
        " ORDER BY m.created_ms DESC, m.id DESC LIMIT ?3"
    )
    return query(connection, sql, (number, entity, limit))


def _erase(owner: str, connection: apsw.Connection) -> int:
    number = owner_number(connection, owner)
    if number is None:
        return 0
    connection.execute("DELETE FROM relations WHERE memory_row BETWEEN ? AND ?", row_range(number))
    return connection.changes()


def _count(owner: str, connection: apsw.Connection) -> int:
    number = owner_number(connection, owner)
    if number is None:
        return 0
    sql = "SELECT count(*) FROM relations WHERE memory_row BETWEEN ? AND ?"
    counted: int = connection.execute(sql, row_range(number)).get
    return counted
