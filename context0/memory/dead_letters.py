"""Index work that was given up: listed, tried again, or dropped, for one owner or, by an operator, for all."""

from collections.abc import AsyncIterator, Collection
from typing import Final

from stores.protocols import DocumentStore
from stores.records import FailedWork, IndexMark, IndexStatus, MemoryId, Page, Scope

DROPPED: Final = "dropped"
"""The reason of work that somebody decided to leave undone."""
_PAGE: Final = 500


class DeadLetters:
    """The memories whose index work failed for good. They are found by word, person and date, but not by meaning.

    scope None: of all owners, for who runs the store. Nothing here touches a memory's content.
    """

    def __init__(self, documents: DocumentStore) -> None:
        self._documents = documents

    async def page(self, *, limit: int, scope: Scope | None = None, after: MemoryId | None = None) -> Page[FailedWork]:
        """Return up to `limit` in order of ids; `next_cursor` is the `after` of the next page. One round trip."""
        found = await self._documents.failed(limit=limit + 1, scope=scope, after=after)
        items = tuple(found[:limit])
        return Page(items=items, next_cursor=items[-1].id if len(found) > limit else None)

    async def retry(self, *, scope: Scope | None = None, ids: Collection[str] | None = None) -> int:
        """Let them be tried again, at once and as if for the first time; return how many. ids: only these."""
        return await self._mark("pending", "", scope, ids)

    async def drop(self, *, scope: Scope | None = None, ids: Collection[str] | None = None) -> int:
        """Leave them as they are, and list them no more; return how many. A change of the memory tries it again."""
        return await self._mark("done", DROPPED, scope, ids)

    async def _mark(self, state: IndexStatus, reason: str, scope: Scope | None, ids: Collection[str] | None) -> int:
        taken = 0
        async for works in self._pages(scope):
            chosen = [work for work in works if ids is None or work.id in ids]
            for owner in {work.scope for work in chosen}:
                marks = [
                    IndexMark(work.id, work.generation, state, attempts=_attempts(work, state), reason=reason)
                    for work in chosen
                    if work.scope == owner
                ]
                taken += await self._documents.mark(marks, scope=owner)
        return taken

    async def _pages(self, scope: Scope | None) -> AsyncIterator[list[FailedWork]]:
        after: MemoryId | None = None
        while works := await self._documents.failed(limit=_PAGE, scope=scope, after=after):
            after = works[-1].id
            yield works


def _attempts(work: FailedWork, state: IndexStatus) -> int:
    return 0 if state == "pending" else work.attempts
