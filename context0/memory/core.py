"""What an engine is beneath its calls: parts opened on first use and closed once, and work in the background."""

import asyncio
import hmac
import secrets
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from datetime import datetime, timedelta
from hashlib import sha256
from types import TracebackType
from typing import Final, Self, TypeVar

from context0.clock import Clock, from_ms, to_ms
from context0.errors import ConfigurationError, EngineClosed
from context0.memory.analysis import QuestionReader
from context0.memory.answer_caches import build_answer_caches
from context0.memory.background import Opening, end
from context0.memory.changes import (
    Change,
    ChangedElsewhere,
    MemoriesRemoved,
    MemoriesRestored,
    MemoriesWritten,
    OwnerErased,
    Watcher,
)
from context0.memory.consistency import Consistency
from context0.memory.due_work import StoreTime
from context0.memory.facts import FactKeeper
from context0.memory.gate import Gate
from context0.memory.ids import MemoryIds
from context0.memory.indexing import Indexer
from context0.memory.inputs import check_ids, check_scope
from context0.memory.learning import Learner
from context0.memory.model_guard import ModelGuard
from context0.memory.parts import EngineParts
from context0.memory.readers import Readers
from context0.memory.receipts import Signer
from context0.memory.search import Searcher
from context0.memory.signals import SIGNALS
from context0.memory.strategies.protocol import SearchStores
from context0.memory.warming import warm_up
from context0.memory.writing import Draft, read_texts, to_document
from context0.observability.recorder import CacheReading, Recorder
from context0.settings import Settings
from context0.trust.floods import FloodGuard
from stores.blocking import off_the_loop
from stores.chat_protocol import ChatStore
from stores.cursors import CursorCodec, CursorContext
from stores.owner.owner_cache import OwnerCache
from stores.owner.owner_index import OwnerIndex
from stores.records import Document, Memory, MemoryId, Page, Scope, Statement, Validity
from stores.reply_protocol import ReplyStore

_CURSOR_KEY: Final = "cursor_key"
_LATEST_WRITE: Final = timedelta(seconds=5)
"""How long before it is told of a change that removes something may have got its time."""

T = TypeVar("T")
Quiet = Callable[[Scope], AbstractAsyncContextManager[None]]
Deleting = Callable[[Scope, MemoryId], AbstractAsyncContextManager[None]]


class EngineCore:
    """Opens its parts before the first call: concurrent first calls open once, and a failed start is tried again by the
    next call. One engine belongs to one event loop.
    """

    def __init__(self, settings: Settings | None = None, *, parts: EngineParts | None = None) -> None:
        """Make an engine from settings (default: the environment), or from parts made by hand."""
        if parts is None:
            from context0.runtime import build_parts

            settings = settings or Settings()
            parts = build_parts(settings)
        self.settings = settings
        """What the engine was made from; None for one made of parts."""
        self._parts = parts
        self._ids = MemoryIds()
        self._opening = Opening(self._open)
        self._chats_opening = Opening(parts.chats.open)
        self._replies_opening = None if parts.replies is None else Opening(parts.replies.open)
        self._store_time = StoreTime(parts.documents, parts.clock)
        self._closed = False
        self._cursors = CursorCodec(bytes(32))
        self._signer = Signer(bytes(32))
        self._audit_key = bytes(32)
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
        self._reader = QuestionReader(parts.analyser, deadline_s=limits.analysis_deadline_s)
        self._searcher = Searcher(
            stores,
            self._indexes,
            clock=parts.clock,
            max_indexed=limits.owner_index_max_memories,
            learner=self._learner if limits.learn_from_feedback else None,
            reader=self._reader,
        )
        parts.recorder.watch_cache("owner_index", lambda: _reading(self._indexes))
        self._answers = build_answer_caches(parts, self._indexes, self._searcher.index)
        self._facts = FactKeeper(parts.documents)
        self._gate = Gate(is_on=limits.quarantine, floods=FloodGuard(timer=time.monotonic, quota=limits.flood_quota))
        self._indexer = Indexer(parts, self._guard, self._indexes, self._facts)
        self._consistency = Consistency()
        self._background: asyncio.Task[None] | None = None
        self._watchers: list[Watcher] = []
        self._quiet: list[Quiet] = []
        self._attached: list[Callable[[], Awaitable[None]]] = []
        self._held_elsewhere: list[Callable[[], Iterable[Scope]]] = []
        self._deleting: list[Deleting] = []

    @property
    def clock(self) -> Clock:
        return self._parts.clock

    @property
    def recorder(self) -> Recorder:
        """Takes what is measured, here and in whatever works with this engine."""
        return self._parts.recorder

    @property
    def cursors(self) -> CursorCodec:
        """Signs and reads cursors with the store's own key, once the engine is open."""
        return self._cursors

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stop the background work, which the stores remember, and close what was opened. Twice is harmless."""
        while self._attached:
            await self._attached.pop()()
        self._closed = True
        parts = self._parts
        async with AsyncExitStack() as stack:  # so that one that cannot be closed keeps no other open
            for part in (parts.embedder, parts.documents, parts.graph, parts.vectors, self._indexes, parts.chats):
                stack.push_async_callback(part.aclose)
            for rest in (parts.shared, parts.replies, parts.audit):
                if rest is not None:
                    stack.push_async_callback(rest.aclose)
            await self._opening.aclose()
            await self._chats_opening.aclose()
            if self._replies_opening is not None:
                await self._replies_opening.aclose()
            await self._answers.aclose()
            if parts.announcer is not None:
                await parts.announcer.aclose()
            if self._background is not None:
                await end(self._background)
                await self._indexer.release()

    async def chats(self) -> ChatStore:
        """Return the store of the conversations, opened by whoever needs it first. Raises StoreError, EngineClosed."""
        await self._ready()
        await self._chats_opening.ready()
        if self._closed:
            raise EngineClosed("the engine was closed; make a new one")
        return self._parts.chats

    async def replies(self) -> ReplyStore:
        """Return the store of replies, opened by whoever needs it first. Raises as `chats`, and ConfigurationError."""
        if self._replies_opening is None or self._parts.replies is None:
            raise ConfigurationError("this engine keeps no replies; make it from settings, or give its parts `replies`")
        await self._ready()
        await self._replies_opening.ready()
        if self._closed:
            raise EngineClosed("the engine was closed; make a new one")
        return self._parts.replies

    async def store_now(self) -> datetime:
        """Return the time by which leases count: the store's. A round trip a minute, where that is elsewhere."""
        await self._ready()
        await self._store_time.refresh()
        return self._store_time.now()

    def attach(
        self,
        aclose: Callable[[], Awaitable[None]],
        watcher: Watcher | None = None,
        quiet: Quiet | None = None,
        owners: Callable[[], Iterable[Scope]] | None = None,
        deleting: Deleting | None = None,
    ) -> None:
        """Let something that works with this engine be closed before it, and be told of every change of memories.

        quiet: entered before an owner is erased, and left when that is done: writes nothing for the owner meanwhile.
        owners: of whom it holds something in memory, who may be erased by another process. deleting: entered before a
        memory is deleted, and left when that is done or has failed: removes what was made of the memory.
        """
        self._attached.append(aclose)
        if quiet is not None:
            self._quiet.append(quiet)
        if watcher is not None:
            self._watchers.append(watcher)
        if owners is not None:
            self._held_elsewhere.append(owners)
        if deleting is not None:
            self._deleting.append(deleting)

    async def flush(self) -> int:
        """Do the background work that is due now, and return how many memories it took up."""
        await self._ready()
        return await self._indexer.work_off()

    async def work_on(self, ids: Collection[str], *, user_id: str) -> int:
        """Do what is due of the index work of up to 1,000 memories, and return how many were taken up: for workers."""
        scope, wanted = check_scope(user_id), check_ids(ids)
        await self._ready()
        return await self._indexer.work_on(scope, wanted)

    def consistency_token(self, *, user_id: str) -> str | None:
        """Return a token of all that this engine has written for the user; None if that is nothing of late.

        An engine in another process that `catch_up` is called on with it shows at least that from then on.
        """
        return self._consistency.token(check_scope(user_id))

    async def catch_up(self, tokens: str, *, user_id: str) -> None:
        """Let every read that begins behind this see what the tokens (with commas between) stand for.

        At most one round trip for a token that is new to this process and an owner whose index is in memory; else none.
        A hosted vector index may be behind as before. Raises InvalidConsistencyToken, StoreError.
        """
        scope = check_scope(user_id)
        await self._ready()
        claims = self._consistency.unseen(tokens, scope)
        if not claims:
            return
        since = from_ms(min(one.since_ms for one in claims))
        await self._indexer.catch_up(scope, since)
        self._answers.renew(scope)
        for watcher in self._watchers:
            watcher(scope, ChangedElsewhere())
        self._consistency.saw(claims, scope)

    def touched(self, *, user_id: str) -> None:
        """Take note that something of the user was changed that is no memory, such as a mode."""
        self._consistency.changed(check_scope(user_id), self._parts.clock.now())

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
        key = await parts.documents.put_meta(_CURSOR_KEY, secrets.token_bytes(32))
        self._cursors = CursorCodec(key)
        self._consistency.arm(key)
        self._signer = Signer(key)
        self._audit_key = hmac.digest(key, b"context0 audit", sha256)
        if parts.shared is not None:
            parts.shared.arm(key)
        await warm_up(parts.embedder)  # now, not in a search: beside the reading of an index it would slow both
        work = self._indexer.run(parts.limits.index_interval_s, self._look_after)
        self._background = asyncio.create_task(work, name="context0-indexer")

    async def _documents_of(self, drafts: Sequence[Draft], readers: Readers | None = None) -> Sequence[Document]:
        """Return the documents to write: with their vectors when these need no network, pending otherwise.

        readers: who reads the texts, meanwhile.
        """
        memories, read = [draft.memory for draft in drafts], None
        if readers is None:
            vectors = await self._vectors_of(drafts)
        else:
            try:
                async with asyncio.TaskGroup() as group:
                    reading = group.create_task(readers.read(memories))
                    vectors = await self._vectors_of(drafts)
            except ExceptionGroup as failed:
                raise failed.exceptions[0] from failed
            read = reading.result()
        model, done = self._parts.embedder.model, self._parts.embedder.local and self._indexer.immediate

        def make() -> list[Document]:
            return [
                to_document(one.memory, one.dedupe_key, vectors.get(one.memory.id), model, done=done, read=text)
                for one, text in zip(drafts, read or read_texts(memories), strict=True)
            ]

        return await off_the_loop(make, (memory.content for memory in memories))

    async def _vectors_of(self, drafts: Sequence[Draft]) -> Mapping[MemoryId, bytes]:
        """Return the vectors of what may be found, unless they need a network. Raises EmbeddingModelMismatch."""
        embedder = self._parts.embedder
        vectors: dict[MemoryId, bytes] = {}
        searched = [draft.memory for draft in drafts if not draft.memory.quarantine]
        if embedder.local and searched:
            rows = await embedder.embed([memory.content for memory in searched])
            vectors = {memory.id: row.tobytes() for memory, row in zip(searched, rows, strict=True)}
            await self._guard.check(rows.shape[1])
        else:
            await self._guard.check()
        return vectors

    def _page_of(self, rows: Sequence[Memory], limit: int, context: CursorContext, now: datetime) -> Page[Memory]:
        """Return a page of rows, newest first, of which one beyond `limit` was asked for: it tells of the next page."""
        items = tuple(rows[:limit])
        if len(rows) <= limit:
            return Page(items=items)
        last = [to_ms(items[-1].created_at), items[-1].id]
        return Page(items=items, next_cursor=self._cursors.encode(last, context, now=now))

    async def _look_after(self) -> None:
        """What is to be done now and then beside the index work. Raises StoreError."""

    def _owners_at_hand(self) -> set[Scope]:
        """Return of whom this process holds something in memory."""
        return {scope for owners in (self._indexes.owners, *self._held_elsewhere) for scope in owners()}

    def _tell(self, scope: Scope, change: Change) -> None:
        if isinstance(change, MemoriesWritten) and change.memories:
            since = min(memory.updated_at for memory in change.memories)
        else:
            since = self._parts.clock.now() - _LATEST_WRITE
        self._consistency.changed(scope, since)
        if isinstance(change, OwnerErased):
            self._answers.forget(scope)
        else:
            self._answers.moved(scope)
        for watcher in self._watchers:
            watcher(scope, change)

    async def _took(self, scope: Scope, documents: Sequence[Document]) -> None:
        """Let the indexes in memory, the watchers and the background know what was written."""
        memories = [document.memory for document in documents]
        self._tell(scope, MemoriesWritten(memories=[memory for memory in memories if not memory.quarantine]))
        if kept_back := [memory.id for memory in memories if memory.quarantine]:
            self._tell(scope, MemoriesRemoved(ids=kept_back))
        await self._indexer.follow(scope, documents)
        pending = [document.memory for document in documents if document.memory.index.state == "pending"]
        if pending:
            self._indexer.announce(scope, [(memory.id, memory.index.generation) for memory in pending])

    async def _write_version(self, scope: Scope, draft: Draft, *, before: Memory, now: datetime) -> Document:
        """Put the next version of a memory in the place of the one before, with what that does to other facts."""
        (document,) = await self._documents_of([draft])
        async with self._facts.replacing(scope, document, before) as settling:
            (document,), changed = settling.documents, settling.changed
            store = self._parts.documents
            await store.update(document, scope=scope, expected_version=before.version, now=now, settled=changed)
        await self._took(scope, [document])
        if document.memory.quarantine:
            await self._indexer.take_out(scope, [before.id])
        self._settled(scope, changed, now)
        return document

    def _settled(self, scope: Scope, changed: Sequence[Statement], now: datetime) -> None:
        """Let the indexes in memory and the watchers know how memories stand since `now`."""
        if not changed:
            return
        self._indexes.settle(scope, {one.id: _validity(one, now) for one in changed})
        over = [one.id for one in changed if one.invalid_at is not None]
        again = [one.id for one in changed if one.invalid_at is None]
        if over:
            self._tell(scope, MemoriesRemoved(ids=over))
        if again:
            self._tell(scope, MemoriesRestored(ids=again))


def _reading(indexes: OwnerCache[OwnerIndex]) -> CacheReading:
    return CacheReading(hits=indexes.hits, misses=indexes.misses, entries=len(indexes), bytes=indexes.nbytes)


def _validity(one: Statement, now: datetime) -> Validity:
    since = None if one.valid_from is None else to_ms(one.valid_from)
    until = None if one.invalid_at is None else to_ms(one.invalid_at)
    return Validity(to_ms(now), since, until, one.superseded_by)
