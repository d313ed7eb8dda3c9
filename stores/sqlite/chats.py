"""The chat store on the same SQLite file as the documents: each call is one function in one connection's thread."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, Final

import apsw
import orjson

from stores.errors import Conflict, NotFound
from stores.records import (
    Decision,
    DecisionId,
    DecisionState,
    Keyset,
    Message,
    Metadata,
    Scope,
    Session,
    SessionId,
)
from stores.sqlite import erasing
from stores.sqlite.chat_rows import (
    DECISION,
    MESSAGE,
    SESSION,
    decode_decision,
    decode_message,
    decode_session,
    encode_decision,
    encode_json,
    encode_message,
    message_range,
)
from stores.sqlite.codec import to_ms
from stores.sqlite.database import SqliteDatabase
from stores.sqlite.rows import query

_OWNED: Final = {"sessions": "chat_sessions", "profiles": "chat_profiles", "decisions": "chat_decisions"}
_NUMBER: Final = "SELECT session_no FROM chat_sessions WHERE owner = ? AND id = ? AND deleted = 0"
_MESSAGES_OF: Final = (
    "FROM chat_sessions AS s CROSS JOIN chat_messages AS m"
    " ON m.row BETWEEN s.session_no * 4294967296 AND s.session_no * 4294967296 + 4294967295 WHERE s.owner = ?"
)


class SqliteChats:
    """See `stores.protocols.ChatStore`. Writes that wait together share one transaction and one fsync."""

    name = "sqlite-chats"
    local = True

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    async def open(self) -> None:
        await self._database.open()

    async def aclose(self) -> None:
        await self._database.aclose()

    async def reserve(
        self,
        session: Session,
        *,
        scope: Scope,
        count: int,
        now: datetime,
        first: Message | None = None,
        begun_s: float | None = None,
    ) -> Session:
        return await self._database.write(partial(_reserve, session, scope, (count, to_ms(now)), first, begun_s))

    async def put_messages(
        self, messages: Sequence[tuple[Scope, Message]], *, begun_s: Sequence[float | None] = ()
    ) -> None:
        await self._database.write(partial(_put_messages, messages, begun_s))

    async def recent(
        self, session_id: SessionId, *, scope: Scope, limit: int, before: int | None = None
    ) -> list[Message]:
        return await self._database.read(partial(_recent, session_id, scope.owner, limit, before))

    async def get_session(self, session_id: SessionId, *, scope: Scope) -> Session:
        return await self._database.read(partial(_get_session, session_id, scope.owner))

    async def list_sessions(self, *, scope: Scope, limit: int, after: Keyset | None = None) -> list[Session]:
        sql = f"SELECT {SESSION} FROM chat_sessions WHERE owner = ? AND deleted = 0"
        rows = await self._database.read(partial(_page, sql, [scope.owner], "updated_ms", limit, after))
        return list(map(decode_session, rows))

    async def update_session(
        self,
        session_id: SessionId,
        *,
        scope: Scope,
        title: str | None = None,
        summary: tuple[str, int] | None = None,
        metadata: Metadata | None = None,
        begun_s: float | None = None,
    ) -> Session:
        plain: dict[str, Any] = {}
        if title is not None:
            plain["title"] = title
        if metadata is not None:
            plain["metadata"] = metadata
        return await self._database.write(partial(_update_session, session_id, scope.owner, plain, summary, begun_s))

    async def delete_session(self, session_id: SessionId, *, scope: Scope) -> bool:
        found = await self._database.write(partial(_delete_session, session_id, scope.owner))
        if found:
            await self._database.forget_old_pages()
        return found

    async def get_profile(self, scope: Scope) -> Metadata:
        return await self._database.read(partial(_get_profile, scope.owner))

    async def put_profile(self, profile: Metadata, *, scope: Scope) -> None:
        await self._database.write(partial(_put_profile, encode_json(profile), scope.owner))

    async def put_decisions(self, decisions: Sequence[Decision], *, scope: Scope) -> None:
        await self._database.write(partial(_put_decisions, decisions, scope.owner))

    async def list_decisions(
        self, *, scope: Scope, limit: int, after: Keyset | None = None, state: DecisionState | None = None
    ) -> list[Decision]:
        sql, values = f"SELECT {DECISION} FROM chat_decisions WHERE owner = ?", [scope.owner]
        if state is not None:
            sql += " AND state = ?"
            values.append(state)
        rows = await self._database.read(partial(_page, sql, values, "created_ms", limit, after))
        return list(map(decode_decision, rows))

    async def decide(self, decision_id: DecisionId, state: DecisionState, *, scope: Scope, now: datetime) -> Decision:
        return await self._database.write(partial(_decide, decision_id, state, scope.owner, to_ms(now)))

    async def erase(self, scope: Scope) -> dict[str, int]:
        removed = await self._database.write(partial(_erase, scope.owner))
        await self._database.forget_old_pages(surely=True)
        return removed

    async def count(self, scope: Scope) -> dict[str, int]:
        return await self._database.read(partial(_count, scope.owner))

    async def status(self) -> dict[str, int | str]:
        return await self._database.read(_status)


def _reserve(
    session: Session,
    scope: Scope,
    taken: tuple[int, int],
    first: Message | None,
    begun_s: float | None,
    connection: apsw.Connection,
) -> Session:
    """taken: how many numbers, and when in ms."""
    erasing.refuse_late(scope.owner, begun_s, connection)
    count, now_ms = taken
    values = (
        *(session.id, scope.owner, to_ms(session.created_at), now_ms),
        *(session.title, session.summary, session.summary_seq, encode_json(session.metadata)),
    )
    connection.execute(
        "INSERT INTO chat_sessions (id, owner, created_ms, updated_ms, next_seq, title, summary, summary_seq, metadata)"
        " VALUES (?, ?, ?, ?, 1, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        values,
    )
    sql = (
        "UPDATE chat_sessions SET next_seq = next_seq + ?, updated_ms = ? WHERE owner = ? AND id = ? AND deleted = 0"
        f" RETURNING {SESSION}"
    )
    reserved = _one_session(connection, sql, (count, now_ms, scope.owner, session.id), session.id)
    if first is not None:
        _put_messages([(scope, replace(first, seq=reserved.next_seq - count))], (), connection)
    return reserved


def _put_messages(
    messages: Sequence[tuple[Scope, Message]], begun_s: Sequence[float | None], connection: apsw.Connection
) -> None:
    numbers: dict[tuple[str, SessionId], int | None] = {}
    if begun_s:
        timed = zip(messages, begun_s, strict=True)
        messages = [pair for pair, begun in timed if not erasing.begun_before(pair[0].owner, begun, connection)]
    for scope, message in messages:
        key = (scope.owner, message.session_id)
        if key not in numbers:
            numbers[key] = _session_number(connection, message.session_id, scope.owner)
    placed = [(message, numbers[scope.owner, message.session_id]) for scope, message in messages]
    connection.executemany(
        f"INSERT OR REPLACE INTO chat_messages ({MESSAGE}) VALUES (?, ?, ?, ?, ?, ?, ?)",
        [encode_message(message, number) for message, number in placed if number is not None],
    )


def _session_number(connection: apsw.Connection, session_id: SessionId, owner: str) -> int | None:
    found: int | None = connection.execute(_NUMBER, (owner, session_id)).get
    return found


def _recent(
    session_id: SessionId, owner: str, limit: int, before: int | None, connection: apsw.Connection
) -> list[Message]:
    number = _session_number(connection, session_id, owner)
    if number is None:
        return []
    low, high = message_range(number)
    if before is not None:
        high = min(high, low + before - 1)
    sql = f"SELECT {MESSAGE} FROM chat_messages WHERE row BETWEEN ? AND ? ORDER BY row DESC LIMIT ?"
    return [decode_message(row, session_id) for row in reversed(query(connection, sql, (low, high, limit)))]


def _get_session(session_id: SessionId, owner: str, connection: apsw.Connection) -> Session:
    sql = f"SELECT {SESSION} FROM chat_sessions WHERE owner = ? AND id = ? AND deleted = 0"
    return _one_session(connection, sql, (owner, session_id), session_id)


def _one_session(connection: apsw.Connection, sql: str, values: tuple[Any, ...], session_id: SessionId) -> Session:
    rows = query(connection, sql, values)
    if not rows:
        raise NotFound(session_id, kind="session")
    return decode_session(rows[0])


def _page(
    sql: str, values: Sequence[Any], moment: str, limit: int, after: Keyset | None, connection: apsw.Connection
) -> list[Any]:
    """Return the rows of `sql` behind the keyset, the latest first by (`moment`, id)."""
    beyond = "" if after is None else f" AND ({moment}, id) < (?, ?)"
    ordered = f"{sql}{beyond} ORDER BY {moment} DESC, id DESC LIMIT ?"
    return query(connection, ordered, (*values, *(after or ()), limit))


def _update_session(
    session_id: SessionId,
    owner: str,
    plain: Mapping[str, Any],
    summary: tuple[str, int] | None,
    begun_s: float | None,
    connection: apsw.Connection,
) -> Session:
    before = _get_session(session_id, owner, connection)
    if erasing.begun_before(owner, begun_s, connection):
        raise NotFound(session_id, kind="session")
    changes = dict(plain)
    if "metadata" in changes:
        changes["metadata"] = encode_json({**before.metadata, **changes["metadata"]})
    if summary is not None and summary[1] >= before.summary_seq:
        changes["summary"], changes["summary_seq"] = summary
    if not changes:
        return before
    assignments = ", ".join(f"{column} = ?" for column in changes)
    sql = f"UPDATE chat_sessions SET {assignments} WHERE owner = ? AND id = ? RETURNING {SESSION}"
    return _one_session(connection, sql, (*changes.values(), owner, session_id), session_id)


def _delete_session(session_id: SessionId, owner: str, connection: apsw.Connection) -> bool:
    number = _session_number(connection, session_id, owner)
    if number is None:
        return False
    connection.execute("DELETE FROM chat_messages WHERE row BETWEEN ? AND ?", message_range(number))
    connection.execute(
        "UPDATE chat_sessions SET deleted = 1, created_ms = 0, updated_ms = 0, next_seq = 0, title = '', summary = '',"
        " summary_seq = 0, metadata = '{}' WHERE session_no = ?",
        (number,),
    )
    return True


def _get_profile(owner: str, connection: apsw.Connection) -> Metadata:
    found: str | None = connection.execute("SELECT profile FROM chat_profiles WHERE owner = ?", (owner,)).get
    profile: dict[str, Any] = {} if found is None else orjson.loads(found)
    return profile


def _put_profile(profile: str, owner: str, connection: apsw.Connection) -> None:
    connection.execute("INSERT OR REPLACE INTO chat_profiles VALUES (?, ?)", (owner, profile))


def _put_decisions(decisions: Sequence[Decision], owner: str, connection: apsw.Connection) -> None:
    connection.executemany(
        f"INSERT INTO chat_decisions (owner, {DECISION}) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        [(owner, *encode_decision(decision)) for decision in decisions],
    )


def _decide(
    decision_id: DecisionId, state: DecisionState, owner: str, now_ms: int, connection: apsw.Connection
) -> Decision:
    held = query(connection, "SELECT state FROM chat_decisions WHERE id = ? AND +owner = ?", (decision_id, owner))
    if not held:
        raise NotFound(decision_id, kind="decision")
    if held[0] != ("pending",):
        raise Conflict(f"{decision_id} was settled before, as {held[0][0]}")
    sql = f"UPDATE chat_decisions SET state = ?, decided_ms = ? WHERE id = ? RETURNING {DECISION}"
    return decode_decision(query(connection, sql, (state, now_ms, decision_id))[0])


def _erase(owner: str, connection: apsw.Connection) -> dict[str, int]:
    erasing.note(owner, connection)
    numbers = query(connection, "SELECT session_no FROM chat_sessions WHERE owner = ?", (owner,))
    messages = 0
    for (number,) in numbers:
        connection.execute("DELETE FROM chat_messages WHERE row BETWEEN ? AND ?", message_range(number))
        messages += connection.changes()
    removed = {}
    for kind, table in _OWNED.items():
        connection.execute(f"DELETE FROM {table} WHERE owner = ?", (owner,))
        removed[kind] = connection.changes()
    return {**removed, "messages": messages}


def _count(owner: str, connection: apsw.Connection) -> dict[str, int]:
    counted = {
        kind: connection.execute(f"SELECT count(*) FROM {table} WHERE owner = ?", (owner,)).get
        for kind, table in _OWNED.items()
    }
    return {**counted, "messages": connection.execute(f"SELECT count(*) {_MESSAGES_OF}", (owner,)).get}


def _status(connection: apsw.Connection) -> dict[str, int | str]:
    return {
        "sessions": connection.execute("SELECT count(*) FROM chat_sessions WHERE deleted = 0").get,
        "messages": connection.execute("SELECT count(*) FROM chat_messages").get,
    }
