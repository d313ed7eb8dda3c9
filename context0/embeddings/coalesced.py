"""Joins what concurrent callers ask for into one request to the provider."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from context0.embeddings.wrapper import Wrapper
from context0.errors import EmbeddingInvalid, EmbeddingUnavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from context0.embeddings.protocol import Embedder, FloatMatrix

_CLOSED: Final = "the embedder was closed while this request was under way"


@dataclass(frozen=True, slots=True, eq=False)
class _Ask:
    """One caller's texts, and where its vectors are awaited."""

    texts: Sequence[str]
    answer: asyncio.Future[FloatMatrix]


class Coalesced(Wrapper):
    """Holds a request for `window_ms`, or until `max_batch_items` texts are together, and sends them as one.

    A caller that goes away leaves the others alone. A failure goes to the callers of that request only; if it is
    EmbeddingInvalid, the request is halved until the caller whose text spoils it is alone (about 2 log2(n) requests
    for one among n callers). For remote embedders: a local one only gets slower by waiting.
    """

    def __init__(self, embedder: Embedder, *, window_ms: float = 2.0, max_batch_items: int = 256) -> None:
        super().__init__(embedder)
        self._window_s = window_ms / 1000
        self._max_batch_items = max_batch_items
        self._waiting: list[_Ask] = []
        self._waiting_items = 0
        self._timer: asyncio.TimerHandle | None = None
        self._requests: dict[asyncio.Task[None], list[_Ask]] = {}
        self._closed = False

    async def embed(self, texts: Sequence[str]) -> FloatMatrix:
        """Return this caller's rows. A call of `max_batch_items` texts or more is passed on at once, by itself."""
        if self._closed:
            raise EmbeddingUnavailable(_CLOSED)
        if not texts or len(texts) >= self._max_batch_items:
            return await self._embedder.embed(texts)
        if self._waiting_items + len(texts) > self._max_batch_items:
            self._send()
        loop = asyncio.get_running_loop()
        ask = _Ask(texts, loop.create_future())
        self._waiting.append(ask)
        self._waiting_items += len(texts)
        if self._waiting_items == self._max_batch_items:
            self._send()
        elif self._timer is None:
            self._timer = loop.call_later(self._window_s, self._send)
        return await ask.answer

    async def aclose(self) -> None:
        self._closed = True
        self._send()
        requests = list(self._requests)
        for request in requests:
            request.cancel()
        await asyncio.gather(*requests, return_exceptions=True)
        await self._embedder.aclose()

    def _send(self) -> None:
        """Close the batch that is filling and start its request, in a task that outlives its callers."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        asks, self._waiting, self._waiting_items = self._waiting, [], 0
        if asks:
            request = asyncio.get_running_loop().create_task(self._answer(asks))
            self._requests[request] = asks
            request.add_done_callback(self._finished)

    def _finished(self, request: asyncio.Task[None]) -> None:
        asks = self._requests.pop(request)
        if request.cancelled():  # perhaps before its first step, so it could not tell its callers itself
            _fail(asks, EmbeddingUnavailable(_CLOSED))

    async def _answer(self, asks: list[_Ask]) -> None:
        """Give every caller its rows or its error; raises nothing but its own cancellation."""
        asks = [ask for ask in asks if not ask.answer.done()]
        if not asks:
            return
        try:
            rows = await self._embedder.embed([text for ask in asks for text in ask.texts])
        except EmbeddingInvalid as error:
            if len(asks) == 1:
                _fail(asks, error)
                return
            async with asyncio.TaskGroup() as halves:
                halves.create_task(self._answer(asks[: len(asks) // 2]))
                halves.create_task(self._answer(asks[len(asks) // 2 :]))
        except Exception as error:  # noqa: BLE001 - the edge of the task: the callers raise it
            _fail(asks, error)
        else:
            _deal(asks, rows)


def _deal(asks: list[_Ask], rows: FloatMatrix) -> None:
    start = 0
    for ask in asks:
        end = start + len(ask.texts)
        if not ask.answer.done():
            ask.answer.set_result(rows[start:end])
        start = end


def _fail(asks: list[_Ask], error: Exception) -> None:
    for ask in asks:
        if not ask.answer.done():
            ask.answer.set_exception(error)
