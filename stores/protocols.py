"""What a store must do: every obligation that the contract suites in tests/contracts/ check.

For all of them. A call sees only the memories of its `scope`; another owner's id behaves like an unknown one.
A store connects on `open`, which the engine calls once, before the first use, and may call again after a failure.
Every call ends: it answers, or it raises `Unavailable` (`Timeout` when its deadline passed); it never answers a
failure with an empty result. `aclose` may be called twice. "Now" is handed in, so that tests own the time.
A memory whose `expires_at` is not after now, and a tombstone, are invisible to every read.
Backends may not block the event loop for more than about a millisecond.
"""

from collections.abc import AsyncIterator, Collection, Sequence
from datetime import datetime
from typing import Protocol

from stores.filters import Filter
from stores.records import (
    Decision,
    DecisionId,
    DecisionState,
    Document,
    FloatVector,
    HistoryEntry,
    Hit,
    IndexMark,
    IndexName,
    IndexRow,
    Keyset,
    Memory,
    MemoryId,
    Message,
    Metadata,
    PendingWork,
    Point,
    Scope,
    Session,
    SessionId,
    TimeWindow,
)


class DocumentStore(Protocol):
    """The only truth: memories, their history, the work that their indexes still need, and a few words of metadata."""

    @property
    def name(self) -> str:
        """Short, for receipts, metrics and `degraded`: "sqlite", "mongodb"."""

    @property
    def covers(self) -> frozenset[IndexName]:
        """The indexes that are written in the same commit as the documents: nothing else has to keep them."""

    async def open(self) -> None:
        """Connect, and create or migrate what is missing.

        Raises Unavailable, and Incompatible for a thing that is not ours or is of a newer schema, left untouched.
        """

    async def aclose(self) -> None: ...

    async def ping(self) -> None:
        """One cheap round trip. Raises Unavailable."""

    async def put_many(self, documents: Sequence[Document], *, scope: Scope, now: datetime) -> list[Memory]:
        """Write `documents` (1..10,000) and return what is stored for each, in their order.

        A document whose `dedupe_key` a live memory of the owner has already is not written: that memory stands in its
        place in the result. Holds under concurrency, and inside one call. A key of an expired memory is free.
        Durable when it returns; on SQLite all of them or none, on MongoDB each one whole.
        One round trip (one write for 1,000 documents), and one or two more only when there are duplicates.
        Raises Full when there is no space.
        """

    async def get_many(self, ids: Sequence[MemoryId], *, scope: Scope, now: datetime) -> list[Memory]:
        """Return the memories among `ids` (0..1,000) that exist, in the order of `ids`. One round trip."""

    async def list_page(
        self, *, scope: Scope, limit: int, after: Keyset | None = None, where: Filter | None = None, now: datetime
    ) -> list[Memory]:
        """Return up to `limit` (1..1,001) memories, newest first by (created_at, id), after the keyset.

        A deep page costs what the first one costs. One round trip.
        """

    async def match(self, where: Filter, *, scope: Scope, now: datetime) -> list[MemoryId]:
        """Return the ids of all the memories that pass `where`, in no order. One round trip."""

    async def update(self, document: Document, *, scope: Scope, expected_version: int, now: datetime) -> None:
        """Replace the memory and its indexes; the version before stays in the history.

        Only if the stored version is `expected_version`, else Conflict; NotFound if it is gone. Conflict too if another
        live memory has the new `dedupe_key`. At most two round trips.
        """

    async def delete(self, memory_id: MemoryId, *, scope: Scope, now: datetime) -> bool:
        """Erase the content, keywords, relations and history of one memory; return whether it was there.

        What stays is a tombstone without content (id, owner, times, a grown generation, index state pending), so that
        late index work finds that it is stale; `purge` removes it when every index has confirmed. Two round trips.
        """

    async def purge(self, ids: Collection[MemoryId], *, scope: Scope) -> int:
        """Remove the tombstones among `ids` for good, and return how many there were. Live memories are untouched."""

    async def history(self, memory_id: MemoryId, *, scope: Scope, now: datetime) -> list[HistoryEntry]:
        """Return all the versions of a memory, oldest first, the current one last. Raises NotFound."""

    async def erase(self, scope: Scope) -> dict[str, int]:
        """Remove everything of the owner, tombstones included, and return what was removed, by kind.

        No byte of it is left in the files that the store writes itself. Safe to repeat; counts are then 0.
        """

    async def count(self, scope: Scope) -> dict[str, int]:
        """Return how many records of each kind the owner has, tombstones and expired ones included; kinds as `erase`.

        The key "memories" is always there.
        """

    async def keyword(
        self,
        words: Sequence[str],
        text: str,
        *,
        scope: Scope,
        limit: int,
        among: Collection[MemoryId] | None = None,
        now: datetime,
    ) -> list[Hit]:
        """Return the best matches of any of the query's words, best first, by the store's own keyword index.

        words: analysed as `Document.keywords`; text: the query as asked, for a store that analyses by itself. The owner
        (and `among`, if given) is part of the index query, before the limit (1..1,000). Scores are positive and only
        comparable within one result. No words, no hits. One round trip.
        """

    async def temporal(
        self,
        window: TimeWindow,
        *,
        scope: Scope,
        limit: int,
        among: Collection[MemoryId] | None = None,
        now: datetime,
    ) -> list[Hit]:
        """Return memories that occurred (or, without `occurred_at`, were stored) in the window, newest first.

        Scores fall from 1 with the rank. One round trip.
        """

    def scan(
        self, *, scope: Scope, since: datetime | None = None, vectors: bool = True
    ) -> AsyncIterator[list[IndexRow]]:
        """Yield what the in-memory index of an owner is made of, in batches, in order of arrival.

        since: only rows changed at or after it, with tombstones (`live` False); without it, live rows only. Expired
        rows come too, with their `expires_ms`. vectors=False leaves the embeddings out.
        """

    def scan_documents(self, *, scope: Scope | None = None) -> AsyncIterator[list[tuple[Scope, Memory]]]:
        """Yield the live memories of one owner, or of all, in batches: for `reindex` and export."""

    async def pending(self, *, limit: int, now: datetime) -> list[PendingWork]:
        """Return work of any owner that is due: state pending and next_attempt_at not after now. Oldest first."""

    async def mark(self, marks: Sequence[IndexMark], *, scope: Scope) -> int:
        """Record the outcome of index work where the generation is still the same; return how many took effect.

        A mark with an embedding stores it, with its model. One write.
        """

    async def expired(self, *, limit: int, now: datetime) -> list[tuple[Scope, MemoryId]]:
        """Return memories whose time is over, of any owner: for the sweeper, which deletes them."""

    async def get_meta(self, key: str) -> bytes | None:
        """Return a small value that belongs to the whole store, such as the name of the embedding model."""

    async def put_meta(self, key: str, value: bytes, *, replace: bool = False) -> bytes:
        """Set `key` and return what is stored: without `replace`, the first writer wins."""

    async def status(self) -> dict[str, int | str]:
        """Return facts for `doctor`: versions, durability, sizes, memories by index state."""


class VectorStore(Protocol):
    """Nearest neighbours inside one owner. Rebuildable from the documents; may be behind them; never the truth."""

    @property
    def name(self) -> str: ...

    @property
    def derived(self) -> bool:
        """True when the store follows the documents by itself, so that nobody has to write to it."""

    async def open(self) -> None: ...

    async def aclose(self) -> None: ...

    async def put_many(self, points: Sequence[Point], *, scope: Scope) -> None:
        """Insert or replace `points`. Raises DimensionMismatch, InvalidVector (before anything is written)."""

    async def delete_many(self, ids: Collection[MemoryId], *, scope: Scope) -> None:
        """Remove the points; unknown ids are fine."""

    async def query(
        self, vector: FloatVector, *, scope: Scope, limit: int, among: Collection[MemoryId] | None = None
    ) -> list[Hit]:
        """Return the nearest points of `scope`, best first; equal scores by ascending id.

        vector: float32, shape (dimension,), unit length. limit: 1..1,000 points. among: only these ids, applied before
        the limit. Score is cosine similarity in [-1, 1]. An unknown scope is an empty list.
        Raises DimensionMismatch, InvalidVector, Unavailable.
        """

    async def erase(self, scope: Scope) -> int:
        """Remove all the points of the owner and return how many there were, as far as the backend can tell."""

    async def count(self, scope: Scope) -> int: ...


class GraphStore(Protocol):
    """Entities and the bi-temporal relations between them, each read from one memory of the owner."""

    @property
    def name(self) -> str: ...

    async def open(self) -> None: ...

    async def aclose(self) -> None: ...

    async def put_many(self, documents: Sequence[Document], *, scope: Scope) -> None:
        """Replace the relations of these memories by the ones in the documents. Safe to repeat.

        Needed only where the document store does not cover "graph", and by `reindex`.
        """

    async def delete_many(self, ids: Collection[MemoryId], *, scope: Scope) -> None:
        """Remove the relations of these memories; unknown ids are fine."""

    async def search(
        self,
        entities: Collection[str],
        *,
        scope: Scope,
        hops: int = 1,
        limit: int,
        as_of: datetime | None = None,
        among: Collection[MemoryId] | None = None,
    ) -> list[Hit]:
        """Return memories connected with the entity keys, best first, equal scores by ascending id.

        hops=1: memories with a relation that touches one of `entities`; hops=2: also those that touch an entity which
        shares a relation with one of them. A relation that touches an asked entity adds 1 / log2(2 + its degree in the
        relations found), one of the second hop half of that. as_of: only relations valid then. One round trip a hop.
        """

    async def relations(self, entity: str, *, scope: Scope, limit: int) -> list[tuple[MemoryId, str, str, str]]:
        """Return (memory id, source, relation, target) of relations that touch `entity`, newest memory first."""

    async def erase(self, scope: Scope) -> int: ...

    async def count(self, scope: Scope) -> int: ...


class ChatStore(Protocol):
    """Conversations: sessions, their messages, the owner's chat profile, and decisions that wait for the owner."""

    @property
    def name(self) -> str: ...

    @property
    def local(self) -> bool:
        """True where a write is a commit on this machine; elsewhere a journal goes before it."""

    async def open(self) -> None: ...

    async def aclose(self) -> None: ...

    async def reserve(self, session: Session, *, scope: Scope, count: int, now: datetime) -> Session:
        """Take the next `count` (1..100) message numbers, and return the session as it is after that.

        The numbers taken are [next_seq - count, next_seq). A session that does not exist is created as `session` says;
        of one that exists only `updated_at` moves. Holds under concurrency: no number is given twice. One round trip.
        Raises NotFound for a session of another owner, and for one that was deleted.
        """

    async def put_messages(self, messages: Sequence[tuple[Scope, Message]]) -> None:
        """Write messages (1..1,000) of one or several owners, each in the place of its (owner, session, seq).

        Safe to repeat. A message whose session is gone, or belongs to another owner, is left out: late writes do not
        bring back what was deleted. Durable when it returns. At most two round trips.
        """

    async def recent(
        self, session_id: SessionId, *, scope: Scope, limit: int, before: int | None = None
    ) -> list[Message]:
        """Return the last `limit` (1..1,000) messages with a number below `before`, in ascending order.

        An unknown session has none. A page far back costs what the last one costs. One round trip.
        """

    async def get_session(self, session_id: SessionId, *, scope: Scope) -> Session:
        """Raises NotFound. One round trip."""

    async def list_sessions(self, *, scope: Scope, limit: int, after: Keyset | None = None) -> list[Session]:
        """Return up to `limit` (1..1,001) sessions, the latest first by (updated_at, id), after the keyset.

        The keyset's `created_ms` is here the session's `updated_at`. One round trip.
        """

    async def update_session(
        self,
        session_id: SessionId,
        *,
        scope: Scope,
        title: str | None = None,
        summary: tuple[str, int] | None = None,
        metadata: Metadata | None = None,
    ) -> Session:
        """Change what is given, and return the session. `updated_at` stays: it tells of messages. Raises NotFound.

        summary: the text and its `summary_seq`; one that covers less than the stored one is ignored. One round trip.
        """

    async def delete_session(self, session_id: SessionId, *, scope: Scope) -> bool:
        """Erase a session with its messages; return whether it was there. What is written to it later is left out."""

    async def get_profile(self, scope: Scope) -> Metadata:
        """Return the owner's chat settings, empty if there are none. One round trip."""

    async def put_profile(self, profile: Metadata, *, scope: Scope) -> None:
        """Replace the owner's chat settings. One write."""

    async def put_decisions(self, decisions: Sequence[Decision], *, scope: Scope) -> None:
        """Write new decisions; an id that is there already stays as it is. One write."""

    async def list_decisions(
        self, *, scope: Scope, limit: int, after: Keyset | None = None, state: DecisionState | None = None
    ) -> list[Decision]:
        """Return up to `limit` (1..1,001) decisions, newest first by (created_at, id), after the keyset."""

    async def decide(self, decision_id: DecisionId, state: DecisionState, *, scope: Scope, now: datetime) -> Decision:
        """Settle a pending decision, and return it. Raises NotFound, and Conflict for one that was settled before."""

    async def erase(self, scope: Scope) -> dict[str, int]:
        """Remove everything of the owner, and return what was removed: "sessions", "messages", "profiles", "decisions".

        No byte of it is left in the files that the store writes itself. Safe to repeat; counts are then 0.
        """

    async def count(self, scope: Scope) -> dict[str, int]:
        """Return how many records of each kind the owner has; kinds as `erase`."""


class CacheStore(Protocol):
    """A shared cache with time to live: may forget at any time, may be down, never the truth."""

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]: ...

    async def put_many(self, entries: Sequence[tuple[str, bytes]], *, ttl_s: float) -> None: ...

    async def delete_many(self, keys: Sequence[str]) -> None: ...

    async def aclose(self) -> None: ...
