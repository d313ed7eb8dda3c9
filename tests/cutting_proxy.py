"""A TCP proxy on 127.0.0.1 that cuts each connection after so many bytes of what comes back.

async with cutting_proxy(port, cuts=[500, None]) as proxy:     # the first connection is cut, the second is not
    ... Context0Client(f"http://127.0.0.1:{proxy.port}")
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from typing import Final

_PIECE: Final = 4_096


class CuttingProxy:
    """Counts: connections, and those that were cut."""

    def __init__(self, target_port: int, cuts: Iterable[int | None]) -> None:
        self.port = 0
        self.connections = 0
        self.cut = 0
        self._target_port = target_port
        self._cuts: Iterator[int | None] = iter(cuts)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection to its end; it is aborted, not closed, where it is cut."""
        self.connections += 1
        left = next(self._cuts, None)
        there, back = await asyncio.open_connection("127.0.0.1", self._target_port)
        upward = asyncio.create_task(_carry(reader, back))
        try:
            while data := await there.read(_PIECE):
                if left is not None and len(data) >= left:
                    writer.write(data[:left])
                    self.cut += 1
                    await asyncio.sleep(0)  # what was written goes out before the end
                    return
                left = None if left is None else left - len(data)
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            return
        finally:
            upward.cancel()
            await asyncio.wait((upward,))
            for one in (writer, back):
                one.close()
                with contextlib.suppress(ConnectionError):
                    await one.wait_closed()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(_PIECE):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def cutting_proxy(target_port: int, cuts: Iterable[int | None]) -> AsyncIterator[CuttingProxy]:
    """Serve until the block ends."""
    proxy = CuttingProxy(target_port, cuts)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await server.wait_closed()
