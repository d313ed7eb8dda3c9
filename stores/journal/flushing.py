"""Brings what a journal holds to the store: in batches, one at a time, again and again until it is confirmed."""

import asyncio
import logging
import random
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from stores.chat_protocol import ChatStore
from stores.errors import Conflict, Full, StoreError, Unavailable
from stores.journal.message_log import Entry, MessageLog, Room
from stores.journal.options import JournalOptions
from stores.records import Message, Scope

log: Final = logging.getLogger(__name__)

_PASSING: Final = (Unavailable, Full, Conflict)
"""What may be over when it is tried again; anything else lies in a message, and would come again."""
_CANCEL_AGAIN_S: Final = 0.1


class Flusher:
    """Owns the entries that wait and the task that writes them.

    `lock` is held while messages are on their way to the store: whoever holds it knows that none is. Entries are
    removed after the store has confirmed them; after a crash in between they are written once more, to the same places.
    """

    def __init__(self, entries: MessageLog, store: ChatStore, options: JournalOptions) -> None:
        self.lock = asyncio.Lock()
        self.pending = 0
        self.refused = 0
        self._entries = entries
        self._store = store
        self._options = options
        self._last_by_room: dict[Room, int] = {}
        self._refused_rooms: set[Room] = set()
        self._last = 0
        self._changes = 0
        self._dirty = asyncio.Event()
        self._urgent = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._writing: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Open the journal; what it holds is written soon, in the background."""
        if self._task is not None:
            return
        waiting = await self._entries.open()
        self._last_by_room = dict(waiting.last_by_room)
        self._refused_rooms, self.refused = set(), 0
        self.pending = waiting.entries
        self._last = max(self._last_by_room.values(), default=0)
        if self.pending:
            self._dirty.set()
            self._urgent.set()
        self._task = asyncio.create_task(self._run(), name="context0-journal")

    async def stop(self) -> None:
        """Write what waits, for as long as `close_s` at most, and close the journal with what is left."""
        if self._task is None:
            return
        task, self._task = self._task, None
        try:
            async with asyncio.timeout(self._options.close_s):
                await self.flush()
        except (StoreError, TimeoutError) as exc:
            log.warning("journal.left", extra={"messages": self.pending, "error": type(exc).__name__})
        finally:
            await _end(task)
            await self._entries.aclose()

    def holds(self, room: Room) -> bool:
        """Say whether messages of the session wait."""
        return room in self._last_by_room

    async def take(self, messages: Sequence[tuple[Scope, Message]], begun_s: Sequence[float | None]) -> None:
        """Write messages to the journal; durable when it returns. begun_s: one for each. Raises Full, Unavailable."""
        if self.pending + len(messages) > self._options.max_pending:
            raise Full(
                f"{self.pending} messages wait for {self._store.name}, which cannot be written; nothing was taken:"
                " bring the store back, then try again"
            )
        self.pending += len(messages)  # at once: others look at it while this one is written
        writing = asyncio.create_task(self._append(messages, begun_s), name="context0-journal-append")
        self._writing.add(writing)
        writing.add_done_callback(self._appended)
        await asyncio.shield(writing)  # whoever gives up waiting leaves the count right

    async def _append(self, messages: Sequence[tuple[Scope, Message]], begun_s: Sequence[float | None]) -> None:
        added = 0
        try:
            appended = await self._entries.append(messages, begun_s)
            added = appended.added
        finally:
            self.pending += added - len(messages)
        self._last = max(self._last, appended.last)
        self._last_by_room |= {(scope.owner, message.session_id): appended.last for scope, message in messages}
        self._changes += len(messages)
        self._dirty.set()
        if self._changes >= self._options.max_changes:
            self._urgent.set()

    def _appended(self, writing: "asyncio.Task[None]") -> None:
        self._writing.discard(writing)
        if not writing.cancelled():
            writing.exception()  # seen: the caller may be gone

    async def flush(self) -> None:
        """Write all that waits now. Raises Unavailable, Full when the store does not take it: it goes on waiting."""
        async with self.lock:
            self._changes = 0
            self._urgent.clear()
            until = self._last
            while batch := await self._entries.oldest(self._options.max_batch, until=until):
                await self._write(batch)
                self._confirmed(batch[-1].number)
            self._confirmed(until)
            if self.pending == self.refused:
                self._dirty.clear()
            await self._entries.clean()

    async def erase(self, scope: Scope, room: Room | None = None) -> int:
        """Remove an owner's entries, or one session's, every byte. The caller holds `lock`."""
        removed = await self._entries.erase(scope, None if room is None else room[1])
        self.pending -= removed
        for key in [key for key in self._last_by_room if key == room or (room is None and key[0] == scope.owner)]:
            del self._last_by_room[key]
            self._refused_rooms.discard(key)
        return removed

    async def _write(self, batch: Sequence[Entry]) -> None:
        """Write a batch and remove it; if the store refuses it for what it holds, find out which message it is."""
        try:
            await self._store.put_messages(
                [(entry.scope, entry.message) for entry in batch], begun_s=[entry.begun_s for entry in batch]
            )
        except _PASSING:
            raise
        except StoreError as exc:
            if len(batch) > 1:
                await self._write(batch[: len(batch) // 2])
                await self._write(batch[len(batch) // 2 :])
                return
            await self._refuse(batch[0], exc)
        else:
            forgotten = await self._entries.forget([entry.number for entry in batch])
            self.pending -= forgotten  # in a line of its own: what is added during the wait must not get lost

    async def _refuse(self, entry: Entry, exc: StoreError) -> None:
        log.error("journal.refused", extra={"error": exc.code, "journal": self._entries.place})
        await self._entries.set_aside(entry.number)
        self.refused += 1
        self._refused_rooms.add((entry.scope.owner, entry.message.session_id))

    def _confirmed(self, until: int) -> None:
        """Drop the sessions of which nothing waits any more; entries are confirmed in their order."""
        over = [room for room, last in self._last_by_room.items() if last <= until and room not in self._refused_rooms]
        for room in over:
            del self._last_by_room[room]

    async def _run(self) -> None:
        failures = 0
        while True:
            await self._dirty.wait()
            await self._pause(failures)
            try:
                await self.flush()
            except StoreError as exc:
                failures += 1
                log.warning("journal.waits", extra={"error": exc.code, "messages": self.pending, "attempt": failures})
            except Exception:
                failures += 1
                log.exception("journal.failed", extra={"messages": self.pending, "attempt": failures})
            else:
                failures = 0

    async def _pause(self, failures: int) -> None:
        if failures:
            longest = min(self._options.backoff_s, self._options.interval_s * 2 ** min(failures, 30))
            await asyncio.sleep(longest * random.uniform(0.5, 1))  # noqa: S311 - no secret: so that processes part
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(self._options.interval_s):
                await self._urgent.wait()


async def _end(task: "asyncio.Task[None]") -> None:
    """Cancel `task` until it has ended: drivers on `asyncio.wait_for` of Python 3.11 now and then lose the first."""
    while not task.done():
        task.cancel()
        await asyncio.wait((task,), timeout=_CANCEL_AGAIN_S)
