"""Follows a streamed turn through cuts and reconnections, so that each event is told exactly once. No I/O."""

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from typing import Final, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from context0.sdk.answers import error_of, is_success
from context0.sdk.errors import ClientError, NotFound, RateLimited, StreamCut, Unavailable, Unreadable
from context0.sdk.requests import Answer, Request
from context0.sdk.retrying import Failure, Outcome, Pace, Send, Step, Wait, answered
from context0.sdk.sse import EventDecoder, ServerEvent
from context0.wire import ChatEvent, DoneEvent, ErrorEvent, SessionEvent, ShutdownEvent, StreamEvent

E = TypeVar("E")
T = TypeVar("T")

_EVENTS: Final[TypeAdapter[StreamEvent]] = TypeAdapter(StreamEvent)
_UNKNOWN_TYPE: Final = "union_tag_invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """Read on from the stream that was opened last, and tell the bytes: none at its end; or a Failure."""


@dataclass(frozen=True, kw_only=True)  # without slots: Python 3.11 cannot have them on a generic that is subscripted
class Told(Generic[E]):
    """Hand this to whoever listens."""

    event: E


StreamOutcome = Outcome | bytes
Following = Generator[Step | Read | Told[E], StreamOutcome | None, None]
"""What is to be done for a stream; what came of it is sent back in."""
_Steps = Generator[Step | Read | Told[ChatEvent], StreamOutcome | None, T]


class StreamedTurn:
    """One turn as a stream. turn_id, last_event_id: where it could be taken up again; None as long as nobody said."""

    def __init__(
        self,
        opening: Request,
        pace: Pace,
        *,
        resuming: Callable[[str, str | None], Request] | None = None,
        turn_id: str | None = None,
        last_event_id: str | None = None,
    ) -> None:
        """opening: what begins it. resuming: the request that goes on after an event; None if it cannot."""
        self.turn_id = turn_id
        self.session_id: str | None = None
        self.last_event_id = last_event_id
        self._address = ""
        self._opening = opening
        self._pace = pace
        self._resuming = resuming
        self._seen: set[str] = set() if last_event_id is None else {last_event_id}
        self._stopped: ShutdownEvent | None = None
        self._is_whole = False
        self._is_over = False
        self._fruitless = 0
        self._wait_s: float | None = None

    def steps(self) -> Following[ChatEvent]:
        """Yield what is to be done; what came of it is sent back in.

        Raises ClientError when it could not begin, StreamCut when it broke off and cannot be taken up again.
        """
        opened: Answer | None = yield from answered(self._opening, self._pace)
        while opened is not None:
            cut = yield from self._read(opened)
            self._address = opened.address
            opened = None if cut is None else (yield from self._taken_up(cut))

    def _read(self, opened: Answer) -> _Steps[ClientError | None]:
        """Tell the events of an open stream. Returns None when the turn is over, else why the stream is."""
        _check(opened)
        decoder = EventDecoder()
        while True:
            received = yield Read()
            if isinstance(received, Failure):
                return received.error
            if not isinstance(received, bytes):
                raise AssertionError("a step without an outcome")
            if not received:
                return self._at_the_end()
            for found in decoder.feed(received):
                event = self._event_of(found)
                self._wait_s = decoder.retry_s
                if event is not None:
                    yield Told(event=event)

    def _at_the_end(self) -> ClientError | None:
        if self._is_over:
            return None
        if self._stopped is not None:
            raise Unavailable(self._stopped.message, code="shutdown")
        return StreamCut("the stream ended before the answer did")

    def _taken_up(self, cut: ClientError) -> _Steps[Answer | None]:
        """Open the stream anew behind the last event. Returns None when nothing that matters is missing."""
        while self._resuming is not None and self.turn_id is not None and self._fruitless < self._pace.rule.resumes:
            yield Wait(seconds=self._pace.wait_s(self._fruitless, self._wait_s if self._fruitless else None))
            self._fruitless += 1
            resuming = replace(self._resuming(self.turn_id, self.last_event_id), at=self._address)
            request = self._pace.named(resuming)
            outcome = yield Send(request=request, timeout_s=self._pace.timeout_s)
            if isinstance(outcome, Answer):
                if is_success(outcome):
                    return outcome
                cut = error_of(outcome)
                if not isinstance(cut, Unavailable | RateLimited):
                    break
            elif isinstance(outcome, Failure):
                cut = outcome.error
        if self._is_whole:
            return None  # only what was remembered of the turn was not told
        raise self._lost(cut) from cut

    def _lost(self, cut: ClientError) -> StreamCut:
        if self._resuming is None or self.turn_id is None:
            told = "the stream broke off; read the session's messages to see what was said, or ask again"
        elif isinstance(cut, NotFound):
            told = "the stream broke off, and the service has the turn no more; read the session's messages"
        else:
            told = f"the stream broke off and could not be taken up again: {cut}"
        return StreamCut(told, turn_id=self.turn_id, last_event_id=self.last_event_id)

    def _event_of(self, found: ServerEvent) -> ChatEvent | None:
        """Return what is to be told, if it is new. Kinds of events that are not known are passed over."""
        if found.id is not None and found.id in self._seen:
            return None
        try:
            event = _EVENTS.validate_json(found.data)
        except ValidationError as exc:
            if exc.errors(include_input=False)[0]["type"] == _UNKNOWN_TYPE:
                return None
            raise Unreadable("an event of the stream could not be read; do client and service fit together?") from exc
        return self._noted(event, found.id)

    def _noted(self, event: StreamEvent, event_id: str | None) -> ChatEvent | None:
        if isinstance(event, ShutdownEvent):
            self._stopped = event
            return None
        if event_id is not None:
            self._seen.add(event_id)
            self.last_event_id = event_id
        self._fruitless = 0
        if isinstance(event, SessionEvent):
            self.turn_id, self.session_id = event.turn_id, event.session_id
        self._is_whole = self._is_whole or isinstance(event, DoneEvent)
        self._is_over = self._is_over or isinstance(event, DoneEvent | ErrorEvent)
        return event


def _check(opened: Answer) -> None:
    if not is_success(opened):
        raise error_of(opened)
    if not opened.headers.get("content-type", "").startswith("text/event-stream"):
        raise Unreadable("the service did not answer with a stream; use client.chat.send", status=opened.status)
