"""Requests as fast as one process can send them: raw HTTP/1.1 over kept connections."""

import asyncio
import time
from typing import Final

_LENGTH: Final = b"content-length: "


class _Connection(asyncio.Protocol):
    """Sends the same request again and again, each when the answer before is whole, until it is told to stop."""

    def __init__(self, request: bytes, ended: "asyncio.Future[int]") -> None:
        self._request = request
        self._ended = ended
        self._received = b""
        self._answers = 0
        self.stops = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator:
            return
        lower = head.lower()
        at = lower.index(_LENGTH) + len(_LENGTH)
        if len(body) < int(lower[at : lower.find(b"\r\n", at) if b"\r\n" in lower[at:] else None]):
            return
        if not head.startswith(b"HTTP/1.1 200"):
            self._ended.set_exception(RuntimeError(head.split(b"\r\n")[0].decode()))
            self._transport.close()
            return
        self._received = b""
        self._answers += 1
        if self.stops:
            self._transport.close()
            self._ended.set_result(self._answers)
        else:
            self._transport.write(self._request)


async def answers_per_s(port: int, request: bytes, *, connections: int, seconds: float) -> float:
    """Return how many answers a second come back over so many connections. Raises RuntimeError if one is not 200."""
    loop = asyncio.get_running_loop()
    opened = []
    started = time.perf_counter()
    for _ in range(connections):
        ended: asyncio.Future[int] = loop.create_future()
        _, one = await loop.create_connection(lambda ended=ended: _Connection(request, ended), "127.0.0.1", port)
        opened.append((one, ended))
    await asyncio.sleep(seconds)  # the load itself
    for one, _ in opened:
        one.stops = True
    counts = await asyncio.gather(*(ended for _, ended in opened))
    return sum(counts) / (time.perf_counter() - started)


class Caller:
    """One kept connection, asked one request after another. A client library takes a millisecond, this 50 us."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def connected(cls, port: int) -> "Caller":
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def ms(self, request: bytes, until: bytes = b"") -> float:
        """Return how long it took until the whole answer, or `until`, had come; the answer is read to its end anyway.

        Raises RuntimeError for an answer that is not 200, or without `until`.
        """
        started, took = time.perf_counter(), 0.0
        self._writer.write(request)
        received = b""
        while not _is_whole(received):
            fresh = await self._reader.read(1 << 16)
            if not fresh:
                raise RuntimeError(f"the connection ended after {len(received)} bytes")
            received += fresh
            if until and not took and until in received:
                took = time.perf_counter() - started
        took = took or (0.0 if until else time.perf_counter() - started)
        if not received.startswith(b"HTTP/1.1 200") or not took:
            raise RuntimeError(received[:300].decode())
        return took * 1000

    async def aclose(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()


def _is_whole(received: bytes) -> bool:
    head, separator, body = received.partition(b"\r\n\r\n")
    lower = head.lower()
    if not separator or _LENGTH not in lower:
        return received.endswith(b"\r\n0\r\n\r\n")
    at = lower.index(_LENGTH) + len(_LENGTH)
    return len(body) >= int(lower[at:].split(b"\r\n")[0])


def request_of(method: str, path: str, key: str, body: bytes = b"", accept: str = "*/*") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "host: localhost", f"authorization: Bearer {key}"]
    lines += [f"accept: {accept}", "content-type: application/json", f"content-length: {len(body)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
