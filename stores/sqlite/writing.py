"""How memories get into the tables, are rewritten, and become tombstones: inside the writer's transaction."""

import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, Final

import apsw
import orjson

from stores.errors import Erased
from stores.lateness import is_late, refusal
from stores.records import CONTENT_KEY, Document, Memory, Relation, Statement
from stores.settling import as_stored, places_of, with_places
from stores.sqlite import erasing
from stores.sqlite.codec import COLUMNS, SELECT, decode, encode, encode_relation, to_ms_or_none
from stores.sqlite.rows import as_json, query, row_of
from stores.sqlite.schema import ROWS_PER_OWNER

_WRITTEN: Final = (*COLUMNS, "dedupe_key", "event_ms")
_INSERT: Final = f"INSERT INTO memories (row, owner_no, {', '.join(_WRITTEN)}) VALUES (?, ?{', ?' * len(_WRITTEN)})"
_REWRITE: Final = f"UPDATE memories SET {', '.join(f'{name} = ?' for name in _WRITTEN)}, lost = 0 WHERE row = ?"
_BURY: Final = (
    "UPDATE memories SET content = '', speaker = NULL, agent_id = NULL, session_id = NULL, dedupe_key = NULL,"
    """ body = '{"hash":"","tags":[],"entities":[]}', deleted_ms = ?, updated_ms = ?, embedding_model = NULL,"""
    " occurred_ms = NULL, event_ms = created_ms, expires_ms = NULL, valid_ms = NULL, invalid_ms = NULL,"
    " superseded_by = NULL, quarantine = NULL, generation = generation + 1,"
    " index_state = 'pending', attempts = 0, next_attempt_ms = 0, index_reason = '', lost = 0 WHERE row = ?"
)
_INSERT_RELATION: Final = "INSERT INTO relations VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_HELD: Final = (
    f"SELECT wanted.value->>0, m.row, m.dedupe_key, {SELECT} FROM json_each(?) AS wanted"
    " CROSS JOIN memories AS m INDEXED BY memories_dedupe"
    " ON m.owner_no = wanted.value->>1 AND m.dedupe_key = wanted.value->>2"
)
_EXPIRES: Final = COLUMNS.index("expires_ms")
_INVALID: Final = COLUMNS.index("invalid_ms")

Key = tuple[str, str]
"""An owner and a dedupe key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Addition:
    """What is to be added for one owner, as `DocumentStore.put_many` takes it."""

    documents: Sequence[Document]
    owner: str
    now_ms: int
    settled: Sequence[Statement]
    begun_s: float | None

    @property
    def keys(self) -> list[Key]:
        return [(self.owner, document.dedupe_key) for document in self.documents]


def insert(additions: Sequence[Addition], connection: apsw.Connection) -> list[list[Memory] | Erased]:
    """Write the documents whose dedupe key is new; return what is stored for each, or that an owner was erased."""
    return [outcome for part in _parts(additions) for outcome in _insert_part(part, connection)]


def _parts(additions: Sequence[Addition]) -> Iterator[Sequence[Addition]]:
    """Yield the additions in order, cut where one says what another of the same part says."""
    part: list[Addition] = []
    said: set[Key] = set()
    for one in additions:
        if not said.isdisjoint(one.keys):
            yield part
            part, said = [], set()
        part.append(one)
        said.update(one.keys)
    yield part


def _insert_part(additions: Sequence[Addition], connection: apsw.Connection) -> list[list[Memory] | Erased]:
    late = _late(additions, connection)
    timely = [one for place, one in enumerate(additions) if place not in late]
    numbers = _numbers(connection, {one.owner for one in timely})
    held = _held(connection, timely, numbers)
    fresh: dict[Key, Document] = {}
    for one in timely:
        for key, document in zip(one.keys, one.documents, strict=True):
            if key not in held:
                fresh.setdefault(key, document)
    rows_of = _reserve(connection, Counter(owner for owner, _ in fresh), numbers)
    outcomes: list[list[Memory] | Erased] = []
    rows: list[tuple[int, Document]] = []
    settled: list[tuple[Addition, Sequence[Statement]]] = []
    for place, one in enumerate(additions):
        if place in late:
            outcomes.append(refusal())
            continue
        stored = [held.get(key) or fresh[key].memory for key in one.keys]
        places = places_of(one.documents, stored)
        new = [fresh[key] for key in dict.fromkeys(one.keys) if key in fresh]
        rows += [(next(rows_of[one.owner]), with_places(document, places)) for document in new]
        settled.append((one, as_stored(one.settled, places)))
        outcomes.append(stored)
    _insert_rows(connection, rows)
    for one, statements in settled:
        settle(statements, one.owner, one.now_ms, connection)
    return outcomes


def _late(additions: Sequence[Addition], connection: apsw.Connection) -> Collection[int]:
    """Return the places of what was begun before its owner was erased."""
    erased_s = erasing.erased({one.owner for one in additions if one.begun_s is not None}, connection)
    now_s = time.time()
    return {place for place, one in enumerate(additions) if is_late(one.begun_s, erased_s.get(one.owner), now_s)}


def _numbers(connection: apsw.Connection, owners: Collection[str]) -> dict[str, int]:
    """Return the numbers of those owners who have one."""
    sql = "SELECT owner, owner_no FROM owners WHERE owner IN (SELECT value FROM json_each(?))"
    return dict(query(connection, sql, (as_json(owners),)))


def _held(connection: apsw.Connection, additions: Sequence[Addition], numbers: Mapping[str, int]) -> dict[Key, Memory]:
    """Return the memories that hold a key. One whose time is over, or that no longer holds, lets go of it."""
    wanted = [
        (place, numbers[one.owner], document.dedupe_key)
        for place, one in enumerate(additions)
        if one.owner in numbers
        for document in one.documents
    ]
    held: dict[Key, Memory] = {}
    free: list[int] = []
    for place, row, key, *columns in query(connection, _HELD, (orjson.dumps(wanted).decode(),)) if wanted else ():
        one, expires_ms = additions[place], columns[_EXPIRES]
        is_over = expires_ms is not None and expires_ms <= one.now_ms
        if is_over or (columns[_INVALID] is not None and key.startswith(CONTENT_KEY)):
            free.append(row)
        else:
            held[one.owner, key] = decode(tuple(columns), one.owner)
    if free:
        sql = "UPDATE memories SET dedupe_key = NULL WHERE row IN (SELECT value FROM json_each(?))"
        connection.execute(sql, (as_json(free),))
    return held


def _reserve(
    connection: apsw.Connection, counts: Mapping[str, int], numbers: Mapping[str, int]
) -> dict[str, Iterator[int]]:
    """Return the new rows of each owner, so many; one who is new gets a number."""
    if not counts:
        return {}
    new = [owner for owner in counts if owner not in numbers]
    if new:
        connection.execute("INSERT INTO owners (owner) SELECT value FROM json_each(?)", (as_json(new),))
    sql = (
        "UPDATE owners SET next_n = next_n + (wanted.value->>1) FROM json_each(?) AS wanted"
        " WHERE owner = wanted.value->>0 RETURNING owner, owner_no, next_n"
    )
    reserved = query(connection, sql, (orjson.dumps(list(counts.items())).decode(),))
    return {owner: count(number * ROWS_PER_OWNER + next_n - counts[owner]) for owner, number, next_n in reserved}


def _insert_rows(connection: apsw.Connection, rows: Sequence[tuple[int, Document]]) -> None:
    if rows:
        connection.executemany(_INSERT, [(row, row // ROWS_PER_OWNER, *encode(document)) for row, document in rows])
        _insert_indexes(connection, rows)


def _insert_indexes(connection: apsw.Connection, numbered: Sequence[tuple[int, Document]]) -> None:
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


def release_free_keys(connection: apsw.Connection, keys: Sequence[str], owner: str, now_ms: int) -> None:
    """Let go of the dedupe keys that memories hold whose time is over, or that no longer hold."""
    connection.execute(
        "UPDATE memories SET dedupe_key = NULL WHERE owner_no = (SELECT owner_no FROM owners WHERE owner = ?)"
        " AND dedupe_key IN (SELECT value FROM json_each(?))"
        f" AND (expires_ms <= ? OR (invalid_ms IS NOT NULL AND dedupe_key GLOB '{CONTENT_KEY}*'))",
        (owner, as_json(keys), now_ms),
    )


def rewrite(connection: apsw.Connection, row: int, document: Document) -> None:
    """Replace the memory at `row` and its indexes."""
    connection.execute(_REWRITE, (*encode(document), row))
    _remove_indexes(connection, row)
    _insert_indexes(connection, [(row, document)])


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
