"""Adds that arrive while others are on their way, made ready and written together, each with its own outcome."""

import asyncio
from asyncio import get_running_loop
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from context0.memory.writing import Draft
from stores.errors import Full, Timeout, Unavailable
from stores.records import Document, Memory, Scope

_TOGETHER: Final = 24
"""So many are made ready at a time: about 2 ms of the event loop, which others then have."""
_ALIKE: Final = (Unavailable, Timeout, Full)
"""Failures of the store that would meet each of them, were it tried again alone."""


@dataclass(frozen=True, slots=True, eq=False)
class _Place:
    """Who waits: for what is stored, or for the document, to write it alone."""

    scope: Scope
    draft: Draft
    begun_s: float
    outcome: "asyncio.Future[Memory | Document]"


class Gathering:
    """Takes single adds. One that is alone goes straight through; those beside others share embedding, reading and,
    of one owner, the write.

    documents: makes what is to be written of up to 24 drafts, of any owners. write: stores it unless the owner was
    erased after a time, and returns what is stored for each. One that fails fails alone, and one that is cancelled is
    no concern of the others; it may be written all the same when it was under way.
    """

    def __init__(
        self,
        documents: Callable[[Sequence[Draft]], Awaitable[Sequence[Document]]],
        write: Callable[[Scope, Sequence[Document], float], Awaitable[Sequence[Memory]]],
    ) -> None:
        self._documents = documents
        self._write = write
        self._under_way = 0
        self._waiting: list[_Place] = []
        self._preparing: asyncio.Task[None] | None = None
        self._writing: set[asyncio.Task[None]] = set()

    async def aclose(self) -> None:
        """Wait for what is under way."""
        while tasks := [*self._writing, *([self._preparing] if self._preparing else [])]:
            with suppress(asyncio.CancelledError):
                await asyncio.wait(tasks)

    async def add(self, scope: Scope, draft: Draft, begun_s: float) -> Memory:
        """Store what `draft` says; return what is stored. Raises Erased where the owner was erased after `begun_s`."""
        self._under_way += 1
        try:
            if self._under_way == 1:
                (document,) = await self._documents([draft])
            else:
                outcome = await self._beside_others(_Place(scope, draft, begun_s, get_running_loop().create_future()))
                if isinstance(outcome, Memory):
                    return outcome
                document = outcome
            (memory,) = await self._write(scope, [document], begun_s)
            return memory
        finally:
            self._under_way -= 1

    async def _beside_others(self, place: _Place) -> Memory | Document:
        self._waiting.append(place)
        if self._preparing is None:  # it begins behind all who are ready to add now
            self._preparing = asyncio.create_task(self._prepare_all(), name="context0-adds")
        return await place.outcome

    async def _prepare_all(self) -> None:
        batch: list[_Place] = []
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:_TOGETHER], self._waiting[_TOGETHER:]
                await self._prepare([place for place in batch if not place.outcome.done()])
                await asyncio.sleep(0)
        except BaseException:  # the loop is being stopped
            for place in (*batch, *self._waiting):
                place.outcome.cancel()
            self._waiting = []
            raise
        finally:
            self._preparing = None

    async def _prepare(self, batch: Sequence[_Place]) -> None:
        if not batch:
            return
        try:
            documents = await self._documents([place.draft for place in batch])
        except Exception as exc:  # noqa: BLE001 - handed to whose it is
            if len(batch) == 1:
                _fail(batch, exc)
                return
            for place in batch:
                await self._prepare([place])
            return
        by_owner: defaultdict[Scope, list[tuple[_Place, Document]]] = defaultdict(list)
        for place, document in zip(batch, documents, strict=True):
            by_owner[place.scope].append((place, document))
        for scope, pairs in by_owner.items():
            if len(pairs) == 1:
                _settle(*pairs[0])
            else:
                task = asyncio.create_task(self._write_together(scope, pairs), name="context0-add-together")
                self._writing.add(task)
                task.add_done_callback(self._writing.discard)

    async def _write_together(self, scope: Scope, pairs: Sequence[tuple[_Place, Document]]) -> None:
        places = [place for place, _ in pairs]
        try:
            begun_s = min(place.begun_s for place in places)
            stored = await self._write(scope, [document for _, document in pairs], begun_s)
        except _ALIKE as exc:
            _fail(places, exc)
        except Exception:  # noqa: BLE001 - each writes its own, and meets what is its own
            for place, document in pairs:
                _settle(place, document)
        except BaseException:
            for place in places:
                place.outcome.cancel()
            raise
        else:
            for place, memory in zip(places, stored, strict=True):
                _settle(place, memory)


def _settle(place: _Place, outcome: Memory | Document) -> None:
    if not place.outcome.done():
        place.outcome.set_result(outcome)


def _fail(places: Sequence[_Place], failure: Exception) -> None:
    for place in places:
        if not place.outcome.done():
            place.outcome.set_exception(failure)
