"""The memory engine: add, search, get, list, update, delete, and forget for good. See `MemoryEngine`."""

import asyncio
import secrets
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Final, Self, TypeVar, Unpack

from context0.clock import to_ms
from context0.errors import ConfigurationError, EngineClosed, IdempotencyMismatch, InvalidInput
from context0.memory.background import Opening, end
from context0.memory.erasing import erase_owner
from context0.memory.ids import MemoryIds
from context0.memory.indexing import Indexer
from context0.memory.inputs import (
    LIST_NAMES,
    MAX_BATCH,
    ListOptions,
    MemoryChanges,
    MemoryFields,
    MemoryInput,
    SearchOptions,
    check_ids,
    check_limit,
    check_memory_types,
    check_names,
    check_scope,
)
from context0.memory.learned_weights import LearnedWeights
from context0.memory.learning import Learner
from context0.memory.model_guard import ModelGuard
from context0.memory.parts import EngineParts
from context0.memory.query import SearchRequest
from context0.memory.requests import fingerprint, narrowed, to_search_request
from context0.memory.results import ErasureReceipt, SearchResult
from context0.memory.search import Progress, Ranking, Searcher
from context0.memory.signals import SIGNALS, profile_of, vector_of
from context0.memory.strategies.protocol import SearchStores
from context0.memory.tuning import TuningOutcome
from context0.memory.warming import warm_up
from context0.memory.writing import (
    Draft,
    changed_memory,
    check_keys,
    draft_memory,
    same_content_key,
    to_document,
)
from context0.settings import Settings
from stores.cursors import CursorCodec, CursorContext
from stores.errors import NotFound, Timeout
from stores.filters import parse_filter
from stores.owner.owner_cache import OwnerCache
from stores.owner.owner_index import OwnerIndex
from stores.records import Document, HistoryEntry, Keyset, Memory, MemoryId, Page, Scope

_CURSOR_KEY: Final = "cursor_key"
_INLINE_ITEMS: Final = 16

T = TypeVar("T")


class MemoryEngine:
    """A memory for many users: each call names its user, and sees that user's memories only.

    Nothing is opened before the first call; concurrent first calls open once, and a failed start is tried again by the
    next call. Use it as an async context manager, or call `aclose`. One engine belongs to one event loop.

    An acknowledged write is durable. A failure is never an empty answer: what could not be asked is named in
    `degraded`, or raised. Errors are `context0.errors.Context0Error` and `stores.errors.StoreError`.
    """

    def __init__(self, settings: Settings | None = None, *, parts: EngineParts | None = None) -> None:
        """Make an engine from settings (default: the environment), or from parts made by hand."""
        if parts is None:
            from context0.runtime import build_parts

            parts = build_parts(settings or Settings())
        self._parts = parts
        self._ids = MemoryIds()
        self._opening = Opening(self._open)
        self._closed = False
        self._cursors = CursorCodec(bytes(32))
        self._guard = ModelGuard(parts.documents, parts.embedder)
        limits = parts.limits
        self._indexes: OwnerCache[OwnerIndex] = OwnerCache(
            parts.documents,
            OwnerIndex,
            max_bytes=limits.owner_index_max_bytes,
            staleness_s=limits.owner_index_staleness_s,
            vectors=parts.vectors.derived,
        )
        stores = SearchStores(
            documents=parts.documents, vectors=parts.vectors, graph=parts.graph, embedder=parts.embedder
        )
        self._learner = Learner(parts.documents, SIGNALS, clock=parts.clock)
        self._searcher = Searcher(
            stores,
            self._indexes,
            clock=parts.clock,
            max_indexed=limits.owner_index_max_memories,
            learner=self._learner if limits.learn_from_feedback else None,
        )
        self._indexer = Indexer(parts, self._guard, self._indexes)
        self._background: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stop the background work, which the stores remember, and close what was opened. Twice is harmless."""
        self._closed = True
        parts = self._parts
        async with AsyncExitStack() as stack:  # so that one that cannot be closed keeps no other open
            for part in (parts.embedder, parts.documents, parts.graph, parts.vectors, self._indexes):
                stack.push_async_callback(part.aclose)
            await self._opening.aclose()
            if self._background is not None:
                await end(self._background)

    async def add(self, content: str, *, user_id: str, wait: bool = False, **fields: Unpack[MemoryFields]) -> Memory:
        """Remember `content` and return the memory, durable and at once searchable by word.

        It is searchable by meaning at once too, unless the embeddings come from a network: then soon after, or before
        this returns with `wait=True`. A memory that is exactly there already (same content, speaker, session, data), or
        has the same `idempotency_key`, is returned as it is. One write.
        Raises InvalidInput, IdempotencyMismatch (the key stands for another content), StoreError.
        """
        (memory,) = await self.add_many([{"content": content, **fields}], user_id=user_id, wait=wait)
        return memory

    async def add_many(self, memories: Sequence[MemoryInput], *, user_id: str, wait: bool = False) -> list[Memory]:
        """Remember up to 10,000 memories and return them in order: one embedding call and one write for all.

        All are checked before any is written; only a key that was used before for another content is met on writing,
        and the other memories are stored then. Like `add` otherwise.
        """
        scope = check_scope(user_id)
        if isinstance(memories, str | bytes) or not isinstance(memories, Sequence) or len(memories) > MAX_BATCH:
            raise InvalidInput("memories", f"give a list of at most {MAX_BATCH} memories")
        now = self._parts.clock.now()
        limit = self._parts.limits.max_content_bytes

        def make() -> list[Draft]:
            drafts = [draft_memory(item, scope=scope, now=now, ids=self._ids, max_bytes=limit) for item in memories]
            check_keys(drafts)
            return drafts

        drafts = await _off_the_loop(make, len(memories))
        if not drafts:
            return []
        await self._ready()
        documents = await self._documents_of(drafts)
        stored = await self._parts.documents.put_many(documents, scope=scope, now=now)
        self._took(scope, [d for d, memory in zip(documents, stored, strict=True) if d.memory.id == memory.id])
        for draft, memory in zip(drafts, stored, strict=True):
            if draft.memory.content_hash != memory.content_hash and draft.dedupe_key != same_content_key(memory):
                raise IdempotencyMismatch(
                    f"the idempotency key was used for {memory.id}, which says something else; use a new key"
                )
        if wait:
            await self._indexer.work_off()
        return stored

    async def get(self, memory_id: str, *, user_id: str) -> Memory:
        """Return one memory. Raises NotFound, for another user's memory too. One round trip."""
        found = await self.get_many([memory_id], user_id=user_id)
        if not found:
            raise NotFound(str(memory_id)[:80])
        return found[0]

    async def get_many(self, ids: Collection[str], *, user_id: str) -> list[Memory]:
        """Return those of up to 1,000 memories that exist, in the order asked for. One round trip."""
        scope, wanted = check_scope(user_id), check_ids(ids)
        await self._ready()
        return await self._parts.documents.get_many(wanted, scope=scope, now=self._parts.clock.now())

    async def list(
        self, *, user_id: str, limit: int = 20, cursor: str | None = None, **options: Unpack[ListOptions]
    ) -> Page[Memory]:
        """Return a page of up to 1,000 memories, newest first, and the cursor of the next.

        Stable while memories are added; a deep page costs what the first one costs. One round trip.
        Raises InvalidInput, InvalidFilter, InvalidCursor (forged, another user's, of another query, over a day old).
        """
        scope, limit = check_scope(user_id), check_limit(limit)
        check_names(options, LIST_NAMES)
        filters, types = options.get("filters"), check_memory_types(options.get("memory_types"))
        where = narrowed(None if filters is None else parse_filter(filters), types)
        context = CursorContext(kind="list", owner=scope.owner, query=fingerprint("", options))
        await self._ready()
        now = self._parts.clock.now()
        after = None if cursor is None else Keyset(*self._cursors.decode(cursor, context, now=now))
        rows = await self._parts.documents.list_page(scope=scope, limit=limit + 1, after=after, where=where, now=now)
        items = tuple(rows[:limit])
        if len(rows) <= limit:
            return Page(items=items)
        last = [to_ms(items[-1].created_at), items[-1].id]
        return Page(items=items, next_cursor=self._cursors.encode(last, context, now=now))

    async def search(
        self, query: str, *, user_id: str, limit: int = 10, cursor: str | None = None, **options: Unpack[SearchOptions]
    ) -> SearchResult:
        """Return the memories that answer `query`, best first: by meaning, by word, by person and by date.

        reference_time: what "yesterday" counts from. filters, memory_types, since, until narrow the search before any
        cut. strategies: only these arms, and nothing beside their scores. deadline_ms: for all of it; what is late is
        named in `degraded`. explain: ranks and signals of each memory; why_not: ids to be told why they are not there.
        One round trip to the document store when the user's index is in memory; one more with filters.
        Raises InvalidInput, InvalidFilter, InvalidCursor, EmbeddingModelMismatch, SearchUnavailable, Timeout, and other
        StoreErrors.
        """
        started = time.perf_counter()
        now, deadline_ms = self._parts.clock.now(), self._parts.limits.search_deadline_ms
        request = to_search_request(query, user_id, limit, options, now=now, deadline_ms=deadline_ms)
        context = CursorContext(kind="search", owner=request.scope.owner, query=fingerprint(query, options))
        progress = Progress()
        try:
            async with asyncio.timeout(request.deadline_s):
                await self._ready()
                if cursor is not None:
                    request = self._continued(request, cursor, context)
                if "semantic" in request.arms:
                    await self._guard.check()
                ranking = await self._searcher.search(request, progress)
        except TimeoutError as exc:
            raise Timeout(f"the stores did not answer within {request.deadline_s:g} s; give a later deadline") from exc
        progress.timed("total", started)
        explanation: dict[str, object] = {}
        if request.explain or request.why_not:
            explanation = {"analysis": ranking.analysis, "failures": progress.failures, "why_not": ranking.why_not}
        return SearchResult(
            items=tuple(ranking.found),
            degraded=tuple(sorted(progress.failures)),
            next_cursor=self._next_cursor(request, ranking, context),
            relevance=ranking.relevance,
            search_id=ranking.search_id,
            timings_ms=progress.timings_ms,
            explanation=explanation,
        )

    async def update(self, memory_id: str, *, user_id: str, **changes: Unpack[MemoryChanges]) -> Memory:
        """Change a memory, keep what it said before in its history, and return it as it is now.

        Raises NotFound, InvalidInput, and Conflict when somebody else changed it at the same moment.
        """
        memory = await self.get(memory_id, user_id=user_id)
        scope, now = check_scope(user_id), self._parts.clock.now()
        changed = changed_memory(memory, changes, now=now, max_bytes=self._parts.limits.max_content_bytes)
        key = same_content_key(changed)
        (document,) = await self._documents_of([Draft(memory=changed, dedupe_key=key)])
        await self._parts.documents.update(document, scope=scope, expected_version=memory.version, now=now)
        self._took(scope, [document])
        return document.memory

    async def delete(self, memory_id: str, *, user_id: str) -> None:
        """Forget one memory with its history: no store returns it from now on. Raises NotFound."""
        scope = check_scope(user_id)
        (wanted,) = check_ids([memory_id]) or (MemoryId(""),)
        await self._ready()
        if not await self._parts.documents.delete(wanted, scope=scope, now=self._parts.clock.now()):
            raise NotFound(str(memory_id)[:80])
        self._indexes.discard(scope, [wanted])
        if self._indexer.immediate:
            await self._parts.vectors.delete_many([wanted], scope=scope)
            await self._parts.documents.purge([wanted], scope=scope)
        else:
            self._indexer.wake()

    async def delete_all(self, *, user_id: str) -> ErasureReceipt:
        """Erase everything of the user in every store, and return the receipt. Safe to repeat.

        A receipt that is not `ok` names the store that failed: call again. Raises StoreError when the documents
        themselves could not be erased.
        """
        scope = check_scope(user_id)
        await self._ready()
        async with self._indexer.writing:
            return await erase_owner(scope, self._parts, self._indexes, self._learner)

    async def history(self, memory_id: str, *, user_id: str) -> Sequence[HistoryEntry]:
        """Return every version of a memory's content, oldest first, the current one last. Raises NotFound."""
        scope = check_scope(user_id)
        (wanted,) = check_ids([memory_id]) or (MemoryId(""),)
        await self._ready()
        return await self._parts.documents.history(wanted, scope=scope, now=self._parts.clock.now())

    async def feedback(self, search_id: str, memory_id: str, *, user_id: str, useful: bool) -> None:
        """Say whether a memory of a search was of use: stored when this returns, and learned from by `tune`.

        search_id: of a `SearchResult` of the last hour, or one that was judged before. Three round trips.
        Raises ConfigurationError unless `learn_from_feedback` is set, UnknownSearch, NotFound, InvalidInput.
        """
        scope = self._learning_scope(user_id)
        (wanted,) = check_ids([memory_id]) or (MemoryId(""),)
        await self._ready()
        await self._learner.judge(scope, search_id, wanted, useful=useful)

    async def tune(self, *, user_id: str) -> TuningOutcome:
        """Look for weights that would have ranked the user's judged searches better, and keep them if they truly do.

        They are tried on searches that were held back, and kept only when chance cannot explain the gain. Up to a
        second of one core, off the event loop. Undone by `undo_tuning`. Raises ConfigurationError, StoreError.
        """
        scope = self._learning_scope(user_id)
        await self._ready()
        return await self._learner.tune(scope, vector_of(profile_of(await self._indexes.get(scope))))

    async def undo_tuning(self, *, user_id: str) -> LearnedWeights:
        """Put back the weights of before the last `tune` that was kept. Raises InvalidInput when there was none."""
        scope = self._learning_scope(user_id)
        await self._ready()
        return await self._learner.undo(scope, vector_of(profile_of(await self._indexes.get(scope))))

    def _learning_scope(self, user_id: str) -> Scope:
        if not self._parts.limits.learn_from_feedback:
            raise ConfigurationError("feedback is off; set CONTEXT0_LEARN_FROM_FEEDBACK=true to learn from it")
        return check_scope(user_id)

    async def flush(self) -> int:
        """Do the background work that is due now, and return how many memories it took up."""
        await self._ready()
        return await self._indexer.work_off()

    async def _ready(self) -> None:
        """Open everything on the first call; the others wait for it. A failure is raised, and tried again next time."""
        if not self._closed:
            await self._opening.ready()
        if self._closed:
            raise EngineClosed("the engine was closed; make a new one")

    async def _open(self) -> None:
        parts = self._parts
        await parts.documents.open()
        await parts.graph.open()
        await self._guard.load()
        self._cursors = CursorCodec(await parts.documents.put_meta(_CURSOR_KEY, secrets.token_bytes(32)))
        await warm_up(
            parts.embedder
        )  # now, not inside a search; beside the reading of an index it would only slow both
        work = self._indexer.run(parts.limits.index_interval_s)
        self._background = asyncio.create_task(work, name="context0-indexer")

    async def _documents_of(self, drafts: Sequence[Draft]) -> Sequence[Document]:
        """Return the documents to write: with their vectors when these need no network, pending otherwise."""
        embedder = self._parts.embedder
        vectors: Sequence[bytes | None] = [None] * len(drafts)
        if embedder.local:
            rows = await embedder.embed([draft.memory.content for draft in drafts])
            vectors = [row.tobytes() for row in rows]
            await self._guard.check(rows.shape[1])
        else:
            await self._guard.check()
        done = embedder.local and self._indexer.immediate

        def make() -> list[Document]:
            return [
                to_document(draft.memory, draft.dedupe_key, vector, embedder.model, done=done)
                for draft, vector in zip(drafts, vectors, strict=True)
            ]

        return await _off_the_loop(make, len(drafts))

    def _took(self, scope: Scope, documents: Sequence[Document]) -> None:
        """Let the indexes in memory, and the background, know what was written."""
        self._indexer.follow(scope, documents)
        if any(document.memory.index.state == "pending" for document in documents):
            self._indexer.wake()

    def _continued(self, request: SearchRequest, cursor: str, context: CursorContext) -> SearchRequest:
        keyset = self._cursors.decode(cursor, context, now=self._parts.clock.now())
        score, last_id, reference_s, hits = keyset
        moment = datetime.fromtimestamp(reference_s, UTC)
        return replace(request, after=(score, last_id), reference_time=moment, hits=hits)

    def _next_cursor(self, request: SearchRequest, ranking: Ranking, context: CursorContext) -> str | None:
        if not ranking.more:
            return None
        last = ranking.found[-1]
        keyset = [last.score, last.memory.id, request.reference_time.timestamp(), request.hits]
        return self._cursors.encode(keyset, context, now=self._parts.clock.now())


async def _off_the_loop(work: Callable[[], Sequence[T]], items: int) -> Sequence[T]:
    """Run `work` in a thread when it is more than about a millisecond's; a hop costs half an item."""
    return await asyncio.to_thread(work) if items > _INLINE_ITEMS else work()
