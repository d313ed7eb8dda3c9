"""How a memory gets into the tables, is rewritten, and becomes a tombstone: inside the writer's transaction."""

from collections.abc import Sequence
from typing import Any, Final

import apsw

from stores.records import CONTENT_KEY, Document, Relation, Statement
from stores.sqlite.codec import COLUMNS, encode, encode_relation, to_ms_or_none
from stores.sqlite.rows import as_json, row_of
from stores.sqlite.schema import ROWS_PER_OWNER

WRITTEN: Final = (*COLUMNS, "dedupe_key", "event_ms")
_REWRITE: Final = f"UPDATE memories SET {', '.join(f'{name} = ?' for name in WRITTEN)}, lost = 0 WHERE row = ?"
_BURY: Final = (
    "UPDATE memories SET content = '', speaker = NULL, agent_id = NULL, session_id = NULL, dedupe_key = NULL,"
    """ body = '{"hash":"","tags":[],"entities":[]}', deleted_ms = ?, updated_ms = ?, embedding_model = NULL,"""
    " occurred_ms = NULL, event_ms = created_ms, expires_ms = NULL, valid_ms = NULL, invalid_ms = NULL,"
    " superseded_by = NULL, quarantine = NULL, generation = generation + 1,"
    " index_state = 'pending', attempts = 0, next_attempt_ms = 0, index_reason = '', lost = 0 WHERE row = ?"
)
_INSERT_RELATION: Final = "INSERT INTO relations VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


def release_free_keys(connection: apsw.Connection, keys: Sequence[str], owner: str, now_ms: int) -> None:
    """Let go of the dedupe keys that memories hold whose time is over, or that no longer hold."""
    connection.execute(
        "UPDATE memories SET dedupe_key = NULL WHERE owner_no = (SELECT owner_no FROM owners WHERE owner = ?)"
        " AND dedupe_key IN (SELECT value FROM json_each(?))"
        f" AND (expires_ms <= ? OR (invalid_ms IS NOT NULL AND dedupe_key GLOB '{CONTENT_KEY}*'))",
        (owner, as_json(keys), now_ms),
    )


def insert_indexes(connection: apsw.Connection, numbered: Sequence[tuple[int, Document]]) -> None:
    """Write the indexes of documents at new rows."""
    connection.executemany(
        "INSERT INTO memory_index VALUES (?, ?, ?, ?, ?)",
        [
            (row, document.terms, document.entity_terms, document.embedding, document.traits)
            for row, document in numbered
        ],
    )
    connection.executemany(
        "INSERT INTO memory_words (rowid, words) VALUES (?, ?)",
        [(row, document.terms.hex(" ", 4)) for row, document in numbered],
    )
    relations: list[tuple[Any, ...]] = [
        (row // ROWS_PER_OWNER, row, *encode_relation(relation))
        for row, document in numbered
        for relation in document.relations
    ]
    connection.executemany(_INSERT_RELATION, relations)


def rewrite(connection: apsw.Connection, row: int, document: Document) -> None:
    """Replace the memory at `row` and its indexes."""
    connection.execute(_REWRITE, (*encode(document), row))
    _remove_indexes(connection, row)
    insert_indexes(connection, [(row, document)])


def bury(connection: apsw.Connection, row: int, now_ms: int) -> None:
    """Turn the memory at `row` into a tombstone: no content, no indexes, no history, a grown generation."""
    connection.execute(_BURY, (now_ms, now_ms, row))
    _remove_indexes(connection, row)
    connection.execute("DELETE FROM history WHERE memory_row = ?", (row,))


def settle(settled: Sequence[Statement], owner: str, now_ms: int, connection: apsw.Connection) -> None:
    """Replace relations and validity of memories; one that is gone is left out."""
    for statement in settled:
        row = row_of(connection, statement.id, owner, now_ms=None)
        if row is None:
            continue
        _replace(connection, row, statement.relations)
        connection.execute(
            "UPDATE memories SET valid_ms = ?, invalid_ms = ?, superseded_by = ?, updated_ms = ? WHERE row = ?",
            (
                to_ms_or_none(statement.valid_from),
                to_ms_or_none(statement.invalid_at),
                statement.superseded_by,
                now_ms,
                row,
            ),
        )


def replace_relations(connection: apsw.Connection, row: int, document: Document) -> None:
    """Replace the relations read from the memory at `row`."""
    _replace(connection, row, document.relations)


def _replace(connection: apsw.Connection, row: int, relations: Sequence[Relation]) -> None:
    connection.execute("DELETE FROM relations WHERE memory_row = ?", (row,))
    values = [(row // ROWS_PER_OWNER, row, *encode_relation(relation)) for relation in relations]
    connection.executemany(_INSERT_RELATION, values)


def _remove_indexes(connection: apsw.Connection, row: int) -> None:
    connection.execute("DELETE FROM memory_words WHERE rowid = ?", (row,))
    connection.execute("DELETE FROM memory_index WHERE row = ?", (row,))
    connection.execute("DELETE FROM relations WHERE memory_row = ?", (row,))
