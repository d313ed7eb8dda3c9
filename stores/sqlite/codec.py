"""Memories to rows and back: pure. Fields that queries use have a column, the others share one JSON text."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson

from stores.records import Document, IndexState, Memory, MemoryId, Provenance, Relation

COLUMNS: Final = (
    "id", "content", "memory_type", "speaker", "agent_id", "session_id", "session_seq", "importance", "confidence",
    "created_ms", "updated_ms", "occurred_ms", "expires_ms", "version", "embedding_model", "index_state", "generation",
    "attempts", "next_attempt_ms", "valid_ms", "invalid_ms", "superseded_by", "body", "index_reason",
    "quarantine",
)  # fmt: skip
SELECT: Final = ", ".join(f"m.{name}" for name in COLUMNS)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


def to_ms(moment: datetime) -> int:
    """Return whole milliseconds since 1970, exactly."""
    return (moment - _EPOCH) // _MILLISECOND


def to_ms_or_none(moment: datetime | None) -> int | None:
    return None if moment is None else (moment - _EPOCH) // _MILLISECOND


def from_ms(value: int) -> datetime:
    return _EPOCH + timedelta(0, value // 1000, value % 1000 * 1000)


def from_ms_or_none(value: int | None) -> datetime | None:
    return None if value is None else _EPOCH + timedelta(0, value // 1000, value % 1000 * 1000)


def encode(document: Document) -> tuple[Any, ...]:
    """Return the values for COLUMNS, followed by (dedupe_key, event_ms)."""
    memory = document.memory
    created, occurred = to_ms(memory.created_at), to_ms_or_none(memory.occurred_at)
    return (
        memory.id,
        memory.content,
        memory.memory_type,
        memory.speaker,
        memory.agent_id,
        memory.session_id,
        memory.session_seq,
        memory.importance,
        memory.confidence,
        created,
        to_ms(memory.updated_at),
        occurred,
        to_ms_or_none(memory.expires_at),
        memory.version,
        memory.embedding_model,
        memory.index.state,
        memory.index.generation,
        memory.index.attempts,
        to_ms_or_none(memory.index.next_attempt_at) or 0,
        to_ms_or_none(memory.valid_from),
        to_ms_or_none(memory.invalid_at),
        memory.superseded_by,
        _encode_body(memory),
        memory.index.reason,
        encode_names(memory.quarantine),
        document.dedupe_key,
        created if occurred is None else occurred,
    )


def _encode_body(memory: Memory) -> str:
    body: dict[str, Any] = {"hash": memory.content_hash, "tags": memory.tags, "entities": memory.entities}
    if memory.metadata:
        body["metadata"] = memory.metadata
    if memory.summary is not None:
        body["summary"] = memory.summary
    source = memory.provenance
    if source != _NOWHERE:
        body["provenance"] = [source.session_id, source.message_id, source.agent, source.trust]
    return orjson.dumps(body).decode()


_NOWHERE: Final = Provenance()
_FRESH: Final = IndexState()


def decode(row: tuple[Any, ...], owner: str) -> Memory:
    """Return the memory of a row of COLUMNS."""
    body: dict[str, Any] = orjson.loads(row[22])
    memory = object.__new__(Memory)
    memory.__dict__.update(  # the frozen dataclass's own __init__ takes 5 us, most of what a row costs
        id=MemoryId(row[0]),
        user_id=owner,
        content=row[1],
        memory_type=row[2],
        speaker=row[3],
        agent_id=row[4],
        session_id=row[5],
        session_seq=row[6],
        importance=row[7],
        confidence=row[8],
        created_at=from_ms(row[9]),
        updated_at=from_ms(row[10]),
        occurred_at=from_ms_or_none(row[11]),
        expires_at=from_ms_or_none(row[12]),
        version=row[13],
        embedding_model=row[14],
        index=_FRESH
        if row[15:19] == ("done", 1, 0, 0) and not row[23]
        else IndexState(
            state=row[15],
            generation=row[16],
            attempts=row[17],
            next_attempt_at=from_ms_or_none(row[18] or None),
            reason=row[23],
        ),
        content_hash=body["hash"],
        tags=tuple(body["tags"]),
        entities=tuple(body["entities"]),
        metadata=body.get("metadata", {}),
        summary=body.get("summary"),
        valid_from=from_ms_or_none(row[19]),
        invalid_at=from_ms_or_none(row[20]),
        superseded_by=row[21],
        provenance=_provenance(body.get("provenance")),
        quarantine=decode_names(row[24]),
    )
    return memory


def encode_names(names: Sequence[str]) -> str | None:
    """Return short names, which hold no spaces, as one text; None for none."""
    return " ".join(names) or None


def decode_names(text: str | None) -> tuple[str, ...]:
    return tuple(text.split()) if text else ()


def _provenance(values: list[Any] | None) -> Provenance:
    if values is None:
        return _NOWHERE
    session_id, message_id, agent, trust = values
    return Provenance(session_id=session_id, message_id=message_id, agent=agent, trust=trust)


def encode_relation(relation: Relation) -> tuple[Any, ...]:
    """Return (source, relation, target, created_ms, valid_ms, invalid_ms, retired_ms, closed_by)."""
    return (
        relation.source,
        relation.relation,
        relation.target,
        to_ms(relation.created_at),
        to_ms_or_none(relation.valid_from),
        to_ms_or_none(relation.invalid_at),
        to_ms_or_none(relation.retired_at),
        relation.closed_by,
    )


def decode_relation(row: Sequence[Any]) -> Relation:
    """Return the relation of a row as `encode_relation` makes it."""
    source, relation, target, created_ms, valid_ms, invalid_ms, retired_ms, closed_by = row
    return Relation(
        source=source,
        relation=relation,
        target=target,
        created_at=from_ms(created_ms),
        valid_from=from_ms_or_none(valid_ms),
        invalid_at=from_ms_or_none(invalid_ms),
        retired_at=from_ms_or_none(retired_ms),
        closed_by=closed_by,
    )
