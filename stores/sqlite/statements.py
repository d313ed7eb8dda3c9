"""What memories state, read by the edges that state it: what a new fact may end is sought, not looked through."""

from collections import defaultdict
from collections.abc import Collection, Iterator
from typing import Final

import apsw
import orjson

from stores.records import MENTIONS, EdgePattern, MemoryId, Relation, Statement
from stores.sqlite.codec import decode_relation, from_ms, from_ms_or_none
from stores.sqlite.rows import as_json, owner_number, query

_SINCE: Final = " AND max(e.invalid_ms, e.created_ms) >= :since"
"""Ended or said since then; written as the index has it."""


def statements(
    patterns: Collection[EdgePattern],
    closed_by: MemoryId | None,
    since_ms: int | None,
    owner: str,
    connection: apsw.Connection,
) -> list[Statement]:
    """Memories with an edge that one of the patterns means, or that `closed_by` has ended, with all their relations."""
    number = owner_number(connection, owner)
    if number is None:
        return []
    alike: defaultdict[str, list[EdgePattern]] = defaultdict(list)
    for pattern in patterns:
        for sought in _sought(pattern, since_ms):
            alike[sought].append(pattern)
    given = {f"wanted{n}": orjson.dumps(list(map(tuple, some))).decode() for n, some in enumerate(alike.values())}
    rows = ["SELECT memory_row FROM relations WHERE closed_by = :closer AND +owner_no = :owner"]
    rows += [sought.format(wanted=name) for sought, name in zip(alike, given, strict=True)]
    found = query(
        connection,
        "SELECT m.row, m.id, m.event_ms, ifnull(i.traits, 0), m.valid_ms, m.invalid_ms, m.superseded_by"
        " FROM memories AS m LEFT JOIN memory_index AS i ON i.row = m.row"
        f" WHERE m.deleted_ms IS NULL AND m.row IN ({' UNION ALL '.join(rows)}) ORDER BY m.event_ms, m.id",
        {"owner": number, "closer": closed_by, "since": since_ms, **given},
    )
    edges = _edges(connection, [row for row, *_ in found])
    return [
        Statement(
            id=memory_id,
            said_at=from_ms(event_ms),
            traits=traits,
            relations=tuple(edges[row]),
            valid_from=from_ms_or_none(valid_ms),
            invalid_at=from_ms_or_none(invalid_ms),
            superseded_by=superseded_by,
        )
        for row, memory_id, event_ms, traits, valid_ms, invalid_ms, superseded_by in found
    ]


def _sought(pattern: EdgePattern, since_ms: int | None) -> Iterator[str]:
    """Yield the queries for what such a pattern means: the edges that are open, and those that are over."""
    by_target = pattern.target is not None and pattern.relation is None
    edges = (
        "SELECT e.memory_row FROM json_each(:{wanted}) AS wanted CROSS JOIN relations AS e"
        f" ON e.owner_no = :owner AND e.relation <> '{MENTIONS}' AND {'+' if by_target else ''}e.source = value->>0"
    )
    if pattern.relation is not None:
        edges += " AND e.relation = value->>1"
    if pattern.target is not None:
        edges += " AND e.target = value->>2"
    if not pattern.over:
        yield f"{edges} AND e.invalid_ms IS NULL"
    yield f"{edges} AND e.invalid_ms IS NOT NULL{'' if since_ms is None else _SINCE}"


def _edges(connection: apsw.Connection, rows: Collection[int]) -> defaultdict[int, list[Relation]]:
    """Return all the relations of memories, by their rows."""
    edges: defaultdict[int, list[Relation]] = defaultdict(list)
    columns = "memory_row, source, relation, target, created_ms, valid_ms, invalid_ms, retired_ms, closed_by"
    sql = f"SELECT {columns} FROM relations WHERE memory_row IN (SELECT value FROM json_each(?)) ORDER BY rowid"
    for row, *edge in query(connection, sql, (as_json(rows),)) if rows else ():
        edges[row].append(decode_relation(edge))
    return edges
