"""Does what the core asks for, by an httpx.Client: sends, waits, reads on. Decides nothing."""

import contextlib
import time
from collections.abc import Generator, Iterator
from types import TracebackType
from typing import Self, TypeVar

import httpx

from context0.sdk.errors import ClientClosed, InvalidInput
from context0.sdk.paging import PageOf, Pages
from context0.sdk.requests import Answer, Call
from context0.sdk.retrying import Failure, Outcome, Send, Steps, Wait, carried_out
from context0.sdk.streaming import Following, Read, StreamedTurn, StreamOutcome, Told
from context0.sdk.wiring import BROKEN, LIMITS, Setup, dressed, failure_of, let_be_silent, noted, whole
from context0.wire import ChatEvent

T = TypeVar("T")
E = TypeVar("E")


class Courier:
    """Carries calls and streams. Safe for several threads at once. Closes the httpx.Client only if it made it."""

    def __init__(self, setup: Setup, http: httpx.Client | None) -> None:
        if http is not None and not isinstance(http, httpx.Client):
            raise InvalidInput(f"give an httpx.Client, not {type(http).__name__}", field="http_client")
        self.setup = setup
        self._owns_http = http is None
        self._http = httpx.Client(limits=LIMITS) if http is None else http
        self._closed = False

    def close(self) -> None:
        """Twice is harmless."""
        self._closed = True
        if self._owns_http:
            self._http.close()

    def call(self, call: Call[T]) -> T:
        """Raises ClientError."""
        return self.run(carried_out(call, self.setup.pace))

    def run(self, steps: Steps[T]) -> T:
        """Raises ClientError."""
        outcome: Outcome | None = None
        while True:
            try:
                step = steps.send(outcome)
            except StopIteration as end:
                told: T = end.value
                return told
            outcome = self._do(step)

    def walk(self, page_of: PageOf[T]) -> Iterator[T]:
        """Yield what is on all pages; each is asked for when it is needed."""
        pages = Pages(page_of)
        while (call := pages.next_call()) is not None:
            yield from pages.take(self.call(call))

    def follow(self, steps: Following[E]) -> Generator[E, None, None]:
        """Yield what a stream tells. Closing the iterator closes the connection."""
        response: httpx.Response | None = None
        received: Iterator[bytes] | None = None
        outcome: StreamOutcome | None = None
        try:
            while True:
                try:
                    step = steps.send(outcome)
                except StopIteration:
                    return
                match step:
                    case Told(event=event):
                        outcome = None
                        yield event
                    case Read() if received is not None:
                        outcome = _read_on(received)
                    case Send():
                        if response is not None:
                            response.close()
                        outcome, response = self._opened(step)
                        received = None if response is None else response.iter_bytes()
                    case Wait():
                        outcome = self._do(step)
        finally:
            steps.close()
            if response is not None:
                response.close()

    def _do(self, step: Send | Wait) -> Outcome | None:
        if isinstance(step, Wait):
            time.sleep(step.seconds)
            return None
        ends_at, address = time.monotonic() + step.timeout_s, self._address(step)
        outcome: Outcome
        try:
            with contextlib.closing(self._sent(step, address)) as response:
                outcome = _read_whole(response, ends_at)
        except BROKEN as exc:
            outcome = failure_of(exc, step.request)
        return noted(self.setup, outcome, address)

    def _opened(self, step: Send) -> tuple[Outcome, httpx.Response | None]:
        """Return a stream's head, and the response to read on from; a failure's answer is read whole."""
        ends_at, address = time.monotonic() + step.timeout_s, self._address(step)
        outcome: Outcome
        opened: httpx.Response | None = None
        try:
            response = self._sent(step, address)
            if response.is_success:
                let_be_silent(response, self.setup.pace.rule.silence_s)
                outcome, opened = Answer(status=response.status_code, headers=dict(response.headers)), response
            else:
                with contextlib.closing(response):
                    outcome = _read_whole(response, ends_at)
        except BROKEN as exc:
            outcome = failure_of(exc, step.request)
        return noted(self.setup, outcome, address), opened

    def _address(self, step: Send) -> str:
        return self.setup.addresses.pick(step.request.at, step.tried)

    def _sent(self, step: Send, address: str) -> httpx.Response:
        if self._closed or self._http.is_closed:
            raise ClientClosed("the client was closed; make a new one")
        request = dressed(self._http, self.setup, step, address)
        return self._http.send(request, auth=self.setup.auth, follow_redirects=False, stream=True)


class ChatStream:
    """The events of a turn, in order, each once.

    Close it, or use it in `with`, to stop early: that ends the turn too, unless it is resumable.
    turn_id, last_event_id: where `client.chat.resume` can go on; None as long as nothing was told.
    """

    def __init__(self, courier: Courier, turn: StreamedTurn) -> None:
        self._turn = turn
        self._events = courier.follow(turn.steps())

    @property
    def turn_id(self) -> str | None:
        return self._turn.turn_id

    @property
    def session_id(self) -> str | None:
        return self._turn.session_id

    @property
    def last_event_id(self) -> str | None:
        return self._turn.last_event_id

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> ChatEvent:
        return next(self._events)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection. Twice is harmless."""
        self._events.close()


def _read_whole(response: httpx.Response, ends_at: float) -> Answer:
    """Raises TimeoutError for an answer that comes too slowly; each piece has the limit of the request besides."""
    pieces = []
    for piece in response.iter_bytes():
        if time.monotonic() > ends_at:
            raise TimeoutError
        pieces.append(piece)
    return whole(response, pieces)


def _read_on(received: Iterator[bytes]) -> bytes | Failure:
    try:
        return next(received, b"")
    except BROKEN as exc:
        return failure_of(exc)
