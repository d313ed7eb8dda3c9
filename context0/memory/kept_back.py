"""What is done with memories that are kept back, and with all that came from one source."""

from contextlib import AsyncExitStack

from context0.clock import to_ms
from context0.errors import InvalidInput
from context0.memory.changes import MemoriesRemoved
from context0.memory.core import EngineCore
from context0.memory.inputs import check_ids, check_limit, check_name_or_none, check_scope
from context0.memory.measuring import measured
from context0.memory.results import SourceReceipt
from context0.memory.writing import Draft, next_version, same_content_key
from stores.cursors import CursorContext
from stores.errors import NotFound
from stores.filters import Filter, matches, parse_filter
from stores.records import Keyset, Memory, MemoryId, Page, Scope

_BATCH = 500


class QuarantineEngine(EngineCore):
    """Each call names its user, and concerns that user's memories only."""

    @measured
    async def quarantined(self, *, user_id: str, limit: int = 20, cursor: str | None = None) -> Page[Memory]:
        """Return a page of the memories that are kept back, newest first; `Memory.quarantine` says why.

        They are in no search, listing, context or prompt. One round trip. Raises InvalidInput, InvalidCursor.
        """
        scope, limit = check_scope(user_id), check_limit(limit)
        context = CursorContext(kind="quarantine", owner=scope.owner, query="")
        await self._ready()
        now = self._parts.clock.now()
        after = None if cursor is None else Keyset(*self._cursors.decode(cursor, context, now=now))
        rows = await self._parts.documents.quarantined(scope=scope, limit=limit + 1, after=after, now=now)
        return self._page_of(rows, limit, context, now)

    @measured
    async def release(self, memory_id: str, *, user_id: str) -> Memory:
        """Let a memory out of quarantine: it is found from now on, and its facts count. The history tells of it.

        It stays out until its text is changed. Released twice is released. Raises NotFound, Conflict.
        """
        scope = check_scope(user_id)
        (wanted,) = check_ids([memory_id]) or (MemoryId(""),)
        await self._ready()
        now = self._parts.clock.now()
        found = await self._parts.documents.get_many([wanted], scope=scope, now=now)
        if not found:
            raise NotFound(str(memory_id)[:80])
        (memory,) = found
        if not memory.quarantine:
            return memory
        free = next_version(memory, now=now).evolve(quarantine=())
        draft = Draft(memory=free, dedupe_key=same_content_key(free))
        return (await self._write_version(scope, draft, before=memory, now=now)).memory

    @measured
    async def delete_source(
        self, *, user_id: str, agent_id: str | None = None, session_id: str | None = None
    ) -> SourceReceipt:
        """Delete all that an agent wrote, or that came in one session, quarantine included; return how much that was.

        Both: what the agent wrote in the session. The next search reads the user's index anew, so that what is gone no
        longer weighs in the counts of words. Safe to repeat: what was added meanwhile goes with the next call.
        Raises InvalidInput where neither is named.
        """
        scope = check_scope(user_id)
        names = {"agent_id": agent_id, "session_id": session_id}
        told = {name: value for name, value in names.items() if check_name_or_none(name, value) is not None}
        if not told:
            raise InvalidInput("agent_id", "name an agent_id or a session_id; to erase everything call delete_all")
        await self._ready()
        where = parse_filter(told)
        deleted = await self._delete_found(scope, where)
        self._indexes.drop(scope)
        return SourceReceipt(
            user_id=scope.owner,
            agent_id=agent_id,
            session_id=session_id,
            deleted=deleted,
            from_quarantine=await self._delete_kept_back(scope, where),
            remaining=len(await self._parts.documents.match(where, scope=scope, now=self._parts.clock.now())),
        )

    async def _delete_found(self, scope: Scope, where: Filter) -> int:
        ids = await self._parts.documents.match(where, scope=scope, now=self._parts.clock.now())
        return sum([await self._removed(scope, memory_id) for memory_id in ids])

    async def _delete_kept_back(self, scope: Scope, where: Filter) -> int:
        """Delete page by page: the store's filters know nothing of quarantine, which is small."""
        deleted, after = 0, None
        while True:
            now = self._parts.clock.now()
            rows = await self._parts.documents.quarantined(scope=scope, limit=_BATCH, after=after, now=now)
            wanted = [memory.id for memory in rows if matches(where, memory)]
            deleted += sum([await self._removed(scope, memory_id) for memory_id in wanted])
            if len(rows) < _BATCH:
                return deleted
            after = Keyset(to_ms(rows[-1].created_at), rows[-1].id)

    async def _removed(self, scope: Scope, memory_id: MemoryId) -> bool:
        """Forget one memory with its history, and return whether it was there."""
        now = self._parts.clock.now()
        async with AsyncExitStack() as stack:
            for deleting in self._deleting:
                await stack.enter_async_context(deleting(scope, memory_id))
            changed = await stack.enter_async_context(self._facts.removing(scope, memory_id))
            if not await self._parts.documents.delete(memory_id, scope=scope, now=now, settled=changed):
                return False
        self._indexes.discard(scope, [memory_id])
        self._answers.forget(scope)
        self._tell(scope, MemoriesRemoved(ids=[memory_id]))
        self._settled(scope, changed, now)
        if self._indexer.immediate:
            await self._parts.vectors.delete_many([memory_id], scope=scope)
            await self._parts.documents.purge([memory_id], scope=scope)
        else:
            self._indexer.wake()
        return True
