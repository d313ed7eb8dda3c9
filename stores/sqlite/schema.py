"""The tables of a Context0 file, and how an older file becomes a current one.

An owner's rows lie in one range of row numbers: row = owner_no * 2^32 + n. So every scan, and every keyword query, can
seek to its owner and costs what the owner has, not what the file has. Owner numbers are never used twice.

The keyword index holds the 32-bit hashes of the analysed words, as eight hexadecimal digits, not the words: FTS5 keeps
a few terms as separators inside its own tables after their rows are deleted, and what was erased must not stay there.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import apsw

from stores.errors import Incompatible

APPLICATION_ID: Final = 0x43545830  # "CTX0"
ROWS_PER_OWNER: Final = 1 << 32
ROWS_PER_SESSION: Final = 1 << 32

_VERSION_1: Final = """
CREATE TABLE owners (
    owner_no INTEGER PRIMARY KEY AUTOINCREMENT,
    owner    TEXT NOT NULL UNIQUE,
    next_n   INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE memories (
    row              INTEGER PRIMARY KEY,
    id               TEXT NOT NULL UNIQUE,
    owner_no         INTEGER NOT NULL,
    dedupe_key       TEXT,
    content          TEXT NOT NULL,
    memory_type      TEXT NOT NULL,
    speaker          TEXT,
    agent_id         TEXT,
    session_id       TEXT,
    session_seq      INTEGER NOT NULL,
    importance       REAL NOT NULL,
    confidence       REAL NOT NULL,
    created_ms       INTEGER NOT NULL,
    updated_ms       INTEGER NOT NULL,
    occurred_ms      INTEGER,
    event_ms         INTEGER NOT NULL,
    expires_ms       INTEGER,
    deleted_ms       INTEGER,
    version          INTEGER NOT NULL,
    embedding_model  TEXT,
    index_state      TEXT NOT NULL,
    generation       INTEGER NOT NULL,
    attempts         INTEGER NOT NULL,
    next_attempt_ms  INTEGER NOT NULL,
    body             TEXT NOT NULL
) STRICT;
CREATE INDEX memories_newest ON memories (owner_no, created_ms, id) WHERE deleted_ms IS NULL;
CREATE INDEX memories_event ON memories (owner_no, event_ms) WHERE deleted_ms IS NULL;
CREATE INDEX memories_updated ON memories (owner_no, updated_ms);
CREATE UNIQUE INDEX memories_dedupe ON memories (owner_no, dedupe_key) WHERE dedupe_key IS NOT NULL;
CREATE INDEX memories_pending ON memories (next_attempt_ms) WHERE index_state = 'pending';
CREATE INDEX memories_expires ON memories (expires_ms) WHERE expires_ms IS NOT NULL AND deleted_ms IS NULL;

CREATE TABLE memory_index (
    row          INTEGER PRIMARY KEY,
    terms        BLOB NOT NULL,
    entity_terms BLOB NOT NULL,
    embedding    BLOB,
    traits       INTEGER NOT NULL
) STRICT;

CREATE VIRTUAL TABLE memory_words USING fts5(words, content='', contentless_delete=1, tokenize='unicode61');
INSERT INTO memory_words(memory_words, rank) VALUES ('secure-delete', 1);

CREATE TABLE relations (
    owner_no    INTEGER NOT NULL,
    memory_row  INTEGER NOT NULL,
    source      TEXT NOT NULL,
    relation    TEXT NOT NULL,
    target      TEXT NOT NULL,
    created_ms  INTEGER NOT NULL,
    valid_ms    INTEGER,
    invalid_ms  INTEGER,
    retired_ms  INTEGER
) STRICT;
CREATE INDEX relations_memory ON relations (memory_row);
CREATE INDEX relations_source ON relations (owner_no, source);
CREATE INDEX relations_target ON relations (owner_no, target);

CREATE TABLE history (
    memory_row  INTEGER NOT NULL,
    version     INTEGER NOT NULL,
    content     TEXT NOT NULL,
    changed_ms  INTEGER NOT NULL,
    PRIMARY KEY (memory_row, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
"""

_VERSION_2: Final = """
ALTER TABLE memories ADD COLUMN valid_ms INTEGER;
ALTER TABLE memories ADD COLUMN invalid_ms INTEGER;
ALTER TABLE memories ADD COLUMN superseded_by TEXT;
ALTER TABLE relations ADD COLUMN closed_by TEXT;
CREATE INDEX relations_stated ON relations (owner_no, source, relation) WHERE relation <> 'mentions';
CREATE INDEX relations_closed ON relations (closed_by) WHERE closed_by IS NOT NULL;
"""

_VERSION_3: Final = """
CREATE TABLE chat_sessions (
    session_no   INTEGER PRIMARY KEY AUTOINCREMENT,
    id           TEXT NOT NULL UNIQUE,
    owner        TEXT NOT NULL,
    deleted      INTEGER NOT NULL DEFAULT 0,
    created_ms   INTEGER NOT NULL,
    updated_ms   INTEGER NOT NULL,
    next_seq     INTEGER NOT NULL,
    title        TEXT NOT NULL,
    summary      TEXT NOT NULL,
    summary_seq  INTEGER NOT NULL,
    metadata     TEXT NOT NULL
) STRICT;
CREATE INDEX chat_sessions_latest ON chat_sessions (owner, deleted, updated_ms, id);

CREATE TABLE chat_messages (
    row         INTEGER PRIMARY KEY,
    id          TEXT NOT NULL,
    role        TEXT NOT NULL,
    content     TEXT NOT NULL,
    created_ms  INTEGER NOT NULL,
    state       TEXT NOT NULL,
    metadata    TEXT NOT NULL
) STRICT;

CREATE TABLE chat_profiles (
    owner    TEXT PRIMARY KEY,
    profile  TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE chat_decisions (
    id          TEXT PRIMARY KEY,
    owner       TEXT NOT NULL,
    reason      TEXT NOT NULL,
    new_id      TEXT NOT NULL,
    old_id      TEXT NOT NULL,
    created_ms  INTEGER NOT NULL,
    state       TEXT NOT NULL,
    decided_ms  INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX chat_decisions_newest ON chat_decisions (owner, created_ms, id);
CREATE INDEX chat_decisions_by_state ON chat_decisions (owner, state, created_ms, id);
"""
"""Messages lie in one range of rows for each session: row = session_no * 2^32 + seq. Session numbers are never used
twice. A deleted session stays as a tombstone, so that what is written to it late finds that it is gone."""

_VERSION_4: Final = """
CREATE TABLE api_keys (
    id          TEXT PRIMARY KEY,
    owner       TEXT NOT NULL,
    digest      BLOB NOT NULL,
    name        TEXT NOT NULL,
    created_ms  INTEGER NOT NULL,
    revoked_ms  INTEGER
) STRICT, WITHOUT ROWID;
"""

_VERSION_5: Final = """
ALTER TABLE memories ADD COLUMN index_reason TEXT NOT NULL DEFAULT '';
ALTER TABLE memories ADD COLUMN lost INTEGER NOT NULL DEFAULT 0;
CREATE INDEX memories_failed ON memories (id) WHERE index_state = 'failed';
"""
"""lost: how often index work was claimed and no outcome told."""

_VERSION_6: Final = """
ALTER TABLE chat_sessions RENAME TO older_sessions;
CREATE TABLE chat_sessions (
    session_no   INTEGER PRIMARY KEY AUTOINCREMENT,
    id           TEXT NOT NULL,
    owner        TEXT NOT NULL,
    deleted      INTEGER NOT NULL DEFAULT 0,
    created_ms   INTEGER NOT NULL,
    updated_ms   INTEGER NOT NULL,
    next_seq     INTEGER NOT NULL,
    title        TEXT NOT NULL,
    summary      TEXT NOT NULL,
    summary_seq  INTEGER NOT NULL,
    metadata     TEXT NOT NULL,
    UNIQUE (owner, id)
) STRICT;
INSERT INTO chat_sessions SELECT * FROM older_sessions;
DELETE FROM sqlite_sequence WHERE name = 'chat_sessions';
UPDATE sqlite_sequence SET name = 'chat_sessions' WHERE name = 'older_sessions';
DROP TABLE older_sessions;
CREATE INDEX chat_sessions_latest ON chat_sessions (owner, deleted, updated_ms, id);
"""
"""Session ids are an owner's own. The greatest number that was ever given goes along, so that none is used twice."""

_VERSION_7: Final = """
ALTER TABLE memories ADD COLUMN quarantine TEXT;
ALTER TABLE history ADD COLUMN quarantine TEXT;
CREATE INDEX memories_quarantined ON memories (owner_no, created_ms, id)
    WHERE quarantine IS NOT NULL AND deleted_ms IS NULL;
"""
"""quarantine: why a memory is kept back, as names with spaces between; NULL for one that is not."""

_VERSION_8: Final = """
CREATE TABLE erasures (
    owner     TEXT PRIMARY KEY,
    number    INTEGER NOT NULL,
    erased_s  REAL NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX erasures_latest ON erasures (erased_s);
"""
"""Who was erased, as a digest, how often, and when last: writes that were begun before come too late."""

_VERSION_9: Final = """
ALTER TABLE api_keys ADD COLUMN operator INTEGER NOT NULL DEFAULT 0;
"""

_VERSION_10: Final = """
CREATE TABLE replies (
    id           TEXT NOT NULL UNIQUE,
    owner        TEXT NOT NULL,
    fingerprint  TEXT NOT NULL,
    holder       TEXT NOT NULL,
    held_ms      INTEGER NOT NULL,
    expires_ms   INTEGER NOT NULL,
    status       INTEGER,
    headers      TEXT,
    body         BLOB
) STRICT;
CREATE INDEX replies_of_owner ON replies (owner);
CREATE INDEX replies_expiry ON replies (expires_ms);
"""
"""status: NULL while a request is carried out."""

_VERSION_11: Final = """
CREATE TABLE audit_lines (
    owner       TEXT NOT NULL,
    seq         INTEGER NOT NULL,
    at_ms       INTEGER NOT NULL,
    actor       TEXT NOT NULL,
    action      TEXT NOT NULL,
    targets     TEXT NOT NULL,
    total       INTEGER NOT NULL,
    outcome     TEXT NOT NULL,
    request_id  TEXT NOT NULL,
    code        TEXT NOT NULL,
    PRIMARY KEY (owner, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE audit_heads (
    owner  TEXT PRIMARY KEY,
    seq    INTEGER NOT NULL,
    code   TEXT NOT NULL
) STRICT, WITHOUT ROWID;
"""
"""The owner is a digest."""

_VERSION_12: Final = """
DROP INDEX relations_stated;
CREATE INDEX relations_stated ON relations (owner_no, source, relation, target)
    WHERE relation <> 'mentions' AND invalid_ms IS NULL;
CREATE INDEX relations_over ON relations (owner_no, source, relation, max(invalid_ms, created_ms))
    WHERE relation <> 'mentions' AND invalid_ms IS NOT NULL;
"""
"""A new fact seeks what it may end: what holds by its target, what is over by the time since when that matters."""

MIGRATIONS: Final[Sequence[str]] = (
    _VERSION_1,
    _VERSION_2,
    _VERSION_3,
    _VERSION_4,
    _VERSION_5,
    _VERSION_6,
    _VERSION_7,
    _VERSION_8,
    _VERSION_9,
    _VERSION_10,
    _VERSION_11,
    _VERSION_12,
)
"""MIGRATIONS[n] takes a file from version n to n + 1; a new schema is one more entry, older ones never change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """What a file of ours is: the number in its header, and the steps from one version of its tables to the next."""

    application_id: int
    migrations: Sequence[str]

    @property
    def version(self) -> int:
        return len(self.migrations)


STORE: Final = Schema(application_id=APPLICATION_ID, migrations=MIGRATIONS)


def refuse_foreign_file(path: Path, schema: Schema = STORE) -> None:
    """Raise Incompatible for a file that is no database, not ours or of a newer schema, by reading its header only.

    One without a header, beside which a rollback journal lies, is left to SQLite: the power failed while it was made.
    """
    if not path.exists() or path.stat().st_size == 0:
        return
    if not path.is_file():
        raise Incompatible(f"{path} is not a file; name a file for the store")
    with path.open("rb") as file:
        header = file.read(100)
    if len(header) < 100 or not header.startswith(b"SQLite format 3\0"):
        if Path(f"{path}-journal").exists():
            return
        raise Incompatible(f"{path} is not an SQLite database; it was left as it is, choose another path")
    (version,) = struct.unpack(">I", header[60:64])
    (application,) = struct.unpack(">I", header[68:72])
    _check(str(path), application, version, schema)


def refuse_foreign_tables(connection: apsw.Connection, schema: Schema = STORE) -> None:
    """Raise Incompatible for a database that is not ours or is of a newer schema, by reading it only."""
    _version(connection, schema)


def migrate(connection: apsw.Connection, schema: Schema = STORE) -> None:
    """Create or bring up to date the tables, in one transaction; a current file is only read. Raises Incompatible."""
    if _version(connection, schema) == schema.version:
        return
    connection.execute("BEGIN EXCLUSIVE")
    try:
        for step in schema.migrations[_version(connection, schema) :]:
            connection.execute(step)
        connection.execute(f"PRAGMA application_id = {schema.application_id}")
        connection.execute(f"PRAGMA user_version = {schema.version}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()  # the header must tell the version by itself


def _version(connection: apsw.Connection, schema: Schema) -> int:
    with connection:  # one state of the file, while another process may be making it
        application, version = connection.pragma("application_id"), connection.pragma("user_version")
        if application == 0 and connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").get:
            application = -1
    _check(connection.filename, application, version, schema)
    return int(version)


def _check(path: str, application: int, version: int, schema: Schema) -> None:
    if application not in (0, schema.application_id):
        raise Incompatible(f"{path} is a database of another program; it was left as it is, choose another path")
    if version > schema.version:
        raise Incompatible(
            f"{path} has schema {version}, this Context0 knows {schema.version}; it was left as it is, upgrade Context0"
        )
