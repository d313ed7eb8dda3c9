"""A chat model of any OpenAI-compatible server, over the official client's transport and a pool of our own."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import orjson

from context0.errors import ConfigurationError, LLMError, LLMInterrupted, LLMInvalid, LLMUnavailable
from context0.llm.openai_dialect import Body, OpenAIDialect
from context0.llm.openai_faults import of_connection, of_status, refusal_of
from context0.llm.openai_stream import NoEvent, StreamEvent, events_of, read_usage
from context0.llm.protocol import A, Chunk, Prompt, Usage
from context0.llm.structured import read_answer
from stores.blocking import in_thread

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping

    import httpx2
    from openai import AsyncOpenAI

    from context0.llm.options import LlmOptions

log: Final = logging.getLogger(__name__)

_MODEL: Final = "gpt-4o-mini"
_BASE_URL: Final = "https://api.openai.com/v1"
_NO_KEY: Final = "none"  # the client insists on one; a server that wants none ignores it
_ANOTHER_WAY: Final = frozenset({400, 422})
_MOST_WAYS: Final = 6
_END_OF_BODY_S: Final = 0.05
_AT_WORK: Final = Chunk()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Link:
    """The official client, and what a request needs of it: making one through it costs 2 ms more each time.

    request: makes one of its body; the address and the headers are put together once.
    """

    client: AsyncOpenAI
    pool: httpx2.AsyncClient
    url: str
    headers: Mapping[str, str]
    request: Callable[[bytes], httpx2.Request]
    broken: tuple[type[Exception], ...]


class OpenAILLM:
    """One request a call, no retry and no deadline but for connecting: those are wrappers.

    A server that refuses an optional part of a request is asked again without it, once for each part and process.
    The client is imported (0.5 s) and built when it is warmed or first used, in a thread.
    """

    def __init__(self, options: LlmOptions) -> None:
        """Raises ConfigurationError when OpenAI's own API is meant but no key is given."""
        if options.base_url is None and not options.api_key:
            raise ConfigurationError("the openai llm provider needs llm_api_key or llm_base_url")
        self._options = options
        self._model = options.model or _MODEL
        self._dialect = OpenAIDialect(self._model, max_tokens=options.max_tokens, newest=options.base_url is None)
        self._link: _Link | None = None
        self._first_use = asyncio.Lock()
        self._closed = False

    @property
    def name(self) -> str:
        return f"openai:{self._model}"

    async def warm(self) -> None:
        """Import and build the client, and connect: one request for the list of models, whatever it answers."""
        link = await self._linked()
        try:
            await link.pool.get(f"{link.url}/models", headers=link.headers, timeout=self._options.connect_s)
        except link.broken as exc:
            log.info("llm.not_warmed", extra={"model": self.name, "reason": type(exc).__name__})

    async def aclose(self) -> None:
        self._closed = True
        async with self._first_use:
            link, self._link = self._link, None
        if link is not None:
            await link.client.close()

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Chunk, None]:
        link = await self._linked()
        response = await self._asked(link, lambda: self._dialect.streamed(prompt))
        told, ending = False, StreamEvent()
        try:
            if not response.headers.get("content-type", "").startswith("text/event-stream"):
                text, usage = self._whole(await response.aread())  # a server that does not stream
                yield Chunk(text=text)
                yield Chunk(model=self.name, usage=usage)
                return
            async with aclosing(events_of(_received(response))) as events:
                async for event in events:
                    if event.text:
                        told = True
                        yield Chunk(text=event.text)
                    else:
                        ending = _noted(ending, event)
                        if ending.done:
                            break
                        yield _AT_WORK
                await _read_to_end(events)
        except link.broken as exc:
            raise self._broken_off(told=told) from exc
        finally:
            await response.aclose()
        self._check(ending, told=told)
        yield Chunk(model=self.name, usage=ending.usage or Usage())

    async def complete(self, prompt: Prompt, *, schema: type[A]) -> tuple[A, Usage]:
        link = await self._linked()
        response = await self._asked(link, lambda: self._dialect.structured(prompt, schema))
        try:
            body = await response.aread()
        except link.broken as exc:
            raise self._broken_off(told=False) from exc
        finally:
            await response.aclose()
        text, usage = self._whole(body)
        return read_answer(text, schema, self.name), usage

    async def _asked(self, link: _Link, body_of: Callable[[], Body]) -> httpx2.Response:
        """Return the answer, its body unread; ask in another way where the server refuses an optional part."""
        for _ in range(_MOST_WAYS):
            body = body_of()
            response = await self._sent(link, body)
            if response.status_code == 200:
                self._dialect.accepted(body)
                return response
            refusal = await self._refusal(link, response)
            _, said = refusal_of(refusal)
            if response.status_code not in _ANOTHER_WAY or not self._dialect.refused(body, said):
                break
        raise of_status(response.status_code, response.headers, refusal, self.name)

    async def _sent(self, link: _Link, body: Body) -> httpx2.Response:
        try:
            return await link.pool.send(link.request(orjson.dumps(body)), stream=True)
        except link.broken as exc:
            raise of_connection(exc, self.name) from exc

    async def _refusal(self, link: _Link, response: httpx2.Response) -> bytes:
        try:
            return await response.aread()
        except link.broken:
            return b""  # the status says enough
        finally:
            await response.aclose()

    def _whole(self, body: bytes) -> tuple[str, Usage]:
        """Read an answer that was not streamed. Raises LLMInvalid for what is none, and for one without text."""
        try:
            answer = orjson.loads(body)
            choice = answer["choices"][0]
            text, finish_reason = choice["message"].get("content") or "", choice.get("finish_reason")
            usage = read_usage(answer.get("usage") or {})
        except (ValueError, AttributeError, TypeError, LookupError) as exc:
            raise LLMInvalid(f"{self.name}: the answer cannot be read ({type(exc).__name__})") from exc
        if not isinstance(text, str) or not text.strip():
            raise self._wordless(finish_reason)
        return text, usage

    def _check(self, ending: StreamEvent, *, told: bool) -> None:
        """Raise for a stream that ended without its end, or without a word."""
        if not ending.done and ending.finish_reason is None:
            raise self._broken_off(told=told)
        if not told:
            raise self._wordless(ending.finish_reason)

    def _broken_off(self, *, told: bool) -> LLMError:
        if told:
            return LLMInterrupted(f"{self.name} broke off inside its answer; ask again")
        return LLMUnavailable(f"{self.name} broke off before its answer began")

    def _wordless(self, finish_reason: object) -> LLMInvalid:
        why = "its tokens were used up" if finish_reason == "length" else "it gave no reason"
        return LLMInvalid(f"{self.name} answered without a word; {why}")

    async def _linked(self) -> _Link:
        if self._link is not None:
            return self._link
        async with self._first_use:
            if self._closed:
                raise LLMUnavailable(f"{self.name} was closed", passing=False)
            if self._link is None:
                self._link = await in_thread(_new_link, self._options)
            return self._link


def _received(response: httpx2.Response) -> AsyncIterator[bytes]:
    """Return the body as it comes, past a decoder only where there is something to decode: 4 us a piece."""
    return response.aiter_bytes() if "content-encoding" in response.headers else response.aiter_raw()


def _noted(ending: StreamEvent, event: StreamEvent) -> StreamEvent:
    """Add what an event without text says. Raises NoEvent for an error that the server reports inside the stream."""
    if event.failed:
        raise NoEvent("the server reports an error")
    return StreamEvent(
        finish_reason=event.finish_reason or ending.finish_reason, usage=event.usage or ending.usage, done=event.done
    )


async def _read_to_end(events: AsyncIterator[StreamEvent]) -> None:
    """Read the end of the body, which mostly came with the last event, so that the connection can be used again."""
    try:
        async with asyncio.timeout(_END_OF_BODY_S):
            async for _ in events:
                pass
    except TimeoutError:
        return


def _new_link(options: LlmOptions) -> _Link:
    """Import the official client and build one that neither retries nor reads a key from the environment.

    Its aiohttp transport costs a tenth of the CPU of httpx's own, see load_tests/llm_client_benchmark.py.
    """
    import aiohttp
    import httpx2
    from openai import AsyncOpenAI, DefaultAioHttpClient

    most = options.max_connections
    pool = DefaultAioHttpClient(
        limits=httpx2.Limits(max_connections=most, max_keepalive_connections=20, keepalive_expiry=30.0),
        timeout=httpx2.Timeout(None, connect=options.connect_s),
        follow_redirects=False,
    )
    base_url = (options.base_url or _BASE_URL).rstrip("/")
    client = AsyncOpenAI(api_key=options.api_key or _NO_KEY, base_url=base_url, max_retries=0, http_client=pool)
    told = {**client.default_headers, **client.auth_headers}
    headers = {name: value for name, value in told.items() if isinstance(value, str)}
    empty = pool.build_request("GET", f"{base_url}/chat/completions", headers=headers)

    def request(body: bytes) -> httpx2.Request:
        return httpx2.Request("POST", empty.url, headers=empty.headers, cookies=pool.cookies, content=body)

    return _Link(
        client=client,
        pool=pool,
        url=base_url,
        headers=headers,
        request=request,
        broken=(httpx2.HTTPError, httpx2.StreamError, httpx2.InvalidURL, aiohttp.ClientError, OSError, NoEvent),
    )
