"""A TCP proxy on 127.0.0.1 between a client and a server, which fails as a test tells it to, while it runs.

async with fault_proxy(port) as proxy:
    ... Context0Client(f"http://127.0.0.1:{proxy.port}")
    await proxy.turn(BLACKHOLE)                      # from now on, for open connections too
    await proxy.turn(HEALTHY)

async with fault_proxy(port, [cut(500), HEALTHY]):   # of the first connection, of the second; then `turn` holds
"""

import asyncio
import contextlib
import random
import socket
import struct
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

_PIECE: Final = 4_096
_RESET: Final = struct.pack("ii", 1, 0)
"""SO_LINGER of no seconds: closing sends a reset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What becomes of a connection; of the answers, where nothing else is said.

    refuses: nobody listens, and open connections are reset. silent: bytes wait, in both directions, until this is over.
    delay_s, jitter_s: each piece comes so much later, and up to so much more. cut_after: so many bytes of answers come,
    then the end; by a reset if `resets`. bytes_per_s: no faster.
    """

    refuses: bool = False
    silent: bool = False
    delay_s: float = 0.0
    jitter_s: float = 0.0
    cut_after: int | None = None
    resets: bool = False
    bytes_per_s: float | None = None


HEALTHY: Final = Fault()
REFUSE: Final = Fault(refuses=True)
BLACKHOLE: Final = Fault(silent=True)
TRICKLE: Final = Fault(bytes_per_s=1.0)


def delay(delay_s: float, jitter_s: float = 0.0) -> Fault:
    return Fault(delay_s=delay_s, jitter_s=jitter_s)


def cut(after: int) -> Fault:
    return Fault(cut_after=after)


def reset(after: int) -> Fault:
    return Fault(cut_after=after, resets=True)


class FaultProxy:
    """Counts: connections, and those that were cut."""

    def __init__(self, target_port: int, faults: Iterable[Fault]) -> None:
        self.port = 0
        self.connections = 0
        self.cut = 0
        self._target_port = target_port
        self._faults: Iterator[Fault] = iter(faults)
        self._fault = HEALTHY
        self._speaks = asyncio.Event()
        self._speaks.set()
        self._server: asyncio.Server | None = None
        self._links: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def turn(self, fault: Fault) -> None:
        """Fail so from now on; where the proxy listened before, it listens again."""
        self._fault = fault
        (self._speaks.clear if fault.silent else self._speaks.set)()
        if fault.refuses:
            await self.aclose()
        elif self._server is None:
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def aclose(self) -> None:
        """Listen no more, and reset what is open."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for link, writer in list(self._links.items()):
            _reset(writer)
            link.cancel()
        await asyncio.gather(*self._links, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = asyncio.get_running_loop().create_task(self._carry_both(reader, writer))
        self._links[link] = writer
        link.add_done_callback(lambda done: self._links.pop(done, None))

    async def _carry_both(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        own = next(self._faults, None)
        back: asyncio.StreamWriter | None = None
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._target_port)
            upward = asyncio.create_task(self._carry(reader, back))
            try:
                await self._answer(there, writer, own)
            finally:
                upward.cancel()
                await asyncio.wait((upward,))
        except OSError:
            _reset(writer)
        finally:
            for one in (writer, back):
                if one is not None:
                    one.close()
                    with contextlib.suppress(OSError):
                        await one.wait_closed()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_PIECE):
                await self._speaks.wait()
                writer.write(data)
                await writer.drain()
        writer.close()

    async def _answer(self, there: asyncio.StreamReader, writer: asyncio.StreamWriter, own: Fault | None) -> None:
        """Carry answers; what is cut ends here. A fault that begins later counts its bytes from then on."""
        counted, came = self._fault, 0
        while data := await there.read(_PIECE):
            await self._speaks.wait()
            fault = own or self._fault
            if fault is not counted:
                counted, came = fault, 0
            if fault.delay_s or fault.jitter_s:
                await asyncio.sleep(fault.delay_s + random.uniform(0.0, fault.jitter_s))
            if fault.cut_after is not None and came + len(data) >= fault.cut_after:
                writer.write(data[: fault.cut_after - came])
                self.cut += 1
                await asyncio.sleep(0)  # what was written goes out before the end
                if fault.resets:
                    _reset(writer)
                return
            came += len(data)
            await self._write(data, writer, own)

    async def _write(self, data: bytes, writer: asyncio.StreamWriter, own: Fault | None) -> None:
        while (rate := (own or self._fault).bytes_per_s) is not None and data:
            writer.write(data[:1])
            data = data[1:]
            await asyncio.sleep(1.0 / rate)
        writer.write(data)
        await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    if (held := writer.get_extra_info("socket")) is not None:
        with contextlib.suppress(OSError):
            held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()


@asynccontextmanager
async def fault_proxy(target_port: int, faults: Iterable[Fault] = ()) -> AsyncIterator[FaultProxy]:
    """Serve until the block ends. faults: of one connection each, in the order in which they come."""
    proxy = FaultProxy(target_port, faults)
    await proxy.turn(HEALTHY)
    try:
        yield proxy
    finally:
        await proxy.aclose()
