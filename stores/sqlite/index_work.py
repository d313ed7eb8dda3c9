"""The work that indexes still need: what is due, who has claimed it, how it ended, what was given up."""

from collections.abc import Collection, Sequence
from typing import Any, Final

import apsw

from stores.records import FailedWork, IndexMark, MemoryId, PendingWork, Scope
from stores.sqlite.codec import from_ms_or_none, to_ms_or_none
from stores.sqlite.rows import as_json, query

_DUE: Final = (
    "m.index_state = 'pending' AND m.next_attempt_ms <= ? AND (m.expires_ms IS NULL OR m.expires_ms > ?)"
    " {condition} ORDER BY m.next_attempt_ms, m.row LIMIT ?"
)
_OF_IDS: Final = (
    "AND m.id IN (SELECT value FROM json_each(?)) AND +m.owner_no = (SELECT owner_no FROM owners WHERE owner = ?)"
)
_CLAIM: Final = "UPDATE memories SET next_attempt_ms = ?, lost = lost + 1 WHERE row = ?"


def pending(limit: int, now_ms: int, connection: apsw.Connection) -> list[PendingWork]:
    """Return work that is due, oldest first."""
    return [work for _, work in _due(connection, "INDEXED BY memories_pending", "", (now_ms, now_ms, limit))]


def claim(
    limit: int,
    now_ms: int,
    until_ms: int,
    among: tuple[str, Collection[MemoryId]] | None,
    connection: apsw.Connection,
) -> list[PendingWork]:
    """Take work that is due until then; among: only these ids of an owner."""
    if among is None:
        found = _due(connection, "INDEXED BY memories_pending", "", (now_ms, now_ms, limit))
    else:
        owner, ids = among
        found = _due(connection, "", _OF_IDS, (now_ms, now_ms, as_json(ids), owner, limit))
    connection.executemany(_CLAIM, [(until_ms, row) for row, _ in found])
    return [work for _, work in found]


def _due(
    connection: apsw.Connection, index: str, condition: str, values: Sequence[Any]
) -> list[tuple[int, PendingWork]]:
    sql = (
        "SELECT m.row, o.owner, m.id, m.generation, m.attempts, m.deleted_ms, m.content, i.embedding, m.lost"
        f" FROM memories AS m {index} JOIN owners AS o ON o.owner_no = m.owner_no LEFT JOIN memory_index AS i"
        f" ON i.row = m.row WHERE {_DUE.format(condition=condition)}"
    )
    return [
        (
            row,
            PendingWork(
                scope=Scope(owner=owner),
                id=memory_id,
                generation=generation,
                attempts=attempts,
                deleted=deleted_ms is not None,
                content=content,
                embedding=embedding,
                lost=lost,
            ),
        )
        for row, owner, memory_id, generation, attempts, deleted_ms, content, embedding, lost in query(
            connection, sql, values
        )
    ]


def mark(marks: Sequence[IndexMark], owner: str, connection: apsw.Connection) -> int:
    """Record the outcomes where the generation is still the same; return how many took effect."""
    sql = (
        "UPDATE memories SET index_state = ?, attempts = ?, next_attempt_ms = ?, index_reason = ?, lost = ?,"
        " embedding_model = ifnull(?, embedding_model) WHERE id = ? AND generation = ?"
        " AND +owner_no = (SELECT owner_no FROM owners WHERE owner = ?) RETURNING row"
    )
    taken = 0
    for item in marks:
        due = to_ms_or_none(item.next_attempt_at) or 0
        outcome = (item.state, item.attempts, due, item.reason, item.lost, item.embedding_model)
        rows = query(connection, sql, (*outcome, item.id, item.generation, owner))
        taken += len(rows)
        if item.embedding is not None:
            connection.executemany(
                "UPDATE memory_index SET embedding = ? WHERE row = ?", [(item.embedding, row) for (row,) in rows]
            )
    return taken


def count_pending(owner: str, connection: apsw.Connection) -> int:
    """Return how many memories of the owner, tombstones included, still need index work."""
    sql = (
        "SELECT count(*) FROM memories INDEXED BY memories_pending WHERE index_state = 'pending'"
        " AND owner_no = (SELECT owner_no FROM owners WHERE owner = ?)"
    )
    [(number,)] = query(connection, sql, (owner,))
    return int(number)


def failed(limit: int, owner: str | None, after: str, connection: apsw.Connection) -> list[FailedWork]:
    """Return work that was given up, of one owner or of all, behind the id `after`."""
    condition = "" if owner is None else " AND o.owner = ?"
    sql = (
        "SELECT o.owner, m.id, m.generation, m.attempts, m.index_reason, m.next_attempt_ms FROM memories AS m"
        " INDEXED BY memories_failed JOIN owners AS o ON o.owner_no = m.owner_no WHERE m.index_state = 'failed'"
        f" AND m.deleted_ms IS NULL AND m.id > ?{condition} ORDER BY m.id LIMIT ?"
    )
    return [
        FailedWork(
            scope=Scope(owner=name),
            id=memory_id,
            generation=generation,
            attempts=attempts,
            reason=reason,
            failed_at=from_ms_or_none(failed_ms or None),
        )
        for name, memory_id, generation, attempts, reason, failed_ms in query(
            connection, sql, (after, *(() if owner is None else (owner,)), limit)
        )
    ]
