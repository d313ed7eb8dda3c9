"""The document store on MongoDB: what each method asks is in `queries`, how it writes in `writing`."""

from collections.abc import AsyncIterator, Collection, Sequence
from datetime import datetime
from functools import partial
from typing import Final

from stores.filters import Filter
from stores.mongo import erasing, queries, upkeep, writing
from stores.mongo.client import MongoDatabase, Row
from stores.mongo.codec import (
    decode,
    decode_failed,
    decode_index_row,
    decode_statement,
    decode_work,
    keyset_of,
    moment,
    to_ms,
)
from stores.mongo.indexes import prepare_indexes
from stores.mongo.reading import batches, each, find
from stores.records import (
    Document,
    EdgePattern,
    FailedWork,
    HistoryEntry,
    Hit,
    IndexMark,
    IndexName,
    IndexRow,
    Keyset,
    Memory,
    MemoryId,
    PendingWork,
    Scope,
    Statement,
    TimeWindow,
)
from stores.settling import as_stored, places_of

_SCAN_ROWS: Final = 1_000


class MongoDocuments:
    """See `stores.protocols.DocumentStore`.

    A memory, its relations, its words' hashes, its embedding, its index state and its last versions are one document:
    so every write is atomic without transactions, and `add` is one command. Acknowledged means that a majority has it
    in its journal. Calls that failed with an unknown outcome may be repeated: ids and keys are the caller's.
    """

    name = "mongodb"
    covers: frozenset[IndexName] = frozenset({"keyword", "graph"})

    def __init__(self, database: MongoDatabase) -> None:
        self._database = database

    async def open(self) -> None:
        """Connect; an empty store gets all its indexes, one with memories only the unique one and a logged warning."""
        await self._database.open(self)
        try:
            await prepare_indexes(self._database, is_new=await upkeep.check_format(self._database))
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        await self._database.aclose(self)

    async def ping(self) -> None:
        await self._database.ping()

    async def put_many(
        self,
        documents: Sequence[Document],
        *,
        scope: Scope,
        now: datetime,
        settled: Sequence[Statement] = (),
        begun_s: float | None = None,
    ) -> list[Memory]:
        stored = await writing.insert_unless_erased(documents, scope.owner, now, begun_s, self._database)
        await writing.settle(as_stored(settled, places_of(documents, stored)), scope.owner, now, self._database)
        return stored

    async def get_many(self, ids: Sequence[MemoryId], *, scope: Scope, now: datetime) -> list[Memory]:
        if not ids:
            return []
        memories = await each(decode, await find(queries.by_ids(ids, scope.owner), self._database))
        found = {memory.id: memory for memory in memories}
        asked = (found[memory_id] for memory_id in ids if memory_id in found)
        return [memory for memory in asked if memory.expires_at is None or memory.expires_at > now]

    async def list_page(
        self, *, scope: Scope, limit: int, after: Keyset | None = None, where: Filter | None = None, now: datetime
    ) -> list[Memory]:
        return await each(decode, await find(queries.newest(scope.owner, limit, after, where, now), self._database))

    async def quarantined(
        self, *, scope: Scope, limit: int, after: Keyset | None = None, now: datetime
    ) -> list[Memory]:
        return await each(decode, await find(queries.kept_back(scope.owner, limit, after, now), self._database))

    async def match(self, where: Filter, *, scope: Scope, now: datetime) -> list[MemoryId]:
        return [row["_id"] for row in await find(queries.passing(where, scope.owner, now), self._database)]

    async def statements(
        self,
        *,
        scope: Scope,
        about: Collection[str] = (),
        edges: Collection[EdgePattern] = (),
        closed_by: MemoryId | None = None,
        since: datetime | None = None,  # noqa: ARG002 - it may leave out nothing
    ) -> list[Statement]:
        patterns = (*map(EdgePattern, about), *edges)
        if not patterns and closed_by is None:
            return []
        rows = await find(queries.stated(patterns, closed_by, scope.owner), self._database)
        return await each(decode_statement, rows)

    async def settle(self, settled: Sequence[Statement], *, scope: Scope, now: datetime) -> None:
        await writing.settle(settled, scope.owner, now, self._database)

    async def update(
        self,
        document: Document,
        *,
        scope: Scope,
        expected_version: int,
        now: datetime,
        settled: Sequence[Statement] = (),
    ) -> None:
        await writing.update(document, scope.owner, expected_version, now, self._database)
        await writing.settle(settled, scope.owner, now, self._database)

    async def delete(
        self, memory_id: MemoryId, *, scope: Scope, now: datetime, settled: Sequence[Statement] = ()
    ) -> bool:
        await writing.settle(settled, scope.owner, now, self._database)
        return await writing.delete(memory_id, scope.owner, now, self._database)

    async def purge(self, ids: Collection[MemoryId], *, scope: Scope) -> int:
        return await writing.purge(ids, scope.owner, self._database) if ids else 0

    async def history(self, memory_id: MemoryId, *, scope: Scope, now: datetime) -> list[HistoryEntry]:
        """One round trip; a second one for a memory with more versions than fit inside it."""
        current = await writing.read_version(memory_id, scope.owner, now, self._database)
        inside: list[Row] = [*current.get("history", ()), {**current, "changed_at": current["updated_at"]}]
        oldest = inside[0]["version"]
        if oldest > 1:
            moved = await find(queries.moved_history(memory_id, oldest, scope.owner), self._database)
            inside = [*moved, *inside]
        return [
            HistoryEntry(
                memory_id=memory_id,
                version=row["version"],
                event="updated" if place else "added",
                content=row["input"],
                changed_at=moment(row["changed_at"]),
                quarantine=tuple(row.get("quarantine", ())),
            )
            for place, row in enumerate(inside)
        ]

    async def erase(self, scope: Scope) -> dict[str, int]:
        """Takes twice `late_s` at least, see `erasing`."""
        await erasing.note(scope.owner, self._database)
        return await upkeep.erase(scope.owner, self._database)

    async def erasures(self, *, within_s: float) -> frozenset[tuple[str, int]]:
        return await erasing.within(within_s, self._database)

    async def count(self, scope: Scope) -> dict[str, int]:
        return await upkeep.count(scope.owner, self._database)

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
        """By MongoDB's own text index: English stemming and stop words, scores by frequency in the memory."""
        query = queries.any_word(text, scope.owner, limit, among, now) if words else None
        if query is None:
            return []
        return [Hit(row["_id"], float(row["score"])) for row in await find(query, self._database)]

    async def temporal(
        self,
        window: TimeWindow,
        *,
        scope: Scope,
        limit: int,
        among: Collection[MemoryId] | None = None,
        now: datetime,
    ) -> list[Hit]:
        rows = await find(queries.happened(window, scope.owner, limit, among, now), self._database)
        return [Hit(row["_id"], 1 / rank) for rank, row in enumerate(rows, start=1)]

    async def scan(
        self, *, scope: Scope, since: datetime | None = None, vectors: bool = True
    ) -> AsyncIterator[list[IndexRow]]:
        if since is None:
            ask = partial(queries.arrived, scope.owner, limit=_SCAN_ROWS, vectors=vectors)
            place = keyset_of
        else:
            ask = partial(queries.changed, scope.owner, since, limit=_SCAN_ROWS, vectors=vectors)
            place = _changed_keyset
        async for rows in batches(ask(None), lambda row: ask(place(row)), self._database):
            yield await each(decode_index_row, rows)

    async def index_rows(self, ids: Collection[MemoryId], *, scope: Scope) -> list[IndexRow]:
        return await each(decode_index_row, await find(queries.index_rows(ids, scope.owner), self._database))

    async def scan_documents(self, *, scope: Scope | None = None) -> AsyncIterator[list[tuple[Scope, Memory]]]:
        if scope is None:
            first = queries.documents_of_all(None, _SCAN_ROWS)
            found = batches(first, lambda row: queries.documents_of_all(row["_id"], _SCAN_ROWS), self._database)
        else:
            ask = partial(queries.documents_of, scope.owner, limit=_SCAN_ROWS)
            found = batches(ask(None), lambda row: ask(keyset_of(row)), self._database)
        async for rows in found:
            yield await each(_owned, rows)

    async def pending(self, *, limit: int, now: datetime) -> list[PendingWork]:
        return [decode_work(row) for row in await find(queries.due(limit, now), self._database)]

    async def claim(
        self,
        *,
        limit: int,
        now: datetime,
        until: datetime,
        scope: Scope | None = None,
        ids: Collection[MemoryId] | None = None,
    ) -> list[PendingWork]:
        among = None if scope is None or ids is None else (scope.owner, ids)
        return await writing.claim(limit, now, until, among, self._database)

    async def count_pending(self, scope: Scope) -> int:
        return await upkeep.count_pending(scope.owner, self._database)

    async def failed(
        self, *, limit: int, scope: Scope | None = None, after: MemoryId | None = None
    ) -> list[FailedWork]:
        owner = None if scope is None else scope.owner
        return [decode_failed(row) for row in await find(queries.given_up(limit, owner, after), self._database)]

    async def time(self) -> datetime | None:
        return await upkeep.time(self._database)

    async def mark(self, marks: Sequence[IndexMark], *, scope: Scope) -> int:
        return await writing.mark(marks, scope.owner, self._database)

    async def expired(self, *, limit: int, now: datetime) -> list[tuple[Scope, MemoryId]]:
        rows = await find(queries.over(limit, now), self._database)
        return [(Scope(owner=row["source_user_id"]), row["_id"]) for row in rows]

    async def get_meta(self, key: str) -> bytes | None:
        return await upkeep.get_meta(key, self._database)

    async def put_meta(self, key: str, value: bytes, *, replace: bool = False) -> bytes:
        return await upkeep.put_meta(key, value, self._database, replace=replace)

    async def status(self) -> dict[str, int | str]:
        return await upkeep.status(self._database)


def _owned(row: Row) -> tuple[Scope, Memory]:
    return Scope(owner=row["source_user_id"]), decode(row)


def _changed_keyset(row: Row) -> Keyset:
    """Return the place in the order of change, as `queries.changed` takes it."""
    return Keyset(to_ms(moment(row["updated_at"])), row["_id"])
