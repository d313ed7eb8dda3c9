"""What keeps the store in order: scans, expiry, erasure, counts, metadata."""

from collections.abc import Collection
from pathlib import Path
from typing import Final

import apsw

from stores.records import IndexRow, Memory, MemoryId, Scope
from stores.sqlite import erasing
from stores.sqlite.codec import SELECT, decode
from stores.sqlite.rows import as_json, owner_number, query, row_range

_SCAN: Final = (
    "SELECT m.row, m.id, m.version, m.deleted_ms IS NULL AND m.quarantine IS NULL, m.updated_ms, m.created_ms,"
    " m.occurred_ms, m.expires_ms, m.session_id, m.session_seq, m.speaker, m.memory_type,"
    " ifnull(i.terms, x''), ifnull(i.entity_terms, x''), {vector}, ifnull(i.traits, 0),"
    " m.valid_ms, m.invalid_ms, m.superseded_by"
    " FROM memories AS m LEFT JOIN memory_index AS i ON i.row = m.row WHERE {condition}"
)
_LIVE: Final = "m.deleted_ms IS NULL AND m.quarantine IS NULL"
_OWNED: Final = {"memories": "row", "history": "memory_row", "relations": "memory_row"}


def scan(
    owner: str, vector_column: str, since_ms: int | None, after: int, limit: int, connection: apsw.Connection
) -> tuple[int, list[IndexRow]]:
    """Return the last row read and up to `limit` index rows behind row `after`."""
    number = owner_number(connection, owner)
    if number is None:
        return after, []
    low, high = row_range(number)
    condition = f"m.row > ? AND m.row <= ? AND {_LIVE if since_ms is None else 'm.updated_ms >= ?'}"
    sql = f"{_SCAN.format(vector=vector_column, condition=condition)} ORDER BY m.row LIMIT ?"
    values = (max(after, low - 1), high, *(() if since_ms is None else (since_ms,)), limit)
    found = query(connection, sql, values)
    return (found[-1][0] if found else after), [IndexRow._make(row[1:]) for row in found]


def index_rows(ids: Collection[MemoryId], owner: str, connection: apsw.Connection) -> list[IndexRow]:
    number = owner_number(connection, owner)
    if number is None:
        return []
    condition = f"m.id IN (SELECT value FROM json_each(?)) AND +m.owner_no = ? AND {_LIVE}"
    found = query(connection, _SCAN.format(vector="NULL", condition=condition), (as_json(ids), number))
    return [IndexRow._make(row[1:]) for row in found]


def scan_documents(
    owner: str | None, after: int, limit: int, connection: apsw.Connection
) -> tuple[int, list[tuple[Scope, Memory]]]:
    """Return the last row read and up to `limit` live memories behind row `after`, of one owner or of all."""
    high = 1 << 62
    if owner is not None:
        number = owner_number(connection, owner)
        if number is None:
            return after, []
        low, high = row_range(number)
        after = max(after, low - 1)
    sql = (
        f"SELECT m.row, o.owner, {SELECT} FROM memories AS m JOIN owners AS o ON o.owner_no = m.owner_no"
        " WHERE m.row > ? AND m.row <= ? AND m.deleted_ms IS NULL ORDER BY m.row LIMIT ?"
    )
    found = query(connection, sql, (after, high, limit))
    memories = [(Scope(owner=name), decode(tuple(columns), name)) for _, name, *columns in found]
    return (found[-1][0] if found else after), memories


def expired(limit: int, now_ms: int, connection: apsw.Connection) -> list[tuple[Scope, MemoryId]]:
    sql = (
        "SELECT o.owner, m.id FROM memories AS m JOIN owners AS o ON o.owner_no = m.owner_no"
        " WHERE m.expires_ms IS NOT NULL AND m.expires_ms <= ? AND m.deleted_ms IS NULL ORDER BY m.expires_ms LIMIT ?"
    )
    return [(Scope(owner=owner), memory_id) for owner, memory_id in query(connection, sql, (now_ms, limit))]


def erase(owner: str, connection: apsw.Connection) -> dict[str, int]:
    """Remove all rows of the owner, and the owner; remember that this was done."""
    erasing.note(owner, connection)
    number = owner_number(connection, owner)
    removed = dict.fromkeys(_OWNED, 0)
    if number is None:
        return removed
    between = row_range(number)
    for table, column in _OWNED.items():
        connection.execute(f"DELETE FROM {table} WHERE {column} BETWEEN ? AND ?", between)
        removed[table] = connection.changes()
    connection.execute("DELETE FROM memory_words WHERE rowid BETWEEN ? AND ?", between)
    connection.execute("DELETE FROM memory_index WHERE row BETWEEN ? AND ?", between)
    connection.execute("DELETE FROM owners WHERE owner_no = ?", (number,))
    return removed


def count(owner: str, connection: apsw.Connection) -> dict[str, int]:
    number = owner_number(connection, owner)
    if number is None:
        return dict.fromkeys(_OWNED, 0)
    return {
        table: connection.execute(f"SELECT count(*) FROM {table} WHERE {column} BETWEEN ? AND ?", row_range(number)).get
        for table, column in _OWNED.items()
    }


def get_meta(key: str, connection: apsw.Connection) -> bytes | None:
    found: bytes | None = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).get
    return found


def put_meta(key: str, value: bytes, on_conflict: str, connection: apsw.Connection) -> bytes:
    connection.execute(f"INSERT INTO meta VALUES (?, ?) ON CONFLICT DO {on_conflict}", (key, value))
    stored: bytes = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).get
    return stored


def status(path: Path, synchronous: str, connection: apsw.Connection) -> dict[str, int | str]:
    states = query(
        connection, "SELECT index_state, count(*) FROM memories WHERE deleted_ms IS NULL GROUP BY index_state"
    )
    return {
        "sqlite": apsw.sqlite_lib_version(),
        "path": str(path),
        "journal_mode": connection.pragma("journal_mode"),
        "synchronous": synchronous,
        "schema": connection.pragma("user_version"),
        "bytes": path.stat().st_size,
        "owners": connection.execute("SELECT count(*) FROM owners").get,
        "tombstones": connection.execute("SELECT count(*) FROM memories WHERE deleted_ms IS NOT NULL").get,
        **{f"index_{state}": number for state, number in states},
    }
