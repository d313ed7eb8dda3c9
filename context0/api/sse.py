"""Server-sent events: a turn's log as a stream, with pings, a deadline for slow readers, and an end when asked.

Not by sse-starlette: importing it replaces uvicorn's signal handler for the whole process, its way to end streams is a
flag of the process that is polled, and a stream takes four tasks; here it takes one beside its own.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from context0.api.errors import RETRY_AFTER_S, Refused, failure_of_event
from context0.api.turns import CANCELLED, Encode, Reader, RunningTurn, Turns
from context0.wire import ChatEvent, ErrorEvent, SessionEvent, ShutdownEvent

log = logging.getLogger(__name__)

RETRY_MS: Final = 1_000
MEDIA_TYPE: Final = "text/event-stream"
_PING: Final = b": ping\n"
"""Without an empty line behind it: some clients take that for an event without data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamTimes:
    """ping_s: a silent stream gets a comment this often. send_deadline_s: how long a reader may take nothing."""

    ping_s: float = 15.0
    send_deadline_s: float = 30.0


def events_encoded() -> Encode:
    """Return what makes frames of one turn's events: `id: turn:number`, `event: type`, `data: JSON`."""
    turn_id = ""

    def encode(event: ChatEvent, number: int) -> bytes:
        nonlocal turn_id
        turn_id = turn_id or getattr(event, "turn_id", "")
        return f"id: {turn_id}:{number}\nevent: {event.type}\ndata: {event.model_dump_json()}\n\n".encode()

    return encode


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamEnds:
    """What a stream begins with, and how it says that the service stops."""

    beginning: bytes = f"retry: {RETRY_MS}\n".encode()
    shutdown: bytes = f"event: shutdown\ndata: {ShutdownEvent().model_dump_json()}\n\n".encode()


class Streaming(Protocol):
    """What streams need of the service."""

    @property
    def turns(self) -> Turns: ...

    @property
    def times(self) -> StreamTimes: ...


Named = Callable[[SessionEvent | None], Mapping[str, str]]


class EventStream(Response):
    """Sends the frames of a turn from number `after` on, until its end. Leaving, it ends a turn that has no reader.

    A turn that fails before its first event is raised as what failed it, and has its status. named: more headers.
    """

    def __init__(
        self,
        turn: RunningTurn,
        services: Streaming,
        *,
        after: int = 0,
        ends: StreamEnds = StreamEnds(),
        named: Named | None = None,
    ) -> None:
        fixed = {"cache-control": "no-store", "x-accel-buffering": "no"}
        super().__init__(None, headers=fixed, media_type=f"{MEDIA_TYPE}; charset=utf-8")
        del self.headers["content-length"]
        self._turn = turn
        self._turns = services.turns
        self._times = services.times
        self._after = after
        self._ends = ends
        self._named = named

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - as ASGI has it
        reader = self._turn.join(self._after)
        watch = asyncio.create_task(_watch(receive, reader), name="context0-disconnect")
        try:
            if await self._begins(reader):
                if self._named is not None:
                    self.headers.update(self._named(self._turn.session))
                await self._follow(send, reader)
        except TimeoutError:
            log.info("api.reader_too_slow", extra={"deadline_s": self._times.send_deadline_s})
            raise
        finally:
            self._turn.leave(reader)
            watch.cancel()
            await asyncio.wait((watch,))

    async def _begins(self, reader: Reader) -> bool:
        """Wait for the turn's first event; False when nobody is left to be told. Raises what the turn raised."""
        turn = self._turn
        while turn.first is None and not turn.finished and not reader.gone:
            reader.wake.clear()
            await reader.wake.wait()
        first = turn.first or (None if reader.gone else turn.failed)
        if first is CANCELLED:  # the service is stopping, or all of the owner is being erased
            raise Refused(503, first.code, first.message, {"retry-after": str(RETRY_AFTER_S)})
        if isinstance(first, ErrorEvent):
            failure = failure_of_event(first.code, first.message)
            raise Refused(failure.status, failure.code, failure.message, failure.headers)
        if first is None:
            turn.cancel()
        return first is not None

    async def _follow(self, send: Send, reader: Reader) -> None:
        """Raises TimeoutError when the reader took nothing for too long."""
        position, frames, beginning = self._after, self._turn.frames, self._ends.beginning
        async with asyncio.timeout(None) as deadline:
            pulse = Pulse(deadline, reader)
            try:
                pulse.sends(self._times.send_deadline_s)
                await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
                while not reader.gone:
                    reader.wake.clear()
                    told, position = beginning + b"".join(frames[position:]), max(position, len(frames))
                    size = self._turn.size
                    beginning, ends = b"", not told and (self._turn.finished or self._turns.stopping)
                    if ends:
                        told = b"" if self._turn.finished else self._ends.shutdown
                    elif not told:
                        pulse.waits(self._times.ping_s)
                        await reader.wake.wait()
                        told = _PING if pulse.is_late else b""
                    if told:
                        pulse.sends(self._times.send_deadline_s)
                        await send({"type": "http.response.body", "body": told, "more_body": True})
                        self._turn.taken(reader, size)
                    if ends:
                        break
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            finally:
                pulse.stop()


class Pulse:
    """The one timer of a stream, for its silence and for a reader who takes nothing.

    There are two waits for each token. What they may take is only noted; the timer looks when it is over.
    """

    def __init__(self, deadline: asyncio.Timeout, reader: Reader) -> None:
        self._loop = asyncio.get_running_loop()
        self._deadline = deadline
        self._reader = reader
        self._until = 0.0
        self._sends = False
        self._timer: asyncio.TimerHandle | None = None
        self.is_late = False

    def waits(self, within_s: float) -> None:
        """The turn is waited for: after so long without a word the reader is woken, and `is_late`."""
        self._expect(within_s, sends=False)

    def sends(self, within_s: float) -> None:
        """The reader is waited for: after so long the stream is given up."""
        self._expect(within_s, sends=True)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _expect(self, within_s: float, *, sends: bool) -> None:
        self._sends, self.is_late = sends, False
        self._until = self._loop.time() + within_s
        if self._timer is None or self._timer.when() > self._until:
            self.stop()
            self._timer = self._loop.call_at(self._until, self._look)

    def _look(self) -> None:
        now = self._loop.time()
        if now < self._until:
            self._timer = self._loop.call_at(self._until, self._look)
            return
        self._timer = None
        if self._sends:
            self._deadline.reschedule(now)
        else:
            self.is_late = True
            self._reader.wake.set()


async def _watch(receive: Receive, reader: Reader) -> None:
    with contextlib.suppress(asyncio.CancelledError):
        while (await receive())["type"] != "http.disconnect":
            pass
        reader.leave()


def resume_position(last_event_id: str | None, turn_id: str) -> int | None:
    """Return the number behind `turn_id:number`, 0 without one; None if it is not of this turn."""
    if not last_event_id:
        return 0
    named, _, number = last_event_id.rpartition(":")
    if named != turn_id or not number.isascii() or not number.isdigit() or len(number) > 9:
        return None
    return int(number) + 1
