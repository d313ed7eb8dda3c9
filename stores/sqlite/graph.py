"""The graph in the same file: relations are written with their memory, and read hop by hop."""

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import apsw

from stores.records import Document, Hit, MemoryId, Scope
from stores.sqlite.codec import to_ms_or_none
from stores.sqlite.database import SqliteDatabase
from stores.sqlite.rows import as_json, owner_number, query, row_of, row_range
from stores.sqlite.writing import replace_relations


class SqliteGraph:
    """See `stores.protocols.GraphStore`."""

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
        read = partial(_search, set(entities), scope.owner, hops, to_ms_or_none(as_of), among)
        scores = await self._database.read(read)
        return [Hit(*pair) for pair in sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))[:limit]]

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


def _search(
    entities: set[str],
    owner: str,
    hops: int,
    as_of_ms: int | None,
    among: Collection[MemoryId] | None,
    connection: apsw.Connection,
) -> dict[MemoryId, float]:
    number = owner_number(connection, owner)
    if number is None:
        return {}
    scores: defaultdict[MemoryId, float] = defaultdict(float)
    asked, weight = entities, 1.0
    seen = set(entities)
    counted: set[int] = set()
    for _ in range(hops):
        edges = _touching(connection, number, asked, as_of_ms)
        degree = Counter(end for _, _, source, target in edges for end in {source, target} & asked)
        for edge, memory_id, source, target in edges:
            if edge in counted:
                continue
            counted.add(edge)
            scores[memory_id] += sum(weight / math.log2(2 + degree[end]) for end in {source, target} & asked)
        asked = {end for _, _, source, target in edges for end in (source, target)} - seen
        seen |= asked
        weight /= 2
    allowed = None if among is None else set(among)
    return {memory_id: score for memory_id, score in scores.items() if allowed is None or memory_id in allowed}


def _touching(
    connection: apsw.Connection, number: int, entities: Collection[str], as_of_ms: int | None
) -> list[tuple[int, MemoryId, str, str]]:
    sql = (
        "SELECT r.rowid, m.id, r.source, r.target FROM relations AS r JOIN memories AS m ON m.row = r.memory_row"
        " WHERE r.rowid IN ("
        "SELECT rowid FROM relations WHERE owner_no = ?1 AND source IN (SELECT value FROM json_each(?2))"
        " UNION SELECT rowid FROM relations WHERE owner_no = ?1 AND target IN (SELECT value FROM json_each(?2)))"
        " AND m.deleted_ms IS NULL AND r.retired_ms IS NULL"
    )
    values: list[Any] = [number, as_json(entities)]
    if as_of_ms is not None:
        sql += " AND (r.valid_ms IS NULL OR r.valid_ms <= ?3) AND (r.invalid_ms IS NULL OR r.invalid_ms > ?3)"
        values.append(as_of_ms)
    return query(connection, sql, values)


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
