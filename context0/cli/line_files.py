"""Reads and writes files line by line, in pieces, off the event loop, and never the whole of it in memory."""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from stores.blocking import in_thread

STANDARD: Final = "-"
_PIECE: Final = 1 << 20
_MOST_KEPT: Final = 1 << 18


async def pieces_of(file: BinaryIO) -> AsyncIterator[bytes]:
    """Yield what is in a file, a piece at a time."""
    while piece := await in_thread(file.read, _PIECE):
        yield piece


@asynccontextmanager
async def opened(name: str) -> AsyncIterator[BinaryIO]:
    """Yield a file to read, or what comes on stdin. Raises OSError."""
    if name == STANDARD:
        yield sys.stdin.buffer
        return
    file = await in_thread(Path(name).open, "rb")
    try:
        yield file
    finally:
        await in_thread(file.close)


class Sink(Protocol):
    """Takes bytes, and writes them when there are enough."""

    async def put(self, text: bytes) -> None: ...


class _Buffered:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._kept: list[bytes] = []
        self._size = 0

    async def put(self, text: bytes) -> None:
        self._kept.append(text)
        self._size += len(text)
        if self._size > _MOST_KEPT:
            await self.flush()

    async def flush(self) -> None:
        kept, self._kept, self._size = b"".join(self._kept), [], 0
        await in_thread(self._write, kept)

    def _write(self, text: bytes) -> None:
        self._file.write(text)
        self._file.flush()


@asynccontextmanager
async def whole_file(path: Path | None) -> AsyncIterator[Sink]:
    """Yield what writes to a file, readable by its owner only, or to stdout.

    The file gets its name when it is whole: a failure leaves what was there before. Raises OSError.
    """
    if path is None:
        out = _Buffered(sys.stdout.buffer)
        yield out
        await out.flush()
        return
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    file = await in_thread(_created, part)
    try:
        out = _Buffered(file)
        yield out
        await out.flush()
        await in_thread(os.fsync, file.fileno())
        await in_thread(part.replace, path)
    finally:
        await in_thread(file.close)
        await in_thread(part.unlink, missing_ok=True)


def _created(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")
