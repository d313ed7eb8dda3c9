"""Many memories, from a source of any length: made ready and written in bounded batches, both at the same time."""

import asyncio
import time
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Final, TypeAlias

from context0.errors import Context0Error, IdempotencyMismatch, InvalidInput
from context0.memory.writing import Draft
from stores.blocking import in_thread
from stores.records import Document, Memory, MemoryId

BATCH: Final = 1_000
_WAITING: Final = 1
"""Batches that may wait between the stages: with those inside them, three are in memory."""

Source: TypeAlias = AsyncIterable[Mapping[str, Any]] | Iterable[Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestCount:
    """How far it came. read: items done; each of them was added, or known already, or refused."""

    read: int = 0
    added: int = 0
    known: int = 0
    refused: int = 0
    elapsed_s: float = 0.0


ProgressTold: TypeAlias = Callable[[IngestCount], None]
RefusalTold: TypeAlias = Callable[[int, Exception], None]
"""Is told of an item that cannot be taken: its number in the source, from 1, and why."""


class IngestStopped(Context0Error):
    """It broke off; `__cause__` says why. The first `count.read` items are done and durable: go on behind them, or
    start again, as what is there is known."""

    code = "ingest_stopped"

    def __init__(self, count: IngestCount, cause: BaseException) -> None:
        super().__init__(f"stopped behind item {count.read}, up to which all is stored ({cause}); go on from there")
        self.count = count


@dataclass(frozen=True, slots=True, kw_only=True)
class Stages:
    """What an engine does with items. make: checks one (raises InvalidInput). known: those that are there already.

    documents: what is to be written, with vectors where these need no network; write: what is stored for each.
    """

    make: Callable[[Mapping[str, Any]], tuple[Draft, MemoryId | None]]
    known: Callable[[Sequence[MemoryId]], Awaitable[Collection[MemoryId]]]
    documents: Callable[[Sequence[Draft]], Awaitable[Sequence[Document]]]
    write: Callable[[Sequence[Document]], Awaitable[Sequence[Memory]]]


@dataclass(slots=True)
class _Batch:
    """Items in a row. numbers: of the drafts; origins: ids under which they may be there already."""

    read: int = 0
    numbers: list[int] = field(default_factory=list)
    drafts: list[Draft] = field(default_factory=list)
    origins: dict[MemoryId, int] = field(default_factory=dict)
    refused: list[tuple[int, Exception]] = field(default_factory=list)
    known: int = 0
    documents: Sequence[Document] = ()
    failure: Exception | None = None


class Ingest:
    """One run. on_refused None: the first item that cannot be taken ends it."""

    def __init__(
        self, stages: Stages, *, on_progress: ProgressTold | None = None, on_refused: RefusalTold | None = None
    ) -> None:
        self._stages = stages
        self._on_progress = on_progress
        self._on_refused = on_refused
        self._started_s = time.perf_counter()
        self.count = IngestCount()

    async def run(self, source: Source) -> IngestCount:
        """Take all of the source, in order. Raises IngestStopped."""
        ready: asyncio.Queue[_Batch] = asyncio.Queue(maxsize=_WAITING)
        try:
            async with asyncio.TaskGroup() as group:
                preparing = group.create_task(self._prepare_all(source, ready))
                await self._write_all(ready)
                preparing.cancel()  # when an item ended it, the source has not come to its end
        except ExceptionGroup as failed:
            raise IngestStopped(self.count, failed.exceptions[0]) from failed.exceptions[0]
        return self.count

    async def _prepare_all(self, source: Source, ready: "asyncio.Queue[_Batch]") -> None:
        """Put batch after batch; what fails is put as well, so that what came before it is still written."""
        first = 1
        try:
            async with aclosing(_in_batches(source)) as batches:
                async for items in batches:
                    batch = await in_thread(self._drafted, items, first)
                    first += len(items)
                    await self._prepare(batch)
                    await ready.put(batch)
        except Exception as exc:  # noqa: BLE001 - handed to who waits for the batches, and raised there
            await ready.put(_Batch(failure=exc))
        else:
            await ready.put(_Batch())

    def _drafted(self, items: Sequence[Mapping[str, Any]], first: int) -> _Batch:
        batch = _Batch(read=len(items))
        contents: dict[str, str] = {}
        for number, item in enumerate(items, first):
            try:
                draft, origin = self._stages.make(item)
                if contents.setdefault(draft.dedupe_key, draft.memory.content_hash) != draft.memory.content_hash:
                    raise IdempotencyMismatch("the idempotency key stands for two contents; give each its own")
            except (InvalidInput, IdempotencyMismatch) as exc:
                batch.refused.append((number, exc))
                if self._on_refused is None:
                    batch.read = number - first
                    break
                continue
            if origin is not None:
                batch.origins[origin] = len(batch.drafts)
            batch.numbers.append(number)
            batch.drafts.append(draft)
        return batch

    async def _prepare(self, batch: _Batch) -> None:
        if batch.origins:
            there = {batch.origins[one] for one in await self._stages.known(list(batch.origins))}
            batch.known = len(there)
            batch.drafts = [draft for place, draft in enumerate(batch.drafts) if place not in there]
            batch.numbers = [number for place, number in enumerate(batch.numbers) if place not in there]
        if batch.drafts:
            batch.documents = await self._stages.documents(batch.drafts)

    async def _write_all(self, ready: "asyncio.Queue[_Batch]") -> None:
        while True:
            batch = await ready.get()
            if batch.failure is not None:
                raise batch.failure
            if not batch.read and not batch.refused:
                return
            stored = await self._stages.write(batch.documents) if batch.documents else ()
            self._done(batch, stored)
            if batch.refused and self._on_refused is None:
                raise batch.refused[0][1]

    def _done(self, batch: _Batch, stored: Sequence[Memory]) -> None:
        """Count what was written, and tell what was refused, also by what is there under the same key."""
        added = 0
        for number, draft, memory in zip(batch.numbers, batch.drafts, stored, strict=True):
            added += memory.id == draft.memory.id
            if memory.content_hash != draft.memory.content_hash:
                told = IdempotencyMismatch(
                    f"the key was used for {memory.id}, which says something else; use a new key"
                )
                batch.refused.append((number, told))
        if self._on_refused is not None:
            for number, reason in sorted(batch.refused, key=lambda one: one[0]):
                self._on_refused(number, reason)
        before = self.count
        refused = len(batch.refused) if self._on_refused is not None else 0
        self.count = replace(
            before,
            read=before.read + batch.read,
            added=before.added + added,
            known=before.known + batch.read - added - refused,
            refused=before.refused + refused,
            elapsed_s=time.perf_counter() - self._started_s,
        )
        if self._on_progress is not None:
            self._on_progress(self.count)


async def _in_batches(source: Source) -> AsyncGenerator[list[Mapping[str, Any]], None]:
    """Yield up to 1,000 items at a time. What came before the source failed is yielded before that is raised.

    A source that is not asynchronous is read in a thread: it may be a file.
    """
    if not isinstance(source, AsyncIterable):
        async for items in _in_batches_of(iter(source)):
            yield items
        return
    waiting: list[Mapping[str, Any]] = []
    try:
        async for item in source:
            waiting.append(item)
            if len(waiting) == BATCH:
                yield waiting
                waiting = []
    except Exception:
        if waiting:
            yield waiting
        raise
    if waiting:
        yield waiting


async def _in_batches_of(iterator: Iterator[Mapping[str, Any]]) -> AsyncIterator[list[Mapping[str, Any]]]:
    failure: Exception | None = None
    while failure is None:
        items, failure = await in_thread(_pulled, iterator)
        if items:
            yield items
        if failure is None and len(items) < BATCH:
            return
    raise failure


def _pulled(iterator: Iterator[Mapping[str, Any]]) -> tuple[list[Mapping[str, Any]], Exception | None]:
    items: list[Mapping[str, Any]] = []
    try:
        items.extend(islice(iterator, BATCH))
    except Exception as exc:  # noqa: BLE001 - raised by who asked, behind the items that came before it
        return items, exc
    return items, None
