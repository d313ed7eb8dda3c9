"""Requests as fast as one process can send them: raw HTTP/1.1 over kept connections, one protocol object each."""

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


def request_of(method: str, path: str, key: str, body: bytes = b"") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "host: localhost", f"authorization: Bearer {key}"]
    lines += ["content-type: application/json", f"content-length: {len(body)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
