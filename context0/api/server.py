"""The process's side of serving: connections that may not dawdle, and an end that loses nothing.

uvicorn ends a process that is told twice without closing what it holds, and waits for streams for ever; here every
signal means the same, streams are told first, and whoever opened the stores closes them afterwards.
"""

import asyncio
import contextlib
import secrets
import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, cast

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from context0.api.body import IS_WHOLE
from context0.api.errors import Failure, body_of

KEEP_ALIVE_S: Final = 20
MAX_HEAD_BYTES: Final = 65_536
BACKLOG: Final = 2_048
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_HEAD: Final = b"HTTP/1."
_TOO_LARGE: Final = Failure(
    status=431,
    code="head_too_large",
    message=f"the head of the request is larger than {MAX_HEAD_BYTES} bytes; send what is long in the body",
    headers={},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerTimes:
    """head_deadline_s: for the head of a request. stall_s: how long a reader may take nothing. drain_s: for requests
    that run when the service is told to end.
    """

    head_deadline_s: float = 10.0
    stall_s: float = 30.0
    drain_s: float = 5.0


class JoinedWrites:
    """A connection's transport that lets the head of an answer wait for its body: one system call for both.

    uvicorn writes them apart, and whoever reads is woken twice: 20 us a request. A head waits until the loop's next
    round at most.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._head = b""
        self.is_closing = transport.is_closing
        self.pause_reading = transport.pause_reading
        self.resume_reading = transport.resume_reading
        self.get_extra_info = transport.get_extra_info
        self.set_protocol = transport.set_protocol
        self.abort = transport.abort

    def write(self, written: bytes) -> None:
        if self._head:
            written, self._head = self._head + written, b""
        elif written.startswith(_HEAD):
            self._head = written
            self._loop.call_soon(self._flush)
            return
        self._transport.write(written)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._head:
            self.write(b"")


def _refused_head(path: str) -> bytes:
    """Return the whole answer to a head that is too large: an error as any other, from before there is a request."""
    request_id = secrets.token_hex(8)
    body = body_of(_TOO_LARGE, request_id, path)
    head = (
        "HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-type: application/json\r\n"
        f"x-request-id: {request_id}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode("ascii") + body


class GuardedProtocol(HttpToolsProtocol):
    """Closes connections whose request does not arrive, or whose reader takes nothing. See `guarded`."""

    head_deadline_s = 10.0
    stall_s = 30.0

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._head: asyncio.TimerHandle | None = None
        self._head_bytes = 0
        self._stall: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in the superclass
        super().connection_made(cast("asyncio.Transport", JoinedWrites(transport, self.loop)))
        self._await_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._head is None and (self.cycle is None or self.cycle.response_complete):
            self._await_head()  # a head that is there whole needs no timer
        if self._head is not None:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
                self.transport.write(_refused_head(getattr(self, "url", b"").decode("latin-1")))
                self.transport.close()

    def on_headers_complete(self) -> None:
        self._head_arrived()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self.scope["state"][IS_WHOLE] = True
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_arrived()
        self._reads_again()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stall = self.loop.call_later(self.stall_s, self.transport.abort)

    def resume_writing(self) -> None:
        self._reads_again()
        super().resume_writing()

    def _head_arrived(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def _reads_again(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def _await_head(self) -> None:
        self._head_bytes = 0
        self._head = self.loop.call_later(self.head_deadline_s, self.transport.close)


class GracefulServer(uvicorn.Server):
    """A server that is told to end by SIGINT or SIGTERM, once or often. stop_streams: called at the first one."""

    def __init__(self, config: uvicorn.Config, stop_streams: Callable[[], None], on_start: Callable[[], None]) -> None:
        super().__init__(config)
        self._stop_streams = stop_streams
        self._on_start = on_start
        self._signalled = False

    def _signal(self) -> None:
        self._signalled = True
        self.stop()

    def stop(self) -> None:
        """End: no new connection, streams are told, what runs may finish for a while. Twice is harmless."""
        if not self.should_exit:
            self.should_exit = True
            self._stop_streams()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Never raises them again afterwards, as uvicorn does: the stores are still to be closed then."""
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self._signal)
        try:
            yield
        finally:
            for number in _SIGNALS:
                loop.remove_signal_handler(number)
                if self._signalled:
                    signal.signal(number, signal.SIG_IGN)  # the process is on its way, within the grace

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_start()


def listening(host: str, port: int) -> socket.socket:
    """Return a socket that is bound. Raises OSError."""
    bound = socket.create_server(
        (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=BACKLOG
    )
    # Each connection inherits it. asyncio sets it only where a socket's protocol number is told, which it is not here;
    # without it each answer's body waits 40 ms for the acknowledgement of its head.
    bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return bound


def address_of(bound: socket.socket) -> str:
    host, port, *_ = bound.getsockname()
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def server_for(
    app: ASGIApp, times: ServerTimes, *, stop_streams: Callable[[], None], on_start: Callable[[], None]
) -> GracefulServer:
    """Return a server for `serve(sockets=[…])`; it logs no addresses of requests, which may hold names."""
    config = uvicorn.Config(
        app,
        http=guarded(times),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=max(1, round(times.drain_s)),
    )
    return GracefulServer(config, stop_streams, on_start)


def guarded(times: ServerTimes) -> type[GuardedProtocol]:
    """Return the protocol with these deadlines: uvicorn makes one for each connection, and hands it none of ours."""
    return type(
        "TimedProtocol", (GuardedProtocol,), {"head_deadline_s": times.head_deadline_s, "stall_s": times.stall_s}
    )
