"""Does what the core asks for, by an httpx.AsyncClient: sends, waits, reads on. Decides nothing."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
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


class AsyncCourier:
    """Carries calls and streams, on one event loop. Closes the httpx.AsyncClient only if it made it."""

    def __init__(self, setup: Setup, http: httpx.AsyncClient | None) -> None:
        if http is not None and not isinstance(http, httpx.AsyncClient):
            raise InvalidInput(f"give an httpx.AsyncClient, not {type(http).__name__}", field="http_client")
        self.setup = setup
        self._owns_http = http is None
        self._http = httpx.AsyncClient(limits=LIMITS) if http is None else http
        self._closed = False

    async def aclose(self) -> None:
        """Twice is harmless."""
        self._closed = True
        if self._owns_http:
            await self._http.aclose()

    async def call(self, call: Call[T]) -> T:
        """Raises ClientError."""
        return await self.run(carried_out(call, self.setup.pace))

    async def run(self, steps: Steps[T]) -> T:
        """Raises ClientError."""
        outcome: Outcome | None = None
        while True:
            try:
                step = steps.send(outcome)
            except StopIteration as end:
                told: T = end.value
                return told
            outcome = await self._do(step)

    async def walk(self, page_of: PageOf[T]) -> AsyncIterator[T]:
        """Yield what is on all pages; each is asked for when it is needed."""
        pages = Pages(page_of)
        while (call := pages.next_call()) is not None:
            for one in pages.take(await self.call(call)):
                yield one

    async def follow(self, steps: Following[E]) -> AsyncGenerator[E, None]:
        """Yield what a stream tells. Closing the iterator closes the connection."""
        response: httpx.Response | None = None
        received: AsyncIterator[bytes] | None = None
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
                        outcome = await _read_on(received)
                    case Send():
                        if response is not None:
                            await response.aclose()
                        outcome, response = await self._opened(step)
                        received = None if response is None else response.aiter_bytes()
                    case Wait():
                        outcome = await self._do(step)
        finally:
            steps.close()
            if response is not None:
                await response.aclose()

    async def _do(self, step: Send | Wait) -> Outcome | None:
        if isinstance(step, Wait):
            await asyncio.sleep(step.seconds)
            return None
        address = self._address(step)
        outcome: Outcome
        try:
            async with (
                asyncio.timeout(step.timeout_s),
                contextlib.aclosing(await self._sent(step, address)) as response,
            ):
                outcome = await _read_whole(response)
        except BROKEN as exc:
            outcome = failure_of(exc, step.request)
        return noted(self.setup, outcome, address)

    async def _opened(self, step: Send) -> tuple[Outcome, httpx.Response | None]:
        """Return a stream's head, and the response to read on from; a failure's answer is read whole."""
        address = self._address(step)
        outcome: Outcome
        opened: httpx.Response | None = None
        try:
            async with asyncio.timeout(step.timeout_s):
                response = await self._sent(step, address)
                if response.is_success:
                    let_be_silent(response, self.setup.pace.rule.silence_s)
                    outcome, opened = Answer(status=response.status_code, headers=dict(response.headers)), response
                else:
                    async with contextlib.aclosing(response):
                        outcome = await _read_whole(response)
        except BROKEN as exc:
            outcome = failure_of(exc, step.request)
        return noted(self.setup, outcome, address), opened

    def _address(self, step: Send) -> str:
        return self.setup.addresses.pick(step.request.at, step.tried)

    async def _sent(self, step: Send, address: str) -> httpx.Response:
        if self._closed or self._http.is_closed:
            raise ClientClosed("the client was closed; make a new one")
        request = dressed(self._http, self.setup, step, address)
        return await self._http.send(request, auth=self.setup.auth, follow_redirects=False, stream=True)


class AsyncChatStream:
    """The events of a turn, in order, each once.

    Close it, or use it in `async with`, to stop early: that ends the turn too, unless it is resumable.
    turn_id, last_event_id: where `client.chat.resume` can go on; None as long as nothing was told.
    """

    def __init__(self, courier: AsyncCourier, turn: StreamedTurn) -> None:
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

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ChatEvent:
        return await anext(self._events)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connection. Twice is harmless."""
        await self._events.aclose()


async def _read_whole(response: httpx.Response) -> Answer:
    return whole(response, [piece async for piece in response.aiter_bytes()])


async def _read_on(received: AsyncIterator[bytes]) -> bytes | Failure:
    try:
        return await anext(received, b"")
    except BROKEN as exc:
        return failure_of(exc)
