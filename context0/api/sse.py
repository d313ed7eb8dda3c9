"""Server-sent events: a turn's log as a stream, with pings, a deadline for slow readers, and an end when asked.

Not by sse-starlette: importing it replaces uvicorn's signal handler for the whole process, its way to end streams is a
flag of the process that is polled, and a stream takes four tasks; here it takes one beside its own.
"""

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from context0.api.turns import Encode, Reader, RunningTurn, Turns
from context0.wire import ChatEvent, ShutdownEvent

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


class EventStream(Response):
    """Sends the frames of a turn from number `after` on, until its end. Leaving, it ends a turn that has no reader."""

    def __init__(
        self,
        turn: RunningTurn,
        turns: Turns,
        times: StreamTimes,
        *,
        after: int = 0,
        ends: StreamEnds = StreamEnds(),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        fixed = {"cache-control": "no-store", "x-accel-buffering": "no"}
        super().__init__(None, headers={**fixed, **(headers or {})}, media_type=f"{MEDIA_TYPE}; charset=utf-8")
        del self.headers["content-length"]
        self._turn = turn
        self._turns = turns
        self._times = times
        self._after = after
        self._ends = ends

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - as ASGI has it
        reader = self._turn.join()
        watch = asyncio.create_task(_watch(receive, reader), name="context0-disconnect")
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            await self._follow(send, reader)
        except TimeoutError:
            log.info("api.reader_too_slow", extra={"deadline_s": self._times.send_deadline_s})
            raise
        finally:
            self._turn.leave(reader)
            watch.cancel()
            await asyncio.wait((watch,))

    async def _follow(self, send: Send, reader: Reader) -> None:
        await self._send(send, self._ends.beginning)
        position, frames = self._after, self._turn.frames
        while not reader.gone:
            reader.wake.clear()
            if len(frames) > position:
                fresh = frames[position:]
                position += len(fresh)
                await self._send(send, b"".join(fresh))
            elif self._turn.finished:
                break
            elif self._turns.stopping:
                await self._send(send, self._ends.shutdown)
                break
            elif not await _woken(reader, self._times.ping_s):
                await self._send(send, _PING)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send(self, send: Send, data: bytes) -> None:
        """Raises TimeoutError when the reader took nothing for too long."""
        if data:
            async with asyncio.timeout(self._times.send_deadline_s):
                await send({"type": "http.response.body", "body": data, "more_body": True})


async def _woken(reader: Reader, within_s: float) -> bool:
    """Wait for the reader to be woken; False when it took too long."""
    loop = asyncio.get_running_loop()
    late = False

    def ping() -> None:
        nonlocal late
        late = True
        reader.wake.set()

    timer = loop.call_later(within_s, ping)
    try:
        await reader.wake.wait()
    finally:
        timer.cancel()
    return not late


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
