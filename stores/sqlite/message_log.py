"""The journal of a chat store as SQLite files, one for each process, in one folder for each store."""

import logging
from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import apsw
import orjson

from stores.blocking import in_thread
from stores.errors import StoreError, Unavailable
from stores.journal.message_log import Appended, Entry, Room, Waiting
from stores.records import Message, Scope, SessionId
from stores.sqlite.codec import from_ms, to_ms
from stores.sqlite.database import SqliteDatabase, Synchronous, translate
from stores.sqlite.journal_files import ClaimedFile, claim_left, claim_new
from stores.sqlite.rows import query
from stores.sqlite.schema import Schema

log: Final = logging.getLogger(__name__)

_ADOPTED_AT_ONCE: Final = 1_000
_VERSION_1: Final = """
CREATE TABLE entries (
    number      INTEGER PRIMARY KEY AUTOINCREMENT,
    owner       TEXT NOT NULL,
    session_id  TEXT NOT NULL,
    seq         INTEGER NOT NULL,
    aside       INTEGER NOT NULL DEFAULT 0,
    body        TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX entries_place ON entries (owner, session_id, seq);
"""
_VERSION_2: Final = "ALTER TABLE entries ADD COLUMN begun_s REAL;"
JOURNAL: Final = Schema(application_id=0x4354584A, migrations=(_VERSION_1, _VERSION_2))  # "CTXJ"


class SqliteMessageLog:
    """See `stores.journal.message_log.MessageLog`.

    folder: for the journals of one store, made when needed. Appends that wait together share one fsync.
    synchronous: FULL makes an acknowledged message survive a power cut, NORMAL only a crash of the process.
    """

    def __init__(self, folder: Path, *, synchronous: Synchronous = "FULL") -> None:
        self._folder = folder
        self._synchronous: Synchronous = synchronous
        self._file: ClaimedFile | None = None
        self._open_database: SqliteDatabase | None = None

    @property
    def place(self) -> str:
        return str(self._folder)

    async def open(self) -> Waiting:
        try:
            left = await in_thread(claim_left, self._folder)
            await self._use_one_of(left)
        except OSError as exc:
            raise translate(exc, self._folder) from exc
        try:
            await self._database.write(_offer_all)
            for file in left:
                await self._adopt(file)
            return await self._database.read(_waiting)
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """An empty file is removed."""
        database, self._open_database = self._open_database, None
        file, self._file = self._file, None
        if database is None or file is None:
            return
        empty = False
        try:
            empty = not await database.read(_count)
        finally:
            await database.aclose()
            await in_thread(file.release, remove=empty)

    async def append(self, messages: Sequence[tuple[Scope, Message]], begun_s: Sequence[float | None]) -> Appended:
        rows = [
            (scope.owner, message.session_id, message.seq, _encode(message), begun)
            for (scope, message), begun in zip(messages, begun_s, strict=True)
        ]
        return await self._database.write(partial(_append, rows))

    async def oldest(self, limit: int, *, until: int) -> list[Entry]:
        return await self._database.read(partial(_oldest, limit, until))

    async def of_session(self, room: Room, *, limit: int, before: int | None) -> list[Message]:
        return await self._database.read(partial(_of_session, room, limit, before))

    async def forget(self, numbers: Collection[int]) -> int:
        return await self._database.write(partial(_forget, list(numbers)))

    async def set_aside(self, number: int) -> None:
        await self._database.write(partial(_set_aside, number))

    async def erase(self, scope: Scope, session_id: SessionId | None = None) -> int:
        removed = await self._database.write(partial(_erase, scope.owner, session_id))
        await self._database.forget_old_pages()
        return removed

    async def clean(self) -> None:
        await self._database.forget_old_pages()

    @property
    def _database(self) -> SqliteDatabase:
        if self._open_database is None:
            raise Unavailable("the journal is not open; call open() first")
        return self._open_database

    async def _use_one_of(self, left: list[ClaimedFile]) -> None:
        """Go on in a file that a dead process left, or in a new one; `left` keeps the others. Raises OSError."""
        while left:
            file = left.pop()
            if await self._use(file):
                return
        file = await in_thread(claim_new, self._folder)
        await self._open(file)

    async def _use(self, file: ClaimedFile) -> bool:
        try:
            await self._open(file)
        except StoreError as exc:
            log.error("journal.unreadable", extra={"file": str(file.path), "error": exc.code})
            return False
        return True

    async def _open(self, file: ClaimedFile) -> None:
        """Open the database of a claimed file, which is let go of if that fails."""
        database = self._connection(file)
        try:
            await database.open()
        except BaseException:
            file.release(remove=False)
            raise
        self._open_database, self._file = database, file

    def _connection(self, file: ClaimedFile) -> SqliteDatabase:
        return SqliteDatabase(file.path, synchronous=self._synchronous, readers=1, schema=JOURNAL)

    async def _adopt(self, file: ClaimedFile) -> None:
        """Take over the entries of a dead process's file, and remove it; one that cannot be read stays where it is."""
        database = self._connection(file)
        done, after = False, 0
        try:
            await database.open()
            while rows := await database.read(partial(_rows, after, _ADOPTED_AT_ONCE)):
                after = rows[-1][0]
                await self._database.write(partial(_add_missing, [row[1:] for row in rows]))
            done = True
        except StoreError as exc:
            log.error("journal.unreadable", extra={"file": str(file.path), "error": exc.code})
        finally:
            await database.aclose()
            await in_thread(file.release, remove=done)


def count_left(folder: Path) -> tuple[int, int, int]:
    """Return how many journal files there are below `folder`, with how many messages, and how many were refused.

    Reads only, also what other processes hold. Blocks. Raises StoreError.
    """
    files = sorted(folder.rglob("*.db"))
    messages = refused = 0
    for path in files:
        try:
            connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
            try:
                counted = query(connection, "SELECT count(*), ifnull(sum(aside), 0) FROM entries")[0]
            finally:
                connection.close()
        except apsw.Error as exc:
            raise translate(exc, path) from exc
        messages, refused = messages + counted[0], refused + counted[1]
    return len(files), messages, refused


def _encode(message: Message) -> str:
    told = [
        *(message.id, message.role, message.content),
        *(to_ms(message.created_at), message.state, message.metadata),
    ]
    return orjson.dumps(told).decode()


def _decode(session_id: SessionId, seq: int, body: str) -> Message:
    message_id, role, content, created_ms, state, metadata = orjson.loads(body)
    return Message(
        id=message_id,
        session_id=session_id,
        seq=seq,
        role=role,
        content=content,
        created_at=from_ms(created_ms),
        state=state,
        metadata=metadata,
    )


def _append(rows: Sequence[tuple[Any, ...]], connection: apsw.Connection) -> Appended:
    before = connection.total_changes()
    places = [row[:3] for row in rows]
    connection.executemany("DELETE FROM entries WHERE owner = ? AND session_id = ? AND seq = ?", places)
    replaced = connection.total_changes() - before
    sql = "INSERT OR REPLACE INTO entries (owner, session_id, seq, body, begun_s) VALUES (?, ?, ?, ?, ?)"
    connection.executemany(sql, rows)
    return Appended(connection.last_insert_rowid(), len(set(places)) - replaced)


def _add_missing(rows: Sequence[tuple[Any, ...]], connection: apsw.Connection) -> None:
    sql = "INSERT INTO entries (owner, session_id, seq, body, begun_s) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
    connection.executemany(sql, rows)


def _rows(after: int, limit: int, connection: apsw.Connection) -> list[tuple[Any, ...]]:
    sql = "SELECT number, owner, session_id, seq, body, begun_s FROM entries WHERE number > ? ORDER BY number LIMIT ?"
    return query(connection, sql, (after, limit))


def _oldest(limit: int, until: int, connection: apsw.Connection) -> list[Entry]:
    sql = (
        "SELECT number, owner, session_id, seq, body, begun_s FROM entries WHERE number <= ? AND aside = 0"
        " ORDER BY number LIMIT ?"
    )
    return [
        Entry(number, Scope(owner=owner), _decode(session_id, seq, body), begun_s)
        for number, owner, session_id, seq, body, begun_s in query(connection, sql, (until, limit))
    ]


def _of_session(room: Room, limit: int, before: int | None, connection: apsw.Connection) -> list[Message]:
    sql = "SELECT seq, body FROM entries WHERE owner = ? AND session_id = ? AND seq < ? ORDER BY seq DESC LIMIT ?"
    rows = query(connection, sql, (*room, (1 << 62) if before is None else before, limit))
    return [_decode(room[1], seq, body) for seq, body in rows]


def _forget(numbers: Sequence[int], connection: apsw.Connection) -> int:
    connection.execute(
        "DELETE FROM entries WHERE number IN (SELECT value FROM json_each(?))", (orjson.dumps(numbers).decode(),)
    )
    return connection.changes()


def _set_aside(number: int, connection: apsw.Connection) -> None:
    connection.execute("UPDATE entries SET aside = 1 WHERE number = ?", (number,))


def _offer_all(connection: apsw.Connection) -> None:
    connection.execute("UPDATE entries SET aside = 0 WHERE aside <> 0")


def _erase(owner: str, session_id: SessionId | None, connection: apsw.Connection) -> int:
    sql, values = "DELETE FROM entries WHERE owner = ?", [owner]
    if session_id is not None:
        sql += " AND session_id = ?"
        values.append(session_id)
    connection.execute(sql, values)
    return connection.changes()


def _count(connection: apsw.Connection) -> int:
    counted: int = connection.execute("SELECT count(*) FROM entries").get
    return counted


def _waiting(connection: apsw.Connection) -> Waiting:
    sql = "SELECT owner, session_id, max(number) FROM entries GROUP BY owner, session_id"
    last_by_room = {(owner, session_id): last for owner, session_id, last in query(connection, sql)}
    return Waiting(last_by_room, _count(connection))
