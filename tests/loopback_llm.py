"""An OpenAI-compatible chat server on 127.0.0.1 that answers as a test tells it to, in a test or as a process.

async with loopback_llm() as server:
    server.script(refusal(429, retry_after="0"), Reply(tokens=("Hi", "!"), then="cut"))     # the next calls, in order
    ... OpenAILLM(LlmOptions(base_url=server.base_url, model="stub"))
    await server.until(lambda: server.cancelled == 1)

As a process, for load tests; it prints its base URL, and GET /stats tells its counts:
    python -m tests.loopback_llm --port 0 --first-token-ms 300 --tokens 20 --interval-ms 20

One protocol object and one timer for each connection, no task: a token costs about 20 µs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections import deque
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

MODEL: Final = "stub"
DONE: Final = b"data: [DONE]\n\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One answer. tokens: the pieces of its text. first_token_s, interval_s: how long before the first, and between.

    then: after the last token, `finish` it properly, `hang` (say no more, keep the connection) or `cut` the connection.
    body: sent as it is instead of a completion. silent: not even the head of the answer is ever sent.
    usage: whether it counts tokens when it is asked to. raw: bytes sent as they are after the tokens.
    """

    tokens: tuple[str, ...] = ("Hello", " there", ".")
    first_token_s: float = 0.0
    interval_s: float = 0.0
    then: Literal["finish", "hang", "cut"] = "finish"
    finish_reason: str = "stop"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    silent: bool = False
    usage: bool = True
    raw: tuple[bytes, ...] = ()
    streams: bool = True


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def streamed(self) -> bool:
        return bool(self.body.get("stream"))


def refusal(
    status: int,
    *,
    retry_after: str | None = None,
    message: str = "no",
    code: str | None = None,
    param: str | None = None,
) -> Reply:
    """An error as OpenAI words it."""
    headers = {} if retry_after is None else {"retry-after": retry_after}
    error = {"message": message, "type": "stub", "code": code, "param": param}
    return Reply(status=status, headers=headers, body=json.dumps({"error": error}).encode())


def refusing(*names: str, reply: Reply | None = None, named: bool = True) -> Callable[[Request], Reply]:
    """A server that answers `reply`, but not to a body with one of the fields `names`; `named`: its error names it."""

    def answer(request: Request) -> Reply:
        met = next((name for name in names if name in request.body), None)
        if met is None:
            return reply or Reply()
        said = f"Unsupported parameter: '{met}'" if named else "bad request"
        return refusal(400, message=said, param=met if named else None)

    return answer


def saying(text: str, **options: Any) -> Reply:
    """Return an answer of this text, in one piece."""
    return Reply(tokens=(text,), **options)


SILENCE: Final = Reply(silent=True)


class LoopbackLLM:
    """The running server: `requests` to /chat/completions in order of arrival, `script` for what comes next.

    calls, finished, cancelled (the client closed before the answer was complete), under_way, peak: counts of them.
    """

    def __init__(self, otherwise: Reply | Callable[[Request], Reply] | None = None) -> None:
        self.base_url = ""
        self.requests: list[Request] = []
        self.keep_requests = True
        self.otherwise = otherwise or Reply()
        self.calls = self.finished = self.cancelled = self.under_way = self.peak = self.connections = 0
        self._scripted: deque[Reply | Callable[[Request], Reply]] = deque()
        self._open: set[_Connection] = set()
        self._waiting: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []

    def script(self, *replies: Reply | Callable[[Request], Reply]) -> None:
        self._scripted.extend(replies)

    async def until(self, holds: Callable[[], bool], *, within_s: float = 5.0) -> None:
        """Wait until `holds`, which is asked again whenever a count changes."""
        if holds():
            return
        told = asyncio.get_running_loop().create_future()
        self._waiting.append((holds, told))
        async with asyncio.timeout(within_s):
            await told

    def stats(self) -> dict[str, int]:
        names = ("calls", "finished", "cancelled", "under_way", "peak", "connections")
        return {name: getattr(self, name) for name in names}

    def close(self) -> None:
        for connection in list(self._open):
            connection.abort()

    # --- for connections

    def opened(self, connection: _Connection) -> None:
        self._open.add(connection)
        self.connections += 1
        self._changed()

    def closed(self, connection: _Connection) -> None:
        self._open.discard(connection)

    def begin(self, request: Request) -> Reply:
        reply = self._scripted.popleft() if self._scripted else self.otherwise
        if self.keep_requests:
            self.requests.append(request)
        self.calls += 1
        self.under_way += 1
        self.peak = max(self.peak, self.under_way)
        self._changed()
        return reply if isinstance(reply, Reply) else reply(request)

    def end(self, *, cancelled: bool) -> None:
        self.under_way -= 1
        if cancelled:
            self.cancelled += 1
        else:
            self.finished += 1
        self._changed()

    def _changed(self) -> None:
        for entry in self._waiting[:]:
            holds, told = entry
            if told.done() or holds():
                self._waiting.remove(entry)
                if not told.done():
                    told.set_result(None)


class _Connection(asyncio.Protocol):
    """One kept-alive connection: reads a request, plays its answer by timers and as it is taken, reads the next."""

    def __init__(self, server: LoopbackLLM) -> None:
        self._server = server
        self._received = bytearray()
        self._transport: Any = None
        self._timer: asyncio.TimerHandle | None = None
        self._steps: Iterator[tuple[float, bytes]] | None = None
        self._then = "finish"
        self._is_paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._server.opened(self)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._steps is None and (request := self._next_request()) is not None:
            self._answer(request)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._steps is not None:
            self._steps = None
            self._server.end(cancelled=True)
        self._server.closed(self)

    def pause_writing(self) -> None:
        self._is_paused = True

    def resume_writing(self) -> None:
        self._is_paused = False
        if self._timer is None:
            self._play()

    def abort(self) -> None:
        self._transport.abort()

    def _next_request(self) -> Request | None:
        head, separator, rest = bytes(self._received).partition(b"\r\n\r\n")
        if not separator:
            return None
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", "0"))
        if len(rest) < length:
            return None
        del self._received[: len(head) + 4 + length]
        method, path, _ = first.split(" ")
        return Request(method, path, headers, json.loads(rest[:length]) if length else {})

    def _answer(self, request: Request) -> None:
        if not request.path.endswith("/chat/completions"):
            self._transport.write(_plain(_page(request, self._server)))
            return
        reply = self._server.begin(request)
        self._then = "hang" if reply.silent else reply.then
        self._steps = iter(() if reply.silent else _steps(request, reply))
        self._play()

    def _play(self) -> None:
        """Send what is due now; set the timer for what is not."""
        while self._steps is not None and not self._is_paused:
            step = next(self._steps, None)
            if step is None:
                self._end()
                return
            after_s, data = step
            if after_s > 0:
                self._timer = asyncio.get_running_loop().call_later(after_s, self._send, data)
                return
            self._transport.write(data)

    def _send(self, data: bytes) -> None:
        self._timer = None
        self._transport.write(data)
        self._play()

    def _end(self) -> None:
        if self._then == "hang":
            return
        self._steps = None
        self._server.end(cancelled=False)
        if self._then == "cut":
            self._transport.close()


def _steps(request: Request, reply: Reply) -> Iterator[tuple[float, bytes]]:
    """Yield what is sent, each with the seconds to wait before it."""
    if reply.body is not None:
        yield reply.first_token_s, _plain(reply.body, reply.status, reply.headers)
    elif request.streamed and reply.streams:
        yield from _streamed(request, reply)
    else:
        seconds = reply.first_token_s + reply.interval_s * max(0, len(reply.tokens) - 1)
        yield seconds, _plain(_completion(request, reply), cut=reply.then == "cut")


def _streamed(request: Request, reply: Reply) -> Iterator[tuple[float, bytes]]:
    lines = {"content-type": "text/event-stream", "transfer-encoding": "chunked", **reply.headers}
    yield 0.0, _head(reply.status, lines) + _chunked(_event(request, {"role": "assistant", "content": ""}))
    for number, token in enumerate(reply.tokens):
        yield reply.interval_s if number else reply.first_token_s, _chunked(_event(request, {"content": token}))
    for piece in reply.raw:
        yield 0.0, _chunked(piece)
    if reply.then == "finish":
        yield 0.0, _chunked(_ending(request, reply)) + _chunked(b"")


def _ending(request: Request, reply: Reply) -> bytes:
    end = _event(request, {}, finish_reason=reply.finish_reason)
    if reply.usage and (request.body.get("stream_options") or {}).get("include_usage"):
        end += _data({**_envelope(request, "chat.completion.chunk"), "choices": [], "usage": _usage(request, reply)})
    return end + DONE


def _event(request: Request, delta: dict[str, Any], *, finish_reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return _data({**_envelope(request, "chat.completion.chunk"), "choices": [choice]})


def _data(value: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def _completion(request: Request, reply: Reply) -> bytes:
    message = {"role": "assistant", "content": "".join(reply.tokens), "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reply.finish_reason}
    whole = {**_envelope(request, "chat.completion"), "choices": [choice]}
    return json.dumps({**whole, "usage": _usage(request, reply)} if reply.usage else whole).encode()


def _envelope(request: Request, kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "object": kind, "created": 1, "model": request.body.get("model", MODEL)}


def _usage(request: Request, reply: Reply) -> dict[str, int]:
    """Count words as tokens of the prompt."""
    prompt = sum(len(str(message.get("content", "")).split()) for message in request.body.get("messages", []))
    completion = len(reply.tokens)
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def _page(request: Request, server: LoopbackLLM) -> bytes:
    if request.path == "/stats":
        return json.dumps(server.stats()).encode()
    return json.dumps({"object": "list", "data": [{"id": MODEL, "object": "model", "created": 1}]}).encode()


def _plain(body: bytes, status: int = 200, headers: dict[str, str] | None = None, *, cut: bool = False) -> bytes:
    length = len(body) + (100 if cut else 0)
    return _head(status, {"content-type": "application/json", "content-length": str(length), **(headers or {})}) + body


def _head(status: int, headers: dict[str, str]) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} Stub\r\n{lines}\r\n".encode()


def _chunked(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


@asynccontextmanager
async def loopback_llm(
    otherwise: Reply | Callable[[Request], Reply] | None = None, *, port: int = 0
) -> AsyncIterator[LoopbackLLM]:
    """Serve until the block ends; open connections are dropped then. otherwise: the answer when nothing is scripted."""
    stub = LoopbackLLM(otherwise)
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(stub), "127.0.0.1", port, backlog=1024)
    stub.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield stub
    finally:
        server.close()
        stub.close()
        await server.wait_closed()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--first-token-ms", type=float, default=300.0)
    parser.add_argument("--tokens", type=int, default=20)
    parser.add_argument("--interval-ms", type=float, default=20.0)
    parser.add_argument("--json-answer", default="{}", help="what a call with a response_format is answered")
    return parser.parse_args()


async def serve(options: argparse.Namespace) -> None:
    """Print the base URL, and serve until the process is ended."""
    timed = {"first_token_s": options.first_token_ms / 1000, "interval_s": options.interval_ms / 1000}
    spoken = Reply(tokens=tuple(f"word{number} " for number in range(options.tokens)), **timed)
    structured = Reply(tokens=(options.json_answer,), **timed)
    async with loopback_llm(
        lambda request: structured if "response_format" in request.body else spoken, port=options.port
    ) as server:
        server.keep_requests = False
        print(server.base_url, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    try:
        asyncio.run(serve(_options()))
    except KeyboardInterrupt:
        sys.exit(0)
