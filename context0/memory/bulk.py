"""What concerns many memories of a user at once: taking them in, handing them out, and the work that was given up."""

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import aclosing, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any, Final

from context0.clock import to_milliseconds
from context0.errors import InvalidInput
from context0.memory.dead_letters import DeadLetters
from context0.memory.facts import FactRun
from context0.memory.gathering import Gathering
from context0.memory.ingest import Ingest, IngestCount, ProgressTold, RefusalTold, Source, Stages
from context0.memory.inputs import check_ids, check_limit, check_scope
from context0.memory.kept_back import QuarantineEngine
from context0.memory.parts import EngineParts
from context0.memory.readers import Readers
from context0.memory.transfer import without_origin
from context0.memory.writing import Draft, draft_memory
from context0.settings import Settings
from stores.blocking import in_thread, in_thread_if
from stores.cursors import CursorContext
from stores.records import Document, FailedWork, HistoryEntry, Memory, MemoryId, Page, Scope, Statement
from stores.settling import as_stored, places_of

_AT_ONCE: Final = 250


def _as_stored(
    changed: Sequence[Statement], documents: Sequence[Document], stored: Sequence[Memory]
) -> Sequence[Statement]:
    return as_stored(changed, places_of(documents, stored))


class BulkEngine(QuarantineEngine):
    """Each call names its user, and concerns that user's memories only."""

    def __init__(self, settings: Settings | None = None, *, parts: EngineParts | None = None) -> None:
        super().__init__(settings, parts=parts)
        self._gathering = Gathering(self._documents_of, self._written)

    async def aclose(self) -> None:
        await self._gathering.aclose()
        await super().aclose()

    async def ingest(
        self,
        memories: Source,
        *,
        user_id: str,
        on_progress: ProgressTold | None = None,
        on_refused: RefusalTold | None = None,
        wait: bool = False,
    ) -> IngestCount:
        """Remember what a source yields, of any length, in order; return the counts when all is durable.

        The items are those of `add_many`, or of `context0.memory.transfer.read_line`. A batch of 1,000 is made ready
        while the one before is written; three are in memory at most, and the source waits. on_progress: told after
        each batch. on_refused: told of each item that cannot be taken; without it, the first one stops everything.
        What is there already is known, not added again: so after a failure, start again, or go on behind
        `IngestStopped.count.read`. wait: return when all is found by meaning, too. Raises IngestStopped.
        """
        scope = check_scope(user_id)
        await self._ready()
        count = self._parts.limits.ingest_readers
        async with aclosing(Readers(count)) if count else nullcontext() as readers:
            stages = Stages(
                make=partial(self._made, scope),
                known=partial(self._known, scope),
                documents=partial(self._passed_documents_of, readers=readers),
                write=partial(self._written, scope, begun_s=time.time(), run=self._facts.run(scope)),
            )
            done = await Ingest(stages, on_progress=on_progress, on_refused=on_refused).run(memories)
        if wait:
            await self._indexer.work_off()
        return done

    def export(self, *, user_id: str) -> AsyncIterator[tuple[Memory, Sequence[HistoryEntry]]]:
        """Yield every memory in order of arrival, with its former versions if it has any: never all in memory.

        What is written meanwhile may come or not. One round trip for some hundred memories, one for each history.
        """
        return self._exported(check_scope(user_id))

    async def _exported(self, scope: Scope) -> AsyncIterator[tuple[Memory, Sequence[HistoryEntry]]]:
        await self._ready()
        documents, clock = self._parts.documents, self._parts.clock
        async for batch in documents.scan_documents(scope=scope):
            for number, (_, memory) in enumerate(batch):
                if number % _AT_ONCE == 0:
                    await asyncio.sleep(0)  # who takes them may never wait
                if memory.expires_at is not None and memory.expires_at <= clock.now():
                    continue
                former: Sequence[HistoryEntry] = ()
                if memory.version > 1:
                    former = (await documents.history(memory.id, scope=scope, now=clock.now()))[:-1]
                yield memory, former

    async def pending_work(self, *, user_id: str) -> int:
        """Return how many of the user's memories still wait for their index work. One round trip."""
        scope = check_scope(user_id)
        await self._ready()
        return await self._parts.documents.count_pending(scope)

    async def failed_work(self, *, user_id: str, limit: int = 100, cursor: str | None = None) -> Page[FailedWork]:
        """Return the user's memories whose index work was given up, with the reason: they are not found by meaning.

        In order of ids. One round trip. Raises InvalidCursor.
        """
        scope, number = check_scope(user_id), check_limit(limit)
        context = CursorContext(kind="list", owner=scope.owner, query="failed work")
        await self._ready()
        now = self._parts.clock.now()
        after = None if cursor is None else MemoryId(self._cursors.decode(cursor, context, now=now)[0])
        page = await DeadLetters(self._parts.documents).page(limit=number, scope=scope, after=after)
        last = page.next_cursor
        return replace(page, next_cursor=None if last is None else self._cursors.encode([last], context, now=now))

    async def retry_failed(self, ids: Collection[str] | None = None, *, user_id: str) -> int:
        """Try the given-up index work again, all of it or that of some memories; return how much there was."""
        scope, wanted = check_scope(user_id), None if ids is None else check_ids(ids)
        await self._ready()
        taken = await DeadLetters(self._parts.documents).retry(scope=scope, ids=wanted)
        self._indexer.wake()
        return taken

    async def drop_failed(self, ids: Collection[str] | None = None, *, user_id: str) -> int:
        """Leave given-up index work undone, and list it no more; return how much there was. No memory is removed."""
        scope, wanted = check_scope(user_id), None if ids is None else check_ids(ids)
        await self._ready()
        return await DeadLetters(self._parts.documents).drop(scope=scope, ids=wanted)

    def _made(self, scope: Scope, fields: Mapping[str, Any]) -> tuple[Draft, MemoryId | None]:
        if not isinstance(fields, Mapping):
            raise InvalidInput("memories", f"a memory is a dictionary with its content, not {type(fields).__name__}")
        own, created_at, origin = without_origin(fields)
        now = self._parts.clock.now()
        if origin is not None:
            own["idempotency_key"] = f"import:{origin}"
        draft = draft_memory(own, scope=scope, now=now, ids=self._ids, max_bytes=self._parts.limits.max_content_bytes)
        if created_at is not None:
            memory = draft.memory.evolve(created_at=min(to_milliseconds(created_at), now))
            draft = Draft(memory=memory, dedupe_key=draft.dedupe_key)
        return draft, None if origin is None else MemoryId(origin)

    async def _passed_documents_of(self, drafts: Sequence[Draft], readers: Readers | None) -> Sequence[Document]:
        """Return the documents of drafts once they have passed the gate, all in a row, see `read_texts`."""
        passed = await in_thread(lambda: list(map(self._gate.passed, drafts)))
        return await self._documents_of(passed, readers=readers)

    async def _known(self, scope: Scope, ids: Sequence[MemoryId]) -> Collection[MemoryId]:
        found = await self._parts.documents.get_many(ids, scope=scope, now=self._parts.clock.now())
        return {memory.id for memory in found}

    async def _written(
        self, scope: Scope, documents: Sequence[Document], begun_s: float, run: FactRun | None = None
    ) -> Sequence[Memory]:
        """Write documents with what they do to other facts, tell who has to know, and return what is stored.

        Raises Erased where the owner was erased after `begun_s`.
        """
        now = self._parts.clock.now()
        async with self._facts.adding(scope, documents, run) as settling:
            documents, changed = settling.documents, settling.changed
            stored = await self._parts.documents.put_many(
                documents, scope=scope, now=now, settled=changed, begun_s=begun_s
            )
            written = [d for d, memory in zip(documents, stored, strict=True) if d.memory.id == memory.id]
            if run is not None and len(written) < len(documents):
                run.forget()
        await self._took(scope, written)
        if changed:
            settled = partial(_as_stored, changed, documents, stored)
            self._settled(scope, await in_thread_if(len(documents) > _AT_ONCE, settled), now)
        return stored
