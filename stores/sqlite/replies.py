"""The store of replies on the same SQLite file as the documents."""

from datetime import datetime
from functools import partial
from typing import Any, Final

import apsw
import orjson

from stores.records import Scope
from stores.reply_protocol import Reply, ReplyClaim, ReplyRecord
from stores.sqlite.codec import to_ms
from stores.sqlite.database import SqliteDatabase
from stores.sqlite.rows import query

_HELD: Final = "id = ? AND owner = ? AND holder = ? AND status IS NULL"
_FREE: Final = "(expires_ms <= :now OR (status IS NULL AND held_ms <= :now AND fingerprint = :fingerprint))"
_CLAIM: Final = f"""
INSERT INTO replies (id, owner, fingerprint, holder, held_ms, expires_ms)
VALUES (:id, :owner, :fingerprint, :holder, :until, :expires)
ON CONFLICT (id) DO UPDATE SET owner = :owner, fingerprint = :fingerprint,
    holder = :holder, held_ms = :until, expires_ms = :expires, status = NULL, headers = NULL, body = NULL
WHERE {_FREE}
"""


class SqliteReplies:
    """See `stores.reply_protocol.ReplyStore`."""

    name = "sqlite-replies"

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    async def open(self) -> None:
        await self._database.open()

    async def aclose(self) -> None:
        await self._database.aclose()

    async def claim(self, claim: ReplyClaim, *, now: datetime, until: datetime, expires_at: datetime) -> ReplyRecord:
        times = {"now": to_ms(now), "until": to_ms(until), "expires": to_ms(expires_at)}
        return await self._database.write(partial(_claim, claim, times))

    async def hold(self, claim: ReplyClaim, *, until: datetime) -> bool:
        return await self._change(f"UPDATE replies SET held_ms = ? WHERE {_HELD}", (to_ms(until), *_holder(claim))) > 0

    async def keep(self, claim: ReplyClaim, reply: Reply) -> bool:
        sql = f"UPDATE replies SET status = ?, headers = ?, body = ? WHERE {_HELD}"
        headers = orjson.dumps(dict(reply.headers)).decode()
        return await self._change(sql, (reply.status, headers, reply.body, *_holder(claim))) > 0

    async def release(self, claim: ReplyClaim) -> None:
        await self._change(f"DELETE FROM replies WHERE {_HELD}", _holder(claim))

    async def sweep(self, *, now: datetime) -> int:
        return await self._change("DELETE FROM replies WHERE expires_ms <= ?", (to_ms(now),))

    async def erase(self, scope: Scope) -> int:
        removed = await self._change("DELETE FROM replies WHERE owner = ?", (scope.owner,))
        await self._database.forget_old_pages()
        return removed

    async def count(self, scope: Scope) -> int:
        sql = "SELECT count(*) FROM replies WHERE owner = ?"
        counted: int = await self._database.read(lambda connection: connection.execute(sql, (scope.owner,)).get)
        return counted

    async def _change(self, sql: str, values: tuple[Any, ...]) -> int:
        return await self._database.write(partial(_changed, sql, values))


def _holder(claim: ReplyClaim) -> tuple[str, str, str]:
    return claim.id, claim.scope.owner, claim.holder


def _changed(sql: str, values: tuple[Any, ...], connection: apsw.Connection) -> int:
    connection.execute(sql, values)
    return connection.changes()


def _claim(claim: ReplyClaim, times: dict[str, int], connection: apsw.Connection) -> ReplyRecord:
    names = {"id": claim.id, "owner": claim.scope.owner, "fingerprint": claim.fingerprint, "holder": claim.holder}
    connection.execute(_CLAIM, {**names, **times})
    sql = "SELECT fingerprint, holder, status, headers, body FROM replies WHERE id = ?"
    ((fingerprint, holder, status, headers, body),) = query(connection, sql, (claim.id,))
    reply = None if status is None else Reply(status=status, headers=orjson.loads(headers), body=body)
    return ReplyRecord(fingerprint=fingerprint, holder=holder, reply=reply)
