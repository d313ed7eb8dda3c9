"""Streamed turns: each runs as a task of its own into a log, from which readers follow it, also later and again."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final, Protocol, cast

from cachetools import TTLCache

from context0.errors import Context0Error
from context0.wire import ChatEvent, DoneEvent, ErrorEvent, PrivacyEvent, SessionEvent
from stores.errors import StoreError

log = logging.getLogger(__name__)

CANCELLED: Final = ErrorEvent(
    code="turn_cancelled",
    message="the connection broke and the turn was given up; what was said is kept as partial. To let a turn go on"
    ' without a reader, send "resumable": true',
)
INTERNAL: Final = ErrorEvent(code="internal", message="the turn failed; try again")
MOST_AHEAD_BYTES: Final = 256 << 10
"""What nobody has taken yet before the turn, and its model, wait: some 1,700 words of a stream."""


class Encode(Protocol):
    """Makes the bytes of an event; None is nothing to send. number: counts the events of a turn, from 0."""

    def __call__(self, event: ChatEvent, number: int) -> bytes | None: ...


@dataclass(slots=True, eq=False)
class Reader:
    """Somebody who follows a turn. wake: set when there is more to read, or to stop. taken: bytes of frames, so far."""

    wake: asyncio.Event
    gone: bool = False
    taken: int = 0

    def leave(self) -> None:
        self.gone = True
        self.wake.set()


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnRequest:
    """A turn to run. events: its stream. resumable: it goes on without a reader. shared: it can be followed by id."""

    owner: str
    events: AsyncIterator[ChatEvent]
    encode: Callable[[], Encode]
    resumable: bool = False
    shared: bool = True


class RunningTurn:
    """One turn and all that it has said. frames: one for each event, as bytes; grows until `finished`.

    It waits for readers who are far behind, unless it is to go on without any.
    """

    def __init__(self, request: TurnRequest) -> None:
        self.owner = request.owner
        self.frames: list[bytes] = []
        self.size = 0
        self.session: SessionEvent | None = None
        self.failed: ErrorEvent | None = None
        self.finished = False
        self.is_kept = False
        self._request = request
        self._readers: set[Reader] = set()
        self._moved = asyncio.Event()
        self._first: ChatEvent | None = None
        self._refused: Exception | None = None
        self._answered = False
        self.task: asyncio.Task[None] | None = None

    @property
    def first(self) -> ChatEvent | None:
        """The first event; None before it, and if the turn ends without one. Raises what the turn raised before."""
        if self._refused is not None:
            raise self._refused
        return self._first

    def join(self, after: int = 0) -> Reader:
        """Follow from frame number `after` on; whoever does tells what was `taken`."""
        reader = Reader(asyncio.Event(), taken=sum(map(len, self.frames[:after])))
        self._readers.add(reader)
        return reader

    def taken(self, reader: Reader, size: int) -> None:
        """The reader has taken so many bytes in all."""
        reader.taken = size
        self._moved.set()

    def leave(self, reader: Reader) -> None:
        """Stop following; a turn that nobody follows ends, unless it has answered or is to go on."""
        self._readers.discard(reader)
        self._moved.set()
        if not self._readers and not self._answered and not self._request.resumable:
            self.cancel()

    def cancel(self) -> None:
        if self.task is not None and not self.finished:
            self.task.cancel()

    async def run(self, heard: Callable[[ChatEvent], None]) -> None:
        """Run the turn to its end. heard: is told of each event. Never raises but when it is cancelled."""
        encode = self._request.encode()
        try:
            async with aclosing(cast("Any", self._request.events)) as events:
                async for event in events:
                    self._take(event, encode)
                    heard(event)
                    await self._followed()
        except asyncio.CancelledError:
            self._fail(CANCELLED, encode)
            raise
        except (Context0Error, StoreError) as failed:
            if self._first is None:
                self._refused = failed
            self._fail(ErrorEvent(code=failed.code, message=str(failed)), encode)
        except Exception:  # the edge of the turn's task
            log.exception("api.turn_failed")
            self._fail(INTERNAL, encode)
        finally:
            self._end()

    async def _followed(self) -> None:
        """Wait while all readers are far behind."""
        while not self._request.resumable and self._readers:
            if self.size - max(reader.taken for reader in self._readers) <= MOST_AHEAD_BYTES:
                return
            self._moved.clear()
            await self._moved.wait()

    def wake_readers(self) -> None:
        for reader in self._readers:
            reader.wake.set()

    def _take(self, event: ChatEvent, encode: Encode) -> None:
        if event.type != "token":  # by far the most are
            self._note(event)
        if self._first is None:
            self._first = event
        self._append(event, encode)

    def _note(self, event: ChatEvent) -> None:
        match event:
            case SessionEvent():
                self.session = event
            case PrivacyEvent():
                self.is_kept = event.report.get("stores_messages") is True
            case DoneEvent():
                self._answered = True
            case ErrorEvent():
                self.failed = event

    def _fail(self, event: ErrorEvent, encode: Encode) -> None:
        self.failed = event
        self._append(event, encode)

    def _append(self, event: ChatEvent, encode: Encode) -> None:
        frame = encode(event, len(self.frames))
        if frame is not None:
            self.frames.append(frame)
            self.size += len(frame)
            self.wake_readers()

    def _end(self) -> None:
        self.finished = True
        self.wake_readers()


class Turns:
    """The turns of this process: those that run, and for a while those that ended and are kept anyway.

    What is not kept in the store (off the record) is forgotten here when it ends.
    """

    def __init__(self, *, kept_s: float, max_bytes: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._running: dict[str, RunningTurn] = {}
        self._ended: TTLCache[str, RunningTurn] = TTLCache(
            max_bytes, kept_s, timer=clock, getsizeof=lambda turn: turn.size
        )
        self._kept_s = kept_s
        self._max_bytes = max_bytes
        self._tasks: set[asyncio.Task[None]] = set()
        self.stopping = False
        self._live: set[RunningTurn] = set()

    def start(self, request: TurnRequest) -> RunningTurn:
        """Start a turn as a task. Cancel it, or join and leave it."""
        turn = RunningTurn(request)

        def heard(event: ChatEvent) -> None:
            if event.type == "session" and request.shared:
                self._running[event.turn_id] = turn

        turn.task = asyncio.create_task(turn.run(heard), name="context0-turn")
        self._tasks.add(turn.task)
        self._live.add(turn)
        turn.task.add_done_callback(lambda task: self._ended_with(task, turn))
        return turn

    def find(self, turn_id: str, owner: str) -> RunningTurn | None:
        """Return a turn of the owner's; another one's is like one that never was."""
        turn = self._running.get(turn_id) or self._ended.get(turn_id)
        return turn if turn is not None and turn.owner == owner else None

    def forget(self, owner: str) -> None:
        """Give up what runs for the owner, and drop what ended: after an erasure."""
        for turn in [turn for turn in self._live if turn.owner == owner]:
            turn.is_kept = False
            turn.cancel()
        for turn_id in [turn_id for turn_id, turn in self._ended.items() if turn.owner == owner]:
            self._ended.pop(turn_id, None)

    def stop(self) -> None:
        """Tell every reader that the service stops."""
        self.stopping = True
        for turn in self._live:
            turn.wake_readers()

    async def aclose(self) -> None:
        """Give up what still runs; what was said is kept as partial. Twice is harmless."""
        self.stop()
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _ended_with(self, task: "asyncio.Task[None]", turn: RunningTurn) -> None:
        self._tasks.discard(task)
        self._live.discard(turn)
        if turn.session is None or self._running.pop(turn.session.turn_id, None) is None:
            return
        if turn.is_kept and self._kept_s and turn.size <= self._max_bytes:
            self._ended[turn.session.turn_id] = turn
