"""A row of the reference store: what it keeps of one memory, as work, as an index row, as a tombstone: pure."""

from dataclasses import dataclass, replace
from datetime import datetime

from stores.records import (
    Document,
    FailedWork,
    HistoryEntry,
    IndexMark,
    IndexRow,
    IndexState,
    Memory,
    PendingWork,
    Scope,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What is stored of one memory: its document, its versions before, and whether it is more than a tombstone."""

    document: Document
    past: tuple[HistoryEntry, ...] = ()
    live: bool = True
    lost: int = 0

    @property
    def memory(self) -> Memory:
        return self.document.memory

    def expired(self, now: datetime) -> bool:
        return self.memory.expires_at is not None and self.memory.expires_at <= now

    def visible(self, now: datetime) -> bool:
        return self.live and not self.expired(now)

    @property
    def searched(self) -> bool:
        return self.live and not self.memory.quarantine

    def current(self) -> HistoryEntry:
        return HistoryEntry(
            memory_id=self.memory.id,
            version=self.memory.version,
            event="updated" if self.past else "added",
            content=self.memory.content,
            changed_at=self.memory.updated_at,
            quarantine=self.memory.quarantine,
        )


def milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def generation_of(row: Row) -> int:
    return row.memory.index.generation


def is_due(index: IndexState, now: datetime) -> bool:
    return index.state == "pending" and (index.next_attempt_at is None or index.next_attempt_at <= now)


def tombstone(memory: Memory, now: datetime) -> Document:
    bare = Memory(
        id=memory.id,
        user_id=memory.user_id,
        content="",
        created_at=memory.created_at,
        updated_at=now,
        version=memory.version + 1,
        index=IndexState(state="pending", generation=memory.index.generation + 1),
    )
    return Document(memory=bare, dedupe_key="")


def work_of(scope: Scope, row: Row) -> PendingWork:
    return PendingWork(
        scope=scope,
        id=row.memory.id,
        generation=row.memory.index.generation,
        attempts=row.memory.index.attempts,
        deleted=not row.live,
        content=row.memory.content,
        embedding=row.document.embedding,
        lost=row.lost,
    )


def marked(row: Row, mark: IndexMark) -> Row:
    index = IndexState(
        state=mark.state,
        generation=mark.generation,
        attempts=mark.attempts,
        next_attempt_at=mark.next_attempt_at,
        reason=mark.reason,
    )
    if mark.embedding is None:
        return replace(row, document=replace(row.document, memory=replace(row.memory, index=index)), lost=mark.lost)
    memory = replace(row.memory, index=index, embedding_model=mark.embedding_model)
    return replace(row, document=replace(row.document, memory=memory, embedding=mark.embedding), lost=mark.lost)


def index_row_of(row: Row, *, vectors: bool) -> IndexRow:
    memory = row.memory
    return IndexRow(
        id=memory.id,
        version=memory.version,
        live=row.searched,
        updated_ms=milliseconds(memory.updated_at),
        created_ms=milliseconds(memory.created_at),
        occurred_ms=None if memory.occurred_at is None else milliseconds(memory.occurred_at),
        expires_ms=None if memory.expires_at is None else milliseconds(memory.expires_at),
        session_id=memory.session_id,
        session_seq=memory.session_seq,
        speaker=memory.speaker,
        memory_type=memory.memory_type,
        terms=row.document.terms,
        entity_terms=row.document.entity_terms,
        embedding=row.document.embedding if vectors else None,
        traits=row.document.traits,
        valid_ms=None if memory.valid_from is None else milliseconds(memory.valid_from),
        invalid_ms=None if memory.invalid_at is None else milliseconds(memory.invalid_at),
        superseded_by=memory.superseded_by,
    )


def failed_of(scope: Scope, row: Row) -> FailedWork:
    index = row.memory.index
    return FailedWork(
        scope=scope,
        id=row.memory.id,
        generation=index.generation,
        attempts=index.attempts,
        reason=index.reason,
        failed_at=index.next_attempt_at,
    )


def claimed(row: Row, until: datetime) -> Row:
    index = replace(row.memory.index, next_attempt_at=until)
    return replace(row, document=replace(row.document, memory=replace(row.memory, index=index)), lost=row.lost + 1)
