"""The key store on the same SQLite file as the documents."""

from collections.abc import Collection
from datetime import datetime
from functools import partial
from typing import Any, Final

import apsw

from stores.errors import Conflict
from stores.key_protocol import ApiKey
from stores.sqlite.codec import from_ms, from_ms_or_none, to_ms, to_ms_or_none
from stores.sqlite.database import SqliteDatabase
from stores.sqlite.rows import as_json, query

_KEY: Final = "id, owner, digest, name, created_ms, revoked_ms, operator"


class SqliteKeys:
    """See `stores.key_protocol.KeyStore`."""

    name = "sqlite-keys"

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    async def open(self) -> None:
        await self._database.open()

    async def aclose(self) -> None:
        await self._database.aclose()

    async def put(self, key: ApiKey) -> None:
        await self._database.write(partial(_put, key))

    async def find(self, key_id: str) -> ApiKey | None:
        sql = f"SELECT {_KEY} FROM api_keys WHERE id = ?"
        rows = await self._database.read(partial(_rows, sql, (key_id,)))
        return _decode(rows[0]) if rows else None

    async def list_page(self, *, owner: str | None, limit: int, after: str = "") -> list[ApiKey]:
        sql = f"SELECT {_KEY} FROM api_keys WHERE id > ?1 AND (?2 IS NULL OR owner = ?2) ORDER BY id LIMIT ?3"
        return list(map(_decode, await self._database.read(partial(_rows, sql, (after, owner, limit)))))

    async def revoke(self, ids: Collection[str], *, now: datetime) -> int:
        return await self._database.write(partial(_revoke, as_json(ids), to_ms(now)))

    async def erase(self, owner: str) -> int:
        removed = await self._database.write(partial(_erase, owner))
        await self._database.forget_old_pages(surely=True)
        return removed


def _rows(sql: str, values: tuple[Any, ...], connection: apsw.Connection) -> list[Any]:
    return query(connection, sql, values)


def _put(key: ApiKey, connection: apsw.Connection) -> None:
    times = (to_ms(key.created_at), to_ms_or_none(key.revoked_at))
    values = (key.id, key.owner, key.digest, key.name, *times, key.operator)
    connection.execute(f"INSERT INTO api_keys ({_KEY}) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", values)
    if not connection.changes():
        raise Conflict("a key with this id is there already; make another one")


def _revoke(ids: str, now_ms: int, connection: apsw.Connection) -> int:
    sql = "UPDATE api_keys SET revoked_ms = ? WHERE revoked_ms IS NULL AND id IN (SELECT value FROM json_each(?))"
    connection.execute(sql, (now_ms, ids))
    return connection.changes()


def _erase(owner: str, connection: apsw.Connection) -> int:
    connection.execute("DELETE FROM api_keys WHERE owner = ?", (owner,))
    return connection.changes()


def _decode(row: Any) -> ApiKey:
    key_id, owner, digest, name, created_ms, revoked_ms, operator = row
    return ApiKey(
        id=key_id,
        owner=owner,
        digest=digest,
        name=name,
        created_at=from_ms(created_ms),
        revoked_at=from_ms_or_none(revoked_ms),
        operator=bool(operator),
    )
