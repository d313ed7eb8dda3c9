"""The memory engine: add, search, get, list, update, delete, and forget for good. See `MemoryEngine`."""

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Final, TypeVar, Unpack

from context0.errors import ConfigurationError, InvalidInput
from context0.memory.answers import Answer, list_fields, search_fields
from context0.memory.forgetting import ForgettingEngine
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
    check_name,
    check_names,
    check_scope,
    check_time,
)
from context0.memory.learned_weights import LearnedWeights
from context0.memory.measuring import measured, record_search
from context0.memory.progress import Progress
from context0.memory.query import SearchRequest
from context0.memory.requests import fingerprint, narrowed, to_search_request
from context0.memory.results import SearchResult, StatedFact, Superseded
from context0.memory.rules.facts import SELF
from context0.memory.rules.names import entity_key
from context0.memory.signals import profile_of, vector_of
from context0.memory.tuning import TuningOutcome
from context0.memory.writing import (
    Draft,
    changed_memory,
    check_keys,
    check_stored,
    draft_memory,
    same_content_key,
)
from context0.observability.metrics import SEARCHES
from stores.blocking import off_the_loop
from stores.cursors import CursorContext
from stores.errors import NotFound, Timeout
from stores.filters import Filter, parse_filter
from stores.records import HistoryEntry, Keyset, Memory, MemoryId, Page, Scope

_CURSOR_KEY: Final = "cursor_key"

T = TypeVar("T")


class MemoryEngine(ForgettingEngine):
    """A memory for many users: each call names its user, and sees that user's memories only.

    Nothing is opened before the first call; concurrent first calls open once, and a failed start is tried again by the
    next call. Use it as an async context manager, or call `aclose`. One engine belongs to one event loop.

    An acknowledged write is durable. A failure is never an empty answer: what could not be asked is named in
    `degraded`, or raised. Errors are `context0.errors.Context0Error` and `stores.errors.StoreError`.
    """

    async def add(self, content: str, *, user_id: str, wait: bool = False, **fields: Unpack[MemoryFields]) -> Memory:
        """Remember `content` and return the memory, durable and at once searchable by word.

        It is searchable by meaning at once too, unless the embeddings come from a network: then soon after, or before
        this returns with `wait=True`. A memory that is exactly there already (same content, speaker, session, data), or
        has the same `idempotency_key`, is returned as it is. One that reads like orders to an assistant is stored, but
        kept back: see `Memory.quarantine`, `quarantined` and `release`. One write.
        Raises InvalidInput, IdempotencyMismatch (the key stands for another content), StoreError.
        """
        (memory,) = await self.add_many([{"content": content, **fields}], user_id=user_id, wait=wait)
        return memory

    @measured
    async def add_many(
        self, memories: Sequence[MemoryInput], *, user_id: str, wait: bool = False, begun_s: float | None = None
    ) -> list[Memory]:
        """Remember up to 10,000 memories and return them in order: one embedding call and one write for all.

        All are checked before any is written; only a key that was used before for another content is met on writing,
        and the other memories are stored then. begun_s: the `time.time()` at which the work began that leads to this,
        such as a turn of a chat: a user who was erased since gets nothing. Like `add` otherwise. Raises Erased.
        """
        scope, begun_s = check_scope(user_id), time.time() if begun_s is None else begun_s
        if isinstance(memories, str | bytes) or not isinstance(memories, Sequence) or len(memories) > MAX_BATCH:
            raise InvalidInput("memories", f"give a list of at most {MAX_BATCH} memories")
        now = self._parts.clock.now()
        limit = self._parts.limits.max_content_bytes

        def make() -> list[Draft]:
            drafts = [draft_memory(item, scope=scope, now=now, ids=self._ids, max_bytes=limit) for item in memories]
            check_keys(drafts)
            return list(map(self._gate.passed, drafts))

        contents = (item.get("content") if isinstance(item, Mapping) else None for item in memories)
        drafts = await off_the_loop(make, contents)
        if not drafts:
            return []
        await self._ready()
        if len(drafts) == 1:
            stored: Sequence[Memory] = [await self._gathering.add(scope, drafts[0], begun_s)]
        else:
            stored = await self._written(scope, await self._documents_of(drafts), begun_s)
        await off_the_loop(partial(check_stored, drafts, stored), (memory.content for memory in stored))
        if wait:
            await self._indexer.finish(scope, [memory.id for memory in stored])
        return list(stored)

    async def get(self, memory_id: str, *, user_id: str) -> Memory:
        """Return one memory. Raises NotFound, for another user's memory too. One round trip."""
        found = await self.get_many([memory_id], user_id=user_id)
        if not found:
            raise NotFound(str(memory_id)[:80])
        return found[0]

    @measured
    async def get_many(self, ids: Collection[str], *, user_id: str) -> list[Memory]:
        """Return those of up to 1,000 memories that exist, in the order asked for. One round trip."""
        scope, wanted = check_scope(user_id), check_ids(ids)
        await self._ready()
        return await self._parts.documents.get_many(wanted, scope=scope, now=self._parts.clock.now())

    @measured
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
        if cursor is not None or not self._answers.lists.on:
            return await self._page(scope, limit, cursor, where, context)
        fields, first = list_fields(options, limit), partial(self._page, scope, limit, None, where, context)
        held = self._answers.lists.at_hand(scope, fields)
        return (await self._answers.lists.get(scope, fields, first))[0] if held is None else held

    async def _page(
        self, scope: Scope, limit: int, cursor: str | None, where: Filter | None, context: CursorContext
    ) -> Page[Memory]:
        now = self._parts.clock.now()
        after = None if cursor is None else Keyset(*self._cursors.decode(cursor, context, now=now))
        rows = await self._parts.documents.list_page(scope=scope, limit=limit + 1, after=after, where=where, now=now)
        return self._page_of(rows, limit, context, now)

    @measured
    async def search(
        self, query: str, *, user_id: str, limit: int = 10, cursor: str | None = None, **options: Unpack[SearchOptions]
    ) -> SearchResult:
        """Return the memories that answer `query`, best first: by meaning, by word, by person and by date.

        reference_time: what "yesterday" counts from. filters, memory_types, since, until narrow the search before any
        cut. strategies: only these arms, and nothing beside their scores. deadline_ms: for all of it; what is late is
        named in `degraded`. explain: ranks and signals of each memory; why_not: ids to be told why they are not there.
        early_stop: where the words settle it, do not wait for the vectors; worth it when these come from a network.
        One round trip to the document store when the user's index is in memory; one more with filters.
        Raises InvalidInput, InvalidFilter, InvalidCursor, EmbeddingModelMismatch, SearchUnavailable, Timeout, and other
        StoreErrors.
        """
        started = time.perf_counter()
        now, limits = self._parts.clock.now(), self._parts.limits
        request = to_search_request(query, user_id, limit, options, now=now, deadline_ms=limits.search_deadline_ms)
        told = fingerprint(query, options)
        context = CursorContext(kind="search", owner=request.scope.owner, query=told)
        keepable = self._answers.searches.on and not (request.explain or request.why_not or limits.learn_from_feedback)
        fields = partial(search_fields, options=options, told=told, by_day=self._parts.analyser is not None)
        at_once = keepable and cursor is None and self._guard.is_settled
        held = self._answers.searches.at_hand(request.scope, fields(request)) if at_once else None
        if held is not None:
            answer, was_held = held, True
        else:
            try:
                async with asyncio.timeout(request.deadline_s):
                    await self._ready()
                    if cursor is not None:
                        request = self._continued(request, cursor, context)
                    if "semantic" in request.arms:
                        await self._guard.check()
                    search = partial(self._searched, request)
                    if keepable:
                        answer, was_held = await self._answers.searches.get(request.scope, fields(request), search)
                    else:
                        answer, was_held = await search(), False
            except TimeoutError as exc:
                late = f"the stores did not answer within {request.deadline_s:g} s; give a later deadline"
                raise Timeout(late) from exc
        next_cursor, timings_ms = self._next_cursor(request, answer, context), answer.result.timings_ms
        if was_held:
            self.recorder.count(SEARCHES, outcome="held")
            timings_ms = {"total": (time.perf_counter() - started) * 1000}
        return replace(answer.result, next_cursor=next_cursor, timings_ms=timings_ms)

    async def _searched(self, request: SearchRequest) -> Answer:
        started, progress = time.perf_counter(), Progress()
        async with asyncio.timeout(request.deadline_s):
            ranking = await self._searcher.search(request, progress)
        progress.timed("total", started)
        explanation: dict[str, object] = {}
        if request.explain or request.why_not:
            explanation = {
                "analysis": ranking.analysis,
                "rules": ranking.rules,
                "failures": progress.failures | progress.substituted,
                "why_not": ranking.why_not,
            }
        result = SearchResult(
            items=tuple(ranking.found),
            degraded=tuple(progress.degraded),
            relevance=ranking.relevance,
            search_id=ranking.search_id,
            timings_ms=progress.timings_ms,
            explanation=explanation,
        )
        record_search(self.recorder, progress, result)
        last = ranking.found[-1] if ranking.more else None
        return Answer(result=result, last=None if last is None else (last.score, last.memory.id))

    @measured
    async def update(self, memory_id: str, *, user_id: str, **changes: Unpack[MemoryChanges]) -> Memory:
        """Change a memory, keep what it said before in its history, and return it as it is now.

        Raises NotFound, InvalidInput, and Conflict when somebody else changed it at the same moment.
        """
        memory = await self.get(memory_id, user_id=user_id)
        scope, now = check_scope(user_id), self._parts.clock.now()
        change = partial(changed_memory, memory, changes, now=now, max_bytes=self._parts.limits.max_content_bytes)
        texts = (memory.content, changes.get("content"))
        changed = await off_the_loop(lambda: self._gate.changed(change(), memory), texts)
        draft = Draft(memory=changed, dedupe_key=same_content_key(changed))
        return (await self._write_version(scope, draft, before=memory, now=now)).memory

    @measured
    async def delete(self, memory_id: str, *, user_id: str) -> None:
        """Forget one memory with its history: no store returns it from now on, and no file holds a byte of it.

        The summary of the conversation that it came from is dropped too. The message itself is the conversation's, and
        goes with that (`ChatService.delete_session`). Raises NotFound.
        """
        scope = check_scope(user_id)
        (wanted,) = check_ids([memory_id]) or (MemoryId(""),)
        await self._ready()
        if not await self._removed(scope, wanted):
            raise NotFound(str(memory_id)[:80])

    @measured
    async def history(self, memory_id: str, *, user_id: str) -> Sequence[HistoryEntry]:
        """Return every version of a memory's content, oldest first, the current one last. Raises NotFound."""
        scope = check_scope(user_id)
        (wanted,) = check_ids([memory_id]) or (MemoryId(""),)
        await self._ready()
        return await self._parts.documents.history(wanted, scope=scope, now=self._parts.clock.now())

    @measured
    async def facts(
        self, *, user_id: str, about: str | None = None, as_of: datetime | None = None
    ) -> Sequence[StatedFact]:
        """Return what the user's memories state about somebody, in the order in which it was said: read by rules.

        about: a name; None is the user, where memories name no speaker. as_of: only what held then; None is all, with
        its validity. One round trip. Raises InvalidInput, StoreError.
        """
        scope, moment = check_scope(user_id), check_time("as_of", as_of)
        subject = SELF if about is None else entity_key(check_name("about", about))
        await self._ready()
        return await self._facts.stated(scope, subject, moment)

    async def superseded(self, memory_id: str, *, user_id: str) -> Sequence[Superseded]:
        """Return the facts that a memory has ended, and whether that is certain. Two round trips. Raises NotFound."""
        scope = check_scope(user_id)
        (wanted,) = check_ids([memory_id]) or (MemoryId(""),)
        await self.get(wanted, user_id=user_id)
        return await self._facts.ended_by(scope, wanted)

    async def keep_both(self, memory_id: str, *, user_id: str) -> None:
        """Let what a memory has ended hold again beside it. Three round trips. Raises NotFound."""
        scope = check_scope(user_id)
        (wanted,) = check_ids([memory_id]) or (MemoryId(""),)
        await self.get(wanted, user_id=user_id)
        now = self._parts.clock.now()
        self._settled(scope, await self._facts.keep_both(scope, wanted, now), now)

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

    def _continued(self, request: SearchRequest, cursor: str, context: CursorContext) -> SearchRequest:
        keyset = self._cursors.decode(cursor, context, now=self._parts.clock.now())
        score, last_id, reference_s, hits = keyset
        moment = datetime.fromtimestamp(reference_s, UTC)
        return replace(request, after=(score, last_id), reference_time=moment, hits=hits)

    def _next_cursor(self, request: SearchRequest, answer: Answer, context: CursorContext) -> str | None:
        if answer.last is None:
            return None
        keyset = [*answer.last, request.reference_time.timestamp(), request.hits]
        return self._cursors.encode(keyset, context, now=self._parts.clock.now())
