"""The audit trail on the same SQLite file: lines and head in one commit."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import apsw
import orjson

from stores.audit import AuditHead, AuditLine
from stores.errors import Conflict
from stores.sqlite.codec import from_ms, to_ms
from stores.sqlite.database import SqliteDatabase
from stores.sqlite.rows import query

_LINE: Final = "owner, seq, at_ms, actor, action, targets, total, outcome, request_id, code"


class SqliteAudit:
    """See `stores.audit.AuditStore`."""

    name = "sqlite-audit"

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    async def open(self) -> None:
        await self._database.open()

    async def aclose(self) -> None:
        await self._database.aclose()

    async def head(self, owner: str) -> AuditHead:
        rows = await self._database.read(partial(_rows, "SELECT seq, code FROM audit_heads WHERE owner = ?", (owner,)))
        return AuditHead(*rows[0]) if rows else AuditHead()

    async def append(self, lines: Sequence[AuditLine]) -> None:
        await self._database.write(partial(_append, lines))

    async def list_page(self, owner: str, *, limit: int, before: int | None = None) -> list[AuditLine]:
        sql = f"SELECT {_LINE} FROM audit_lines WHERE owner = ? AND seq < ? ORDER BY seq DESC LIMIT ?"
        values = (owner, (1 << 62) if before is None else before, limit)
        return list(map(_decode, await self._database.read(partial(_rows, sql, values))))


def _rows(sql: str, values: tuple[Any, ...], connection: apsw.Connection) -> list[Any]:
    return query(connection, sql, values)


def _append(lines: Sequence[AuditLine], connection: apsw.Connection) -> None:
    try:
        connection.executemany(
            f"INSERT INTO audit_lines ({_LINE}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", list(map(_encode, lines))
        )
    except apsw.ConstraintError:
        raise Conflict("the audit trail has gone on; read its head again") from None
    last = lines[-1]
    connection.execute("INSERT OR REPLACE INTO audit_heads VALUES (?, ?, ?)", (last.owner, last.seq, last.code))


def _encode(line: AuditLine) -> tuple[Any, ...]:
    return (
        *(line.owner, line.seq, to_ms(line.at), line.actor, line.action),
        *(orjson.dumps(line.targets).decode(), line.total, line.outcome, line.request_id, line.code),
    )


def _decode(row: tuple[Any, ...]) -> AuditLine:
    owner, seq, at_ms, actor, action, targets, total, outcome, request_id, code = row
    return AuditLine(
        owner=owner,
        seq=seq,
        at=from_ms(at_ms),
        actor=actor,
        action=action,
        targets=tuple(orjson.loads(targets)),
        total=total,
        outcome=outcome,
        request_id=request_id,
        code=code,
    )
