"""What a store must do: every obligation that the contract suites in tests/contracts/ check.

For all of them. A call sees only the memories of its `scope`; another owner's id behaves like an unknown one.
A store connects on `open`, which the engine calls once, before the first use, and may call again after a failure.
Every call ends: it answers, or it raises `Unavailable` (`Timeout` when its deadline passed); it never answers a
failure with an empty result. `aclose` may be called twice. "Now" is handed in, so that tests own the time.
A memory whose `expires_at` is not after now, and a tombstone, are invisible to every read. One in quarantine is read by
its id, its history, `quarantined` and `scan_documents` only; whoever writes it gives it no words, relations or vector.
Backends may not block the event loop for more than about a millisecond.
"""

from collections.abc import AsyncIterator, Collection, Sequence
from datetime import datetime
from typing import Protocol

from stores.filters import Filter
from stores.records import (
    Document,
    EdgePattern,
    FailedWork,
    FloatVector,
    HistoryEntry,
    Hit,
    IndexMark,
    IndexName,
    IndexRow,
    Keyset,
    Memory,
    MemoryId,
    PendingWork,
    Point,
    Scope,
    Statement,
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

    async def put_many(
        self,
        documents: Sequence[Document],
        *,
        scope: Scope,
        now: datetime,
        settled: Sequence[Statement] = (),
        begun_s: float | None = None,
    ) -> list[Memory]:
        """Write `documents` (1..10,000) and return what is stored for each, in their order.

        A document whose `dedupe_key` a live memory of the owner has already is not written: that memory stands in its
        place in the result. Holds under concurrency, and inside one call. A key of an expired memory is free; one that
        begins with CONTENT_KEY also when its memory no longer holds (`invalid_at`).
        settled: how other memories stand after this, see `settle`; where they name a document that was not written,
        the memory in its place is meant. In the same commit on SQLite, right after it on MongoDB.
        Durable when it returns; on SQLite all of them or none, on MongoDB each one whole.
        One round trip (one write for 1,000 documents), and one or two more only when there are duplicates, and one for
        `settled`. Raises Full when there is no space, and Erased for a write that was begun (`begun_s`, see
        `stores.lateness`) before the owner was erased, by whatever process: then nothing of it stays.
        """

    async def get_many(self, ids: Sequence[MemoryId], *, scope: Scope, now: datetime) -> list[Memory]:
        """Return the memories among `ids` (0..1,000) that exist, in the order of `ids`. One round trip."""

    async def list_page(
        self, *, scope: Scope, limit: int, after: Keyset | None = None, where: Filter | None = None, now: datetime
    ) -> list[Memory]:
        """Return up to `limit` (1..1,001) memories, newest first by (created_at, id), after the keyset.

        A deep page costs what the first one costs. One round trip.
        """

    async def quarantined(
        self, *, scope: Scope, limit: int, after: Keyset | None = None, now: datetime
    ) -> list[Memory]:
        """Return up to `limit` (1..1,001) memories that are in quarantine, as `list_page` those that are not."""

    async def match(self, where: Filter, *, scope: Scope, now: datetime) -> list[MemoryId]:
        """Return the ids of all the memories that pass `where`, in no order. One round trip."""

    async def statements(
        self,
        *,
        scope: Scope,
        about: Collection[str] = (),
        edges: Collection[EdgePattern] = (),
        closed_by: MemoryId | None = None,
        since: datetime | None = None,
    ) -> list[Statement]:
        """Return the memories that state something about one of the entity keys, or what one of the patterns means,
        or were ended by `closed_by`. Mentions are never statements. Expired memories come too.

        Where there are patterns, what none of them means may come too, if it is about the same.
        since: what was said before (`created_at` of the edge) and had come to its end by then may be left out.
        In order of (said_at, id). One round trip.
        """

    async def settle(self, settled: Sequence[Statement], *, scope: Scope, now: datetime) -> None:
        """Replace relations and validity of these memories; `updated_at` becomes now, the version stays.

        A memory that is gone is left out. One write.
        """

    async def update(
        self,
        document: Document,
        *,
        scope: Scope,
        expected_version: int,
        now: datetime,
        settled: Sequence[Statement] = (),
    ) -> None:
        """Replace the memory and its indexes; the version before stays in the history. settled: as in `put_many`.

        Only if the stored version is `expected_version`, else Conflict; NotFound if it is gone. Conflict too if another
        live memory has the new `dedupe_key`. At most two round trips, and one for `settled`.
        """

    async def delete(
        self, memory_id: MemoryId, *, scope: Scope, now: datetime, settled: Sequence[Statement] = ()
    ) -> bool:
        """Erase the content, keywords, relations and history of one memory; return whether it was there.

        settled: how others stand without it; written with it on SQLite, before it on MongoDB, if it is there.

        What stays is a tombstone without content (id, owner, times, a grown generation, index state pending), so that
        late index work finds that it is stale; `purge` removes it when every index has confirmed. Two round trips.
        """

    async def purge(self, ids: Collection[MemoryId], *, scope: Scope) -> int:
        """Remove the tombstones among `ids` for good, and return how many there were. Live memories are untouched."""

    async def history(self, memory_id: MemoryId, *, scope: Scope, now: datetime) -> list[HistoryEntry]:
        """Return all the versions of a memory, oldest first, the current one last. Raises NotFound."""

    async def erase(self, scope: Scope) -> dict[str, int]:
        """Remove everything of the owner, tombstones included, and return what was removed, by kind.

        What stays is that it happened and when, under a digest: writes that were begun before are refused from now on.
        No byte of the rest is left in the files that the store writes itself. Safe to repeat; counts are then 0.
        """

    async def erasures(self, *, within_s: float) -> frozenset[tuple[str, int]]:
        """Return who was erased within the last `within_s` seconds, by `stores.lateness.digest_of`, and how often so
        far: so that other processes forget them too. One round trip, two where there are any.
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
        comparable within one result. No words, no hits. One round trip. Where the words are in very many memories, a
        store may leave out those that hold none of the rarest; where `among` is given, only if it is very many too, and
        there are `limit` others.
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

        since: only rows changed at or after it, with tombstones and what is in quarantine (`live` False); without it,
        live rows only. Expired rows come too, with their `expires_ms`. vectors=False leaves the embeddings out.
        """

    async def index_rows(self, ids: Collection[MemoryId], *, scope: Scope) -> list[IndexRow]:
        """Return what `scan` gives, without vectors, of those of up to 1,000 ids that are searched, in any order.

        One round trip.
        """

    def scan_documents(self, *, scope: Scope | None = None) -> AsyncIterator[list[tuple[Scope, Memory]]]:
        """Yield the live memories of one owner, or of all, in batches: for `reindex` and export."""

    async def pending(self, *, limit: int, now: datetime) -> list[PendingWork]:
        """Return work of any owner that is due: state pending and next_attempt_at not after now. Oldest first."""

    async def claim(
        self,
        *,
        limit: int,
        now: datetime,
        until: datetime,
        scope: Scope | None = None,
        ids: Collection[MemoryId] | None = None,
    ) -> list[PendingWork]:
        """Take work that is due, so that nobody else takes it before `until`; an outcome, or a change, ends that.

        At most `limit` (1..1,000) pieces, oldest first; scope and ids (0..1,000, given together): only of these.
        Each is given to one caller only, whatever the clocks of others say. Three round trips at most.
        """

    async def count_pending(self, scope: Scope) -> int:
        """Return how many of the owner's memories, tombstones included, still need index work, due or not.

        Reads what is pending of all owners, so it is for people, not for every request. One round trip.
        """

    async def failed(
        self, *, limit: int, scope: Scope | None = None, after: MemoryId | None = None
    ) -> list[FailedWork]:
        """Return work that was given up, of one owner or of all, behind the id `after`, in order of ids."""

    async def time(self) -> datetime | None:
        """Return the time of the server that keeps the documents; None: it is this machine. Leases count by it."""

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
        Of an entity with very many relations a store may look at the newest only; where `among` is given, only if it is
        very many too, and `limit` memories are found so.
        """

    async def relations(self, entity: str, *, scope: Scope, limit: int) -> list[tuple[MemoryId, str, str, str]]:
        """Return (memory id, source, relation, target) of relations that touch `entity`, newest memory first."""

    async def erase(self, scope: Scope) -> int: ...

    async def count(self, scope: Scope) -> int: ...


class CacheStore(Protocol):
    """A shared cache with time to live: may forget at any time, may be down, never the truth.

    keys: ASCII, at most 128 characters. It connects when it is first asked, and again after every failure; no call
    takes longer than its deadline. Raises Unavailable, Timeout.
    """

    @property
    def name(self) -> str: ...

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return the values in the order of `keys` (0..1,000), None for what is not there. One round trip."""

    async def put_many(self, entries: Sequence[tuple[str, bytes]], *, ttl_s: float) -> None:
        """Keep the values for up to `ttl_s` (at least 0.001), in the place of former ones. One round trip."""

    async def put_missing(self, key: str, value: bytes, *, ttl_s: float) -> bytes:
        """Return what is there; where nothing is, keep `value` and return it. Atomic. One round trip."""

    async def delete_many(self, keys: Sequence[str]) -> None:
        """Forget the keys; unknown ones are fine. One round trip."""

    async def aclose(self) -> None: ...
