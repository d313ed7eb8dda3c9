"""Memories to BSON documents and back: pure. The field names are a contract; what is None or empty is left out."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from stores.records import (
    MENTIONS,
    Document,
    FailedWork,
    IndexRow,
    IndexState,
    Keyset,
    Memory,
    MemoryId,
    PendingWork,
    Provenance,
    Relation,
    Scope,
    Statement,
)

Row = dict[str, Any]

WITHOUT_INDEXES: Final[Row] = dict.fromkeys(
    ("embedding", "terms", "entity_terms", "traits", "relations", "history", "event_at"), 0
)
"""The projection that `decode` needs: everything but what only indexes and the history are made of."""

FIXED: Final = frozenset({"_id", "source_user_id", "created_at"})
"""What an update never changes."""

OPTIONAL: Final = (
    "summary", "agent_id", "session_id", "speaker", "occurred_at", "valid_from", "invalid_at", "superseded_by",
    "expires_at", "embedding", "embedding_model", "terms", "entity_terms", "traits", "relations", "metadata",
    "provenance", "tags", "entities", "history", "quarantine",
)  # fmt: skip
"""What a document may lack."""

BLANKED: Final = (*OPTIONAL, "dedupe_key", "content_hash", "importance", "confidence", "memory_type", "event_at")
"""What a tombstone lacks; its `input` is empty."""

_WORK_DONE: Final = ("index.next_attempt_at", "index.reason", "index.lost", "index.claim")

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_NOWHERE: Final = Provenance()
_MEANINGFUL: Final = re.compile(r"^\$|[.\0＼]")
_ESCAPES: Final = str.maketrans({"＼": "＼＼", ".": "＼d", "\0": "＼0"})


def encode(document: Document, owner: str) -> Row:
    """Return the BSON document of `document`, as it is inserted; the owner is the scope's, whatever the memory says."""
    memory = document.memory
    row = {
        "_id": memory.id,
        "input": memory.content,
        "summary": memory.summary,
        "agent_id": memory.agent_id,
        "session_id": memory.session_id,
        "session_seq": memory.session_seq,
        "speaker": memory.speaker,
        "memory_type": memory.memory_type,
        "tags": list(memory.tags) or None,
        "entities": list(memory.entities) or None,
        "content_hash": memory.content_hash,
        "importance": float(memory.importance),
        "confidence": float(memory.confidence),
        "created_at": memory.created_at,
        "updated_at": memory.updated_at,
        "occurred_at": memory.occurred_at,
        "event_at": memory.occurred_at or memory.created_at,
        "valid_from": memory.valid_from,
        "invalid_at": memory.invalid_at,
        "superseded_by": memory.superseded_by,
        "expires_at": memory.expires_at,
        "embedding": document.embedding,
        "embedding_model": memory.embedding_model,
        "index": encode_index(memory.index),
        "provenance": _encode_provenance(memory.provenance),
        "metadata": escape(memory.metadata) or None,
        "version": memory.version,
        "quarantine": list(memory.quarantine) or None,
        "dedupe_key": document.dedupe_key,
        "terms": document.terms or None,
        "entity_terms": document.entity_terms or None,
        "traits": document.traits or None,
        "relations": [encode_relation(relation) for relation in document.relations] or None,
        "source_user_id": owner,
    }
    return {name: value for name, value in row.items() if value is not None}


def encode_index(index: IndexState) -> Row:
    row: Row = {"state": index.state, "generation": index.generation, "attempts": index.attempts}
    if index.next_attempt_at is not None:
        row["next_attempt_at"] = index.next_attempt_at
    if index.reason:
        row["reason"] = index.reason
    return row


def encode_relation(relation: Relation) -> Row:
    row = {
        "source": relation.source,
        "relation": relation.relation,
        "target": relation.target,
        "valid_from": relation.valid_from,
        "invalid_at": relation.invalid_at,
        "created_at": relation.created_at,
        "retired_at": relation.retired_at,
        "closed_by": relation.closed_by,
        "stated": None if relation.relation == MENTIONS else True,
    }
    return {name: value for name, value in row.items() if value is not None}


def _encode_provenance(source: Provenance) -> Row | None:
    if source == _NOWHERE:
        return None
    row = {
        "session_id": source.session_id,
        "message_id": source.message_id,
        "agent": source.agent,
        "trust": float(source.trust),
    }
    return {name: value for name, value in row.items() if value is not None}


def decode(row: Mapping[str, Any]) -> Memory:
    """Return the memory of a BSON document that was read with WITHOUT_INDEXES."""
    return Memory(
        id=MemoryId(row["_id"]),
        user_id=row["source_user_id"],
        content=row["input"],
        created_at=moment(row["created_at"]),
        updated_at=moment(row["updated_at"]),
        memory_type=row["memory_type"],
        speaker=row.get("speaker"),
        agent_id=row.get("agent_id"),
        session_id=row.get("session_id"),
        session_seq=int(row["session_seq"]),
        tags=tuple(row.get("tags", ())),
        entities=tuple(row.get("entities", ())),
        summary=row.get("summary"),
        importance=row["importance"],
        confidence=row["confidence"],
        occurred_at=_moment_or_none(row.get("occurred_at")),
        valid_from=_moment_or_none(row.get("valid_from")),
        invalid_at=_moment_or_none(row.get("invalid_at")),
        superseded_by=row.get("superseded_by"),
        expires_at=_moment_or_none(row.get("expires_at")),
        content_hash=row["content_hash"],
        embedding_model=row.get("embedding_model"),
        index=_decode_index(row["index"]),
        provenance=_decode_provenance(row.get("provenance")),
        metadata=unescape(row.get("metadata", {})),
        version=row["version"],
        quarantine=tuple(row.get("quarantine", ())),
    )


def _decode_index(row: Mapping[str, Any]) -> IndexState:
    return IndexState(
        state=row["state"],
        generation=int(row["generation"]),
        attempts=row["attempts"],
        next_attempt_at=_moment_or_none(row.get("next_attempt_at")),
        reason=row.get("reason", ""),
    )


def _decode_provenance(row: Mapping[str, Any] | None) -> Provenance:
    if row is None:
        return _NOWHERE
    return Provenance(
        session_id=row.get("session_id"), message_id=row.get("message_id"), agent=row.get("agent"), trust=row["trust"]
    )


def decode_index_row(row: Mapping[str, Any]) -> IndexRow:
    return IndexRow(
        id=row["_id"],
        version=row["version"],
        live="deleted_at" not in row and "quarantine" not in row,
        updated_ms=to_ms(moment(row["updated_at"])),
        created_ms=to_ms(moment(row["created_at"])),
        occurred_ms=_ms_or_none(row.get("occurred_at")),
        expires_ms=_ms_or_none(row.get("expires_at")),
        session_id=row.get("session_id"),
        session_seq=int(row["session_seq"]),
        speaker=row.get("speaker"),
        memory_type=row.get("memory_type", "semantic"),
        terms=row.get("terms", b""),
        entity_terms=row.get("entity_terms", b""),
        embedding=row.get("embedding"),
        traits=int(row.get("traits", 0)),
        valid_ms=_ms_or_none(row.get("valid_from")),
        invalid_ms=_ms_or_none(row.get("invalid_at")),
        superseded_by=row.get("superseded_by"),
    )


def decode_statement(row: Mapping[str, Any]) -> Statement:
    return Statement(
        id=MemoryId(row["_id"]),
        said_at=moment(row["event_at"]),
        traits=int(row.get("traits", 0)),
        relations=tuple(map(_decode_relation, row.get("relations", ()))),
        valid_from=_moment_or_none(row.get("valid_from")),
        invalid_at=_moment_or_none(row.get("invalid_at")),
        superseded_by=row.get("superseded_by"),
    )


def _decode_relation(row: Mapping[str, Any]) -> Relation:
    return Relation(
        source=row["source"],
        relation=row["relation"],
        target=row["target"],
        created_at=moment(row["created_at"]),
        valid_from=_moment_or_none(row.get("valid_from")),
        invalid_at=_moment_or_none(row.get("invalid_at")),
        retired_at=_moment_or_none(row.get("retired_at")),
        closed_by=row.get("closed_by"),
    )


def standing(statement: Statement, now: datetime) -> Row:
    """Return the update that writes how a memory stands."""
    row = {
        "relations": [encode_relation(relation) for relation in statement.relations] or None,
        "valid_from": statement.valid_from,
        "invalid_at": statement.invalid_at,
        "superseded_by": statement.superseded_by,
    }
    gone = {name: "" for name, value in row.items() if value is None}
    told = {name: value for name, value in row.items() if value is not None}
    return {"$set": {**told, "updated_at": now}, **({"$unset": gone} if gone else {})}


def decode_work(row: Mapping[str, Any]) -> PendingWork:
    return PendingWork(
        scope=Scope(owner=row["source_user_id"]),
        id=MemoryId(row["_id"]),
        generation=int(row["index"]["generation"]),
        attempts=row["index"]["attempts"],
        deleted="deleted_at" in row,
        content=row["input"],
        embedding=row.get("embedding"),
        lost=int(row["index"].get("lost", 0)),
    )


def decode_failed(row: Mapping[str, Any]) -> FailedWork:
    index = _decode_index(row["index"])
    return FailedWork(
        scope=Scope(owner=row["source_user_id"]),
        id=MemoryId(row["_id"]),
        generation=index.generation,
        attempts=index.attempts,
        reason=index.reason,
        failed_at=index.next_attempt_at,
    )


def tombstone(now: datetime) -> Row:
    """Return the update that blanks a memory: no content, a grown generation, work pending for the indexes."""
    blank = {"input": "", "deleted_at": now, "updated_at": now, "index.state": "pending", "index.attempts": 0}
    return {
        "$set": blank,
        "$inc": {"index.generation": 1, "version": 1},
        "$unset": dict.fromkeys((*BLANKED, *_WORK_DONE), ""),
    }


def replacement(document: Document, owner: str, history: Sequence[Row]) -> Row:
    """Return the update that puts `document` in the place of the version before, in one single-document write."""
    row = encode(document, owner)
    changed = {name: value for name, value in row.items() if name not in FIXED}
    changed["history"] = list(history)
    gone = dict.fromkeys((name for name in OPTIONAL if name not in changed), "")
    return {"$set": changed, **({"$unset": gone} if gone else {})}


def escape(value: Any) -> Any:
    """Return metadata with keys that no part of MongoDB reads anything into: no leading $, no dots, no NUL.

    U+FF3C, a backslash that nobody types, marks what was replaced; `unescape` undoes it exactly. Without this the
    driver would turn {"$ref": …} into a DBRef, and older servers refuse such keys.
    """
    if isinstance(value, Mapping):
        return {escape_key(str(key)): escape(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [escape(item) for item in value]
    return value


def escape_key(key: str) -> str:
    if not _MEANINGFUL.search(key):
        return key
    escaped = key.translate(_ESCAPES)
    return f"＼s{escaped[1:]}" if escaped.startswith("$") else escaped


def unescape(value: Any) -> Any:
    """Return the metadata that `escape` was given; 64-bit integers come back as plain ones."""
    if isinstance(value, Mapping):
        return {_unescape_key(key): unescape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [unescape(item) for item in value]
    return int(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _unescape_key(key: str) -> str:
    if "＼" not in key:
        return key
    first, *rest = key.split("＼＼")
    parts = [part.replace("＼s", "$").replace("＼d", ".").replace("＼0", "\0") for part in (first, *rest)]
    return "＼".join(parts)


def moment(value: datetime | str) -> datetime:
    """Return a date; one that a tool has stored as ISO text, in UTC, is read too."""
    if isinstance(value, str):
        parsed = datetime.fromisoformat(value)
        return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    return value


def _moment_or_none(value: datetime | str | None) -> datetime | None:
    return None if value is None else moment(value)


def to_ms(value: datetime) -> int:
    """Return whole milliseconds since 1970, exactly."""
    return (value - _EPOCH) // _MILLISECOND


def from_ms(value: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=value)


def _ms_or_none(value: datetime | str | None) -> int | None:
    return None if value is None else to_ms(moment(value))


def keyset_of(row: Row) -> Keyset:
    return Keyset(to_ms(moment(row["created_at"])), row["_id"])
