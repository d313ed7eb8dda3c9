"""The document store over dicts: what the protocol means, in the fewest words.

Rows that have expired stay until they are deleted, tombstones until they are purged or erased, as on every backend.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from stores.errors import Conflict, NotFound
from stores.filters import Filter, matches
from stores.records import (
    CONTENT_KEY,
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
    Relation,
    Scope,
    Statement,
    TimeWindow,
)
from stores.reference.bm25 import rank
from stores.reference.erasures import Erasures
from stores.reference.rows import (
    Row,
    claimed,
    failed_of,
    generation_of,
    index_row_of,
    is_due,
    marked,
    milliseconds,
    tombstone,
    work_of,
)
from stores.settling import as_stored, places_of, with_places


class ReferenceDocuments:
    """A DocumentStore whose rows live in `rows[owner][id]` and whose relations live in `relations[owner][id]`."""

    name = "reference"
    covers: frozenset[IndexName] = frozenset({"keyword", "graph"})

    def __init__(self) -> None:
        self.rows: dict[str, dict[MemoryId, Row]] = {}
        self.relations: dict[str, dict[MemoryId, tuple[Relation, ...]]] = {}
        self._meta: dict[str, bytes] = {}
        self._erasures = Erasures()

    async def open(self) -> None:
        """Nothing to connect to."""

    async def aclose(self) -> None:
        """Nothing to close."""

    async def ping(self) -> None:
        """Always there."""

    async def put_many(
        self,
        documents: Sequence[Document],
        *,
        scope: Scope,
        now: datetime,
        settled: Sequence[Statement] = (),
        begun_s: float | None = None,
    ) -> list[Memory]:
        self._erasures.refuse_late(scope.owner, begun_s)
        stored = [self._put(document, scope, now) for document in documents]
        places = places_of(documents, stored)
        for document in documents:
            if places[document.memory.id] == document.memory.id:
                self._write(replace(self._of(scope)[document.memory.id], document=with_places(document, places)), scope)
        await self.settle(as_stored(settled, places), scope=scope, now=now)
        return stored

    async def get_many(self, ids: Sequence[MemoryId], *, scope: Scope, now: datetime) -> list[Memory]:
        found = {row.memory.id: row.memory for row in self._visible(scope, now)}
        return [found[memory_id] for memory_id in ids if memory_id in found]

    async def list_page(
        self, *, scope: Scope, limit: int, after: Keyset | None = None, where: Filter | None = None, now: datetime
    ) -> list[Memory]:
        found = [row.memory for row in self._searched(scope, now) if where is None or matches(where, row.memory)]
        return _page(found, limit, after)

    async def quarantined(
        self, *, scope: Scope, limit: int, after: Keyset | None = None, now: datetime
    ) -> list[Memory]:
        return _page([row.memory for row in self._visible(scope, now) if row.memory.quarantine], limit, after)

    async def match(self, where: Filter, *, scope: Scope, now: datetime) -> list[MemoryId]:
        return [row.memory.id for row in self._searched(scope, now) if matches(where, row.memory)]

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

        def is_meant(edge: Relation) -> bool:
            is_ended = closed_by is not None and edge.closed_by == closed_by
            return is_ended or any(pattern.fits(edge) for pattern in patterns)

        found = [_statement(row) for row in self._of(scope).values() if any(map(is_meant, row.document.relations))]
        return sorted(found, key=lambda one: (one.said_at, one.id))

    async def settle(self, settled: Sequence[Statement], *, scope: Scope, now: datetime) -> None:
        for one in settled:
            row = self._of(scope).get(one.id)
            if row is not None and row.live:
                validity = {"valid_from": one.valid_from, "invalid_at": one.invalid_at}
                memory = row.memory.evolve(**validity, superseded_by=one.superseded_by, updated_at=now)
                self._write(replace(row, document=replace(row.document, memory=memory, relations=one.relations)), scope)

    async def update(
        self,
        document: Document,
        *,
        scope: Scope,
        expected_version: int,
        now: datetime,
        settled: Sequence[Statement] = (),
    ) -> None:
        memory_id = document.memory.id
        row = self._of(scope).get(memory_id)
        if row is None or not row.visible(now):
            raise NotFound(memory_id)
        if row.memory.version != expected_version:
            raise Conflict(f"{memory_id} is at version {row.memory.version} by now; read it again and try again")
        if self._holder(document.dedupe_key, scope, now) not in (None, row):
            raise Conflict(f"another memory says what {memory_id} would say; keep that one")
        self._write(Row(document=document, past=(*row.past, row.current())), scope)
        await self.settle(settled, scope=scope, now=now)

    async def delete(
        self, memory_id: MemoryId, *, scope: Scope, now: datetime, settled: Sequence[Statement] = ()
    ) -> bool:
        row = self._of(scope).get(memory_id)
        if row is None or not row.live:
            return False
        await self.settle(settled, scope=scope, now=now)
        self._write(Row(document=tombstone(row.memory, now), live=False), scope)
        return True

    async def purge(self, ids: Collection[MemoryId], *, scope: Scope) -> int:
        rows = self._of(scope)
        dead = [memory_id for memory_id in set(ids) if memory_id in rows and not rows[memory_id].live]
        for memory_id in dead:
            del rows[memory_id]
            self.relations[scope.owner].pop(memory_id, None)
        return len(dead)

    async def history(self, memory_id: MemoryId, *, scope: Scope, now: datetime) -> list[HistoryEntry]:
        row = self._of(scope).get(memory_id)
        if row is None or not row.visible(now):
            raise NotFound(memory_id)
        return [*row.past, row.current()]

    async def erase(self, scope: Scope) -> dict[str, int]:
        counts = await self.count(scope)
        self.rows.pop(scope.owner, None)
        self.relations.pop(scope.owner, None)
        self._erasures.note(scope.owner)
        return counts

    async def erasures(self, *, within_s: float) -> frozenset[tuple[str, int]]:
        return self._erasures.within(within_s)

    async def count(self, scope: Scope) -> dict[str, int]:
        rows = self._of(scope).values()
        return {
            "memories": len(rows),
            "history": sum(len(row.past) for row in rows),
            "relations": sum(map(len, self.relations.get(scope.owner, {}).values())),
        }

    async def keyword(
        self,
        words: Sequence[str],
        text: str,  # noqa: ARG002 - for stores that analyse by themselves
        *,
        scope: Scope,
        limit: int,
        among: Collection[MemoryId] | None = None,
        now: datetime,
    ) -> list[Hit]:
        corpus = {row.memory.id: row.document.keywords for row in self._searched(scope, now)}
        return [hit for hit in rank(words, corpus) if among is None or hit.id in among][:limit]

    async def temporal(
        self,
        window: TimeWindow,
        *,
        scope: Scope,
        limit: int,
        among: Collection[MemoryId] | None = None,
        now: datetime,
    ) -> list[Hit]:
        since, until = window.since or _EVER[0], window.until or _EVER[1]
        found = [
            (moment, row.memory.id)
            for row in self._searched(scope, now)
            if since <= (moment := row.memory.occurred_at or row.memory.created_at) < until
            and (among is None or row.memory.id in among)
        ]
        found.sort(reverse=True)
        return [Hit(memory_id, 1 / rank) for rank, (_, memory_id) in enumerate(found[:limit], start=1)]

    async def scan(
        self, *, scope: Scope, since: datetime | None = None, vectors: bool = True
    ) -> AsyncIterator[list[IndexRow]]:
        rows = [
            index_row_of(row, vectors=vectors)
            for row in self._of(scope).values()
            if (row.searched if since is None else row.memory.updated_at >= since)
        ]
        if rows:
            yield rows

    async def index_rows(self, ids: Collection[MemoryId], *, scope: Scope) -> list[IndexRow]:
        rows = self._of(scope)
        return [index_row_of(rows[one], vectors=False) for one in ids if one in rows and rows[one].searched]

    async def scan_documents(self, *, scope: Scope | None = None) -> AsyncIterator[list[tuple[Scope, Memory]]]:
        found = [
            (owner, row.memory) for owner, row in self._all(lambda row: row.live) if scope is None or owner == scope
        ]
        if found:
            yield found

    async def pending(self, *, limit: int, now: datetime) -> list[PendingWork]:
        due = self._all(lambda row: is_due(row.memory.index, now) and not row.expired(now))
        oldest = sorted(due, key=lambda found: (found[1].memory.updated_at, found[1].memory.id))
        return [work_of(scope, row) for scope, row in oldest[:limit]]

    async def claim(
        self,
        *,
        limit: int,
        now: datetime,
        until: datetime,
        scope: Scope | None = None,
        ids: Collection[MemoryId] | None = None,
    ) -> list[PendingWork]:
        due = await self.pending(limit=len(self._all(lambda _: True)), now=now)
        chosen = [work for work in due if (scope is None or work.scope == scope) and (ids is None or work.id in ids)]
        for work in chosen[:limit]:
            rows = self._of(work.scope)
            rows[work.id] = claimed(rows[work.id], until)
        return chosen[:limit]

    async def count_pending(self, scope: Scope) -> int:
        return sum(row.memory.index.state == "pending" for row in self._of(scope).values())

    async def failed(
        self, *, limit: int, scope: Scope | None = None, after: MemoryId | None = None
    ) -> list[FailedWork]:
        given_up = self._all(lambda row: row.live and row.memory.index.state == "failed")
        found = [failed_of(owner, row) for owner, row in given_up if scope is None or owner == scope]
        behind = [work for work in found if after is None or work.id > after]
        return sorted(behind, key=lambda work: work.id)[:limit]

    async def time(self) -> datetime | None:
        return None

    async def mark(self, marks: Sequence[IndexMark], *, scope: Scope) -> int:
        rows = self._of(scope)
        current = [mark for mark in marks if mark.id in rows and generation_of(rows[mark.id]) == mark.generation]
        for mark in current:
            rows[mark.id] = marked(rows[mark.id], mark)
        return len(current)

    async def expired(self, *, limit: int, now: datetime) -> list[tuple[Scope, MemoryId]]:
        over = self._all(lambda row: row.live and row.expired(now))
        return [(scope, row.memory.id) for scope, row in over][:limit]

    async def get_meta(self, key: str) -> bytes | None:
        return self._meta.get(key)

    async def put_meta(self, key: str, value: bytes, *, replace: bool = False) -> bytes:
        if replace:
            self._meta[key] = value
        return self._meta.setdefault(key, value)

    async def status(self) -> dict[str, int | str]:
        states = Counter(f"memories_{row.memory.index.state}" for _, row in self._all(lambda _: True))
        return {"durability": "none", **states}

    def _of(self, scope: Scope) -> dict[MemoryId, Row]:
        return self.rows.get(scope.owner, {})

    def _all(self, wanted: Callable[[Row], bool]) -> list[tuple[Scope, Row]]:
        return [(Scope(owner=owner), row) for owner, rows in self.rows.items() for row in rows.values() if wanted(row)]

    def _visible(self, scope: Scope, now: datetime) -> Iterator[Row]:
        return (row for row in self._of(scope).values() if row.visible(now))

    def _searched(self, scope: Scope, now: datetime) -> Iterator[Row]:
        return (row for row in self._visible(scope, now) if row.searched)

    def _holder(self, dedupe_key: str, scope: Scope, now: datetime) -> Row | None:
        return next(
            (
                row
                for row in self._visible(scope, now)
                if row.document.dedupe_key == dedupe_key
                if row.memory.invalid_at is None or not dedupe_key.startswith(CONTENT_KEY)
            ),
            None,
        )

    def _put(self, document: Document, scope: Scope, now: datetime) -> Memory:
        holder = self._holder(document.dedupe_key, scope, now)
        if holder is not None:
            return holder.memory
        self._write(Row(document=document), scope)
        return document.memory

    def _write(self, row: Row, scope: Scope) -> None:
        self.rows.setdefault(scope.owner, {})[row.memory.id] = row
        self.relations.setdefault(scope.owner, {})[row.memory.id] = row.document.relations


_EVER = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))


def _keyset(memory: Memory) -> Keyset:
    return Keyset(milliseconds(memory.created_at), memory.id)


def _page(memories: list[Memory], limit: int, after: Keyset | None) -> list[Memory]:
    newest = sorted(memories, key=_keyset, reverse=True)
    return [memory for memory in newest if after is None or _keyset(memory) < after][:limit]


def _statement(row: Row) -> Statement:
    memory = row.memory
    return Statement(
        id=memory.id,
        said_at=memory.occurred_at or memory.created_at,
        traits=row.document.traits,
        relations=row.document.relations,
        valid_from=memory.valid_from,
        invalid_at=memory.invalid_at,
        superseded_by=memory.superseded_by,
    )
