"""Where rows are: owners to row ranges, ids to rows, and the conditions that every read carries."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import apsw
import orjson

from stores.sqlite.schema import ROWS_PER_OWNER

LIVE: Final = "m.deleted_ms IS NULL AND (m.expires_ms IS NULL OR m.expires_ms > ?)"
"""Neither deleted nor over; takes now in milliseconds."""

SEARCHED: Final = f"{LIVE} AND m.quarantine IS NULL"
"""Live, and not in quarantine."""


def as_json(values: Iterable[str | int]) -> str:
    """Return a JSON list for json_each: one parameter, however many values."""
    return orjson.dumps(list(values)).decode()


def query(connection: apsw.Connection, sql: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> list[Any]:
    """Return all rows, as tuples of whatever the statement selects."""
    return connection.execute(sql, values).fetchall()


def owner_number(connection: apsw.Connection, owner: str) -> int | None:
    found: int | None = connection.execute("SELECT owner_no FROM owners WHERE owner = ?", (owner,)).get
    return found


def row_range(number: int) -> tuple[int, int]:
    """Return the first and the last row that the owner can have."""
    return number * ROWS_PER_OWNER, (number + 1) * ROWS_PER_OWNER - 1


def rows_of(connection: apsw.Connection, ids: Iterable[str], number: int) -> list[int]:
    """Return the rows of those of the ids that are the owner's, in any order."""
    sql = "SELECT row FROM memories WHERE id IN (SELECT value FROM json_each(?)) AND +row BETWEEN ? AND ?"
    return [row for (row,) in query(connection, sql, (as_json(ids), *row_range(number)))]


def row_of(connection: apsw.Connection, memory_id: str, owner: str, now_ms: int | None) -> int | None:
    """Return the row of a memory that is not deleted, and not over either if `now_ms` is given."""
    sql = (
        "SELECT m.row FROM memories AS m WHERE m.id = ?"
        " AND +m.owner_no = (SELECT owner_no FROM owners WHERE owner = ?) AND m.deleted_ms IS NULL"
    )
    if now_ms is None:
        found: int | None = connection.execute(sql, (memory_id, owner)).get
    else:
        sql += " AND (m.expires_ms IS NULL OR m.expires_ms > ?)"
        found = connection.execute(sql, (memory_id, owner, now_ms)).get
    return found
