"""The document store on one SQLite file: each call is one function, run whole in one connection's thread."""

from collections.abc import AsyncIterator, Collection, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final

import apsw

from stores.errors import Conflict, NotFound
from stores.filters import Filter
from stores.records import (
    Document,
    EdgePattern,
    FailedWork,
    HistoryEntry,
    Hit,
    IndexMark,
    IndexName,
    IndexRow,
    Keyset,
    Memory,
    MemoryId,
    PendingWork,
    Scope,
    Statement,
    TimeWindow,
)
from stores.sqlite import erasing, index_work, maintenance, searching
from stores.sqlite.codec import SELECT, decode, decode_names, from_ms, to_ms
from stores.sqlite.database import SqliteDatabase
from stores.sqlite.filters import compile_filter
from stores.sqlite.joined import Joined
from stores.sqlite.rows import LIVE, SEARCHED, as_json, owner_number, query, row_of, row_range
from stores.sqlite.statements import statements
from stores.sqlite.writing import Addition, bury, insert, release_free_keys, rewrite, settle

_SCAN_ROWS: Final = 10_000


class SqliteDocuments:
    """See `stores.protocols.DocumentStore`. Writes that wait together share one transaction and one fsync."""

    name = "sqlite"
    covers: frozenset[IndexName] = frozenset({"keyword", "graph"})

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    async def open(self) -> None:
        await self._database.open()

    async def aclose(self) -> None:
        await self._database.aclose()

    def changes(self) -> int | None:
        """See `SqliteDatabase.changes`."""
        return self._database.changes()

    async def ping(self) -> None:
        await self._database.read(lambda connection: connection.execute("SELECT 1").get)

    async def put_many(
        self,
        documents: Sequence[Document],
        *,
        scope: Scope,
        now: datetime,
        settled: Sequence[Statement] = (),
        begun_s: float | None = None,
    ) -> list[Memory]:
        addition = Addition(documents=documents, owner=scope.owner, now_ms=to_ms(now), settled=settled, begun_s=begun_s)
        return await self._database.write(Joined(insert, addition))

    async def get_many(self, ids: Sequence[MemoryId], *, scope: Scope, now: datetime) -> list[Memory]:
        return await self._database.read(partial(_get_many, ids, scope.owner, to_ms(now))) if ids else []

    async def list_page(
        self, *, scope: Scope, limit: int, after: Keyset | None = None, where: Filter | None = None, now: datetime
    ) -> list[Memory]:
        return await self._database.read(partial(_list, scope.owner, limit, after, where, to_ms(now)))

    async def quarantined(
        self, *, scope: Scope, limit: int, after: Keyset | None = None, now: datetime
    ) -> list[Memory]:
        return await self._database.read(partial(_quarantined, scope.owner, limit, after, to_ms(now)))

    async def match(self, where: Filter, *, scope: Scope, now: datetime) -> list[MemoryId]:
        return await self._database.read(partial(_match, scope.owner, where, to_ms(now)))

    async def statements(
        self,
        *,
        scope: Scope,
        about: Collection[str] = (),
        edges: Collection[EdgePattern] = (),
        closed_by: MemoryId | None = None,
        since: datetime | None = None,
    ) -> list[Statement]:
        patterns, since_ms = (*map(EdgePattern, about), *edges), None if since is None else to_ms(since)
        return await self._database.read_beside(partial(statements, patterns, closed_by, since_ms, scope.owner))

    async def settle(self, settled: Sequence[Statement], *, scope: Scope, now: datetime) -> None:
        await self._database.write(partial(settle, settled, scope.owner, to_ms(now)))

    async def update(
        self,
        document: Document,
        *,
        scope: Scope,
        expected_version: int,
        now: datetime,
        settled: Sequence[Statement] = (),
    ) -> None:
        await self._database.write(partial(_update, document, scope.owner, expected_version, to_ms(now), settled))

    async def delete(
        self, memory_id: MemoryId, *, scope: Scope, now: datetime, settled: Sequence[Statement] = ()
    ) -> bool:
        found = await self._database.write(partial(_delete, memory_id, scope.owner, to_ms(now), settled))
        if found:
            await self._database.forget_old_pages()
        return found

    async def purge(self, ids: Collection[MemoryId], *, scope: Scope) -> int:
        return await self._database.write(partial(_purge, ids, scope.owner))

    async def history(self, memory_id: MemoryId, *, scope: Scope, now: datetime) -> list[HistoryEntry]:
        return await self._database.read(partial(_history, memory_id, scope.owner, to_ms(now)))

    async def erase(self, scope: Scope) -> dict[str, int]:
        removed = await self._database.write(partial(maintenance.erase, scope.owner))
        await self._database.forget_old_pages(surely=True)
        return removed

    async def erasures(self, *, within_s: float) -> frozenset[tuple[str, int]]:
        return await self._database.read(partial(erasing.within, within_s))

    async def count(self, scope: Scope) -> dict[str, int]:
        return await self._database.read(partial(maintenance.count, scope.owner))

    async def keyword(
        self,
        words: Sequence[str],
        text: str,  # noqa: ARG002 - for stores that analyse by themselves
        *,
        scope: Scope,
        limit: int,
        among: Collection[MemoryId] | None = None,
        now: datetime,
    ) -> list[Hit]:
        if not words:
            return []
        return await self._database.read(partial(searching.keyword, words, scope.owner, limit, among, to_ms(now)))

    async def temporal(
        self,
        window: TimeWindow,
        *,
        scope: Scope,
        limit: int,
        among: Collection[MemoryId] | None = None,
        now: datetime,
    ) -> list[Hit]:
        return await self._database.read(partial(searching.temporal, window, scope.owner, limit, among, to_ms(now)))

    async def scan(
        self, *, scope: Scope, since: datetime | None = None, vectors: bool = True
    ) -> AsyncIterator[list[IndexRow]]:
        after, column = -1, "i.embedding" if vectors else "NULL"
        read = partial(maintenance.scan, scope.owner, column, None if since is None else to_ms(since))
        while True:
            after, rows = await self._database.read(partial(read, after, _SCAN_ROWS))
            if not rows:
                return
            yield rows

    async def index_rows(self, ids: Collection[MemoryId], *, scope: Scope) -> list[IndexRow]:
        return await self._database.read(partial(maintenance.index_rows, ids, scope.owner))

    async def scan_documents(self, *, scope: Scope | None = None) -> AsyncIterator[list[tuple[Scope, Memory]]]:
        after = -1
        while True:
            read = partial(maintenance.scan_documents, None if scope is None else scope.owner, after, _SCAN_ROWS)
            after, found = await self._database.read(read)
            if not found:
                return
            yield found

    async def pending(self, *, limit: int, now: datetime) -> list[PendingWork]:
        return await self._database.read(partial(index_work.pending, limit, to_ms(now)))

    async def claim(
        self,
        *,
        limit: int,
        now: datetime,
        until: datetime,
        scope: Scope | None = None,
        ids: Collection[MemoryId] | None = None,
    ) -> list[PendingWork]:
        if not await self._database.read(partial(index_work.pending, 1, to_ms(now))):
            return []  # without a lock, a transaction and an fsync for nothing
        among = None if scope is None or ids is None else (scope.owner, ids)
        return await self._database.write(partial(index_work.claim, limit, to_ms(now), to_ms(until), among))

    async def mark(self, marks: Sequence[IndexMark], *, scope: Scope) -> int:
        return await self._database.write(partial(index_work.mark, marks, scope.owner))

    async def count_pending(self, scope: Scope) -> int:
        return await self._database.read(partial(index_work.count_pending, scope.owner))

    async def failed(
        self, *, limit: int, scope: Scope | None = None, after: MemoryId | None = None
    ) -> list[FailedWork]:
        owner = None if scope is None else scope.owner
        return await self._database.read(partial(index_work.failed, limit, owner, after or ""))

    async def time(self) -> datetime | None:
        return None

    async def expired(self, *, limit: int, now: datetime) -> list[tuple[Scope, MemoryId]]:
        return await self._database.read(partial(maintenance.expired, limit, to_ms(now)))

    async def get_meta(self, key: str) -> bytes | None:
        return await self._database.read(partial(maintenance.get_meta, key))

    async def put_meta(self, key: str, value: bytes, *, replace: bool = False) -> bytes:
        action = "UPDATE SET value = excluded.value" if replace else "NOTHING"
        return await self._database.write(partial(maintenance.put_meta, key, value, action))

    async def status(self) -> dict[str, int | str]:
        path, synchronous = self._database.path, self._database.synchronous
        return await self._database.read(partial(maintenance.status, path, synchronous))


def _get_many(ids: Sequence[MemoryId], owner: str, now_ms: int, connection: apsw.Connection) -> list[Memory]:
    sql = (
        f"SELECT {SELECT} FROM json_each(?) AS wanted CROSS JOIN memories AS m ON m.id = wanted.value"
        f" WHERE +m.owner_no = (SELECT owner_no FROM owners WHERE owner = ?) AND {LIVE} ORDER BY wanted.key"
    )
    return [decode(row, owner) for row in query(connection, sql, (as_json(ids), owner, now_ms))]


def _list(
    owner: str, limit: int, after: Keyset | None, where: Filter | None, now_ms: int, connection: apsw.Connection
) -> list[Memory]:
    number = owner_number(connection, owner)
    if number is None:
        return []
    sql = f"SELECT {SELECT} FROM memories AS m INDEXED BY memories_newest WHERE m.owner_no = ? AND {SEARCHED}"
    values: list[Any] = [number, now_ms]
    if after is not None:
        sql += " AND (m.created_ms, m.id) < (?, ?)"
        values += after
    if where is not None:
        condition, parameters = compile_filter(where)
        sql += f" AND {condition}"
        values += parameters
    sql += " ORDER BY m.created_ms DESC, m.id DESC LIMIT ?"
    return [decode(row, owner) for row in query(connection, sql, (*values, limit))]


def _quarantined(
    owner: str, limit: int, after: Keyset | None, now_ms: int, connection: apsw.Connection
) -> list[Memory]:
    number = owner_number(connection, owner)
    if number is None:
        return []
    kept_back = f"m.quarantine IS NOT NULL AND {LIVE}"
    sql = f"SELECT {SELECT} FROM memories AS m INDEXED BY memories_quarantined WHERE m.owner_no = ? AND {kept_back}"
    values: list[Any] = [number, now_ms]
    if after is not None:
        sql += " AND (m.created_ms, m.id) < (?, ?)"
        values += after
    sql += " ORDER BY m.created_ms DESC, m.id DESC LIMIT ?"
    return [decode(row, owner) for row in query(connection, sql, (*values, limit))]


def _match(owner: str, where: Filter, now_ms: int, connection: apsw.Connection) -> list[MemoryId]:
    number = owner_number(connection, owner)
    if number is None:
        return []
    condition, parameters = compile_filter(where)
    sql = f"SELECT m.id FROM memories AS m WHERE m.row BETWEEN ? AND ? AND {SEARCHED} AND {condition}"
    return [memory_id for (memory_id,) in query(connection, sql, (*row_range(number), now_ms, *parameters))]


def _update(
    document: Document,
    owner: str,
    expected_version: int,
    now_ms: int,
    settled: Sequence[Statement],
    connection: apsw.Connection,
) -> None:
    memory = document.memory
    row = row_of(connection, memory.id, owner, now_ms)
    if row is None:
        raise NotFound(memory.id)
    sql = "SELECT version, content, updated_ms, quarantine FROM memories WHERE row = ?"
    version, content, updated_ms, quarantine = connection.execute(sql, (row,)).get
    if version != expected_version:
        raise Conflict(f"{memory.id} is at version {version}, not {expected_version}; read it and change it again")
    connection.execute("INSERT INTO history VALUES (?, ?, ?, ?, ?)", (row, version, content, updated_ms, quarantine))
    release_free_keys(connection, [document.dedupe_key], owner, now_ms)
    rewrite(connection, row, document)
    settle(settled, owner, now_ms, connection)


def _delete(
    memory_id: MemoryId, owner: str, now_ms: int, settled: Sequence[Statement], connection: apsw.Connection
) -> bool:
    row = row_of(connection, memory_id, owner, now_ms=None)
    if row is None:
        return False
    settle(settled, owner, now_ms, connection)
    bury(connection, row, now_ms)
    return True


def _purge(ids: Collection[MemoryId], owner: str, connection: apsw.Connection) -> int:
    sql = (
        "DELETE FROM memories WHERE id IN (SELECT value FROM json_each(?)) AND deleted_ms IS NOT NULL"
        " AND +owner_no = (SELECT owner_no FROM owners WHERE owner = ?)"
    )
    connection.execute(sql, (as_json(ids), owner))
    return connection.changes()


def _history(memory_id: MemoryId, owner: str, now_ms: int, connection: apsw.Connection) -> list[HistoryEntry]:
    row = row_of(connection, memory_id, owner, now_ms)
    if row is None:
        raise NotFound(memory_id)
    sql = (
        "SELECT version, content, changed_ms, quarantine FROM history WHERE memory_row = ?1"
        " UNION ALL SELECT version, content, updated_ms, quarantine FROM memories WHERE row = ?1 ORDER BY version"
    )
    return [
        HistoryEntry(
            memory_id=memory_id,
            version=version,
            event="added" if version == 1 else "updated",
            content=content,
            changed_at=from_ms(changed_ms),
            quarantine=decode_names(quarantine),
        )
        for version, content, changed_ms, quarantine in query(connection, sql, (row,))
    ]
