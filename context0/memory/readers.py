"""Further processes that read texts for an ingest, so that facts, names and dates cost this one nothing."""

import asyncio
import logging
import os
import pickle
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import fields
from operator import attrgetter
from typing import Final

from context0.memory.writing import TextRead, read_texts
from stores.blocking import in_thread
from stores.records import Memory, Relation

log = logging.getLogger(__name__)

_HEAD: Final = 8
_BUFFER: Final = 1 << 24
_ANSWERED_S: Final = 60.0
_ENDED_S: Final = 2.0
_EDGE: Final = tuple(field.name for field in fields(Relation))
_edge: Final = attrgetter(*_EDGE)
_MAIN: Final = "import sys; sys.path[:] = sys.argv[1:]; from context0.memory.readers import serve; serve()"
"""Not `multiprocessing`: that would run the caller's own main module again."""


class Readers:
    """Up to `count` processes, one event loop's. The first batch is read here: who has but one needs no process.

    They begin with the second batch and end with `aclose`, or when this process ends. What one of them does not give
    back is read here.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._batches = 0
        self._processes: list[Process] = []

    async def read(self, memories: Sequence[Memory]) -> list[TextRead]:
        """Return what the texts of `memories` say, in order."""
        self._batches += 1
        if self._batches == 1:
            return await in_thread(read_texts, memories)
        if self._batches == 2:
            await self._start()
        share = -(-len(memories) // max(1, len(self._processes)))
        parts = [memories[start : start + share] for start in range(0, len(memories), share)]
        if not self._processes:
            return await in_thread(read_texts, memories)
        read = await asyncio.gather(*map(self._read_by, self._processes, parts))
        return [text for part in read for text in part]

    async def aclose(self) -> None:
        """End the processes. Twice is harmless."""
        processes, self._processes = self._processes, []
        for process in processes:
            with suppress(ProcessLookupError):
                process.kill()  # it holds nothing that anybody needs
        for process in processes:
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), _ENDED_S)

    async def _start(self) -> None:
        try:
            for _ in range(self._count):
                self._processes.append(
                    await asyncio.create_subprocess_exec(
                        *(sys.executable, "-P", "-c", _MAIN, *sys.path),
                        stdin=PIPE,
                        stdout=PIPE,
                        limit=_BUFFER,
                        start_new_session=True,  # Ctrl-C is this process's affair
                    )
                )
        except (OSError, ValueError) as exc:
            log.warning("ingest.no_reader", extra={"error": type(exc).__name__, "count": len(self._processes)})

    async def _read_by(self, process: Process, memories: Sequence[Memory]) -> list[TextRead]:
        try:
            if process.stdin is None or process.stdout is None:
                raise BrokenPipeError
            asked = await in_thread(pickle.dumps, memories, pickle.HIGHEST_PROTOCOL)
            async with asyncio.timeout(_ANSWERED_S):
                process.stdin.write(len(asked).to_bytes(_HEAD) + asked)
                await process.stdin.drain()
                size = int.from_bytes(await process.stdout.readexactly(_HEAD))
                answer = await process.stdout.readexactly(size)
        except (OSError, asyncio.IncompleteReadError):
            with suppress(ProcessLookupError):
                process.kill()  # a late answer would be taken for the next one
            log.warning("ingest.reader_lost", extra={"count": len(memories), "exit": process.returncode})
            return await in_thread(read_texts, memories)
        return await in_thread(_unpacked, answer)


def _packed(read: Sequence[TextRead]) -> bytes:
    """Edges as tuples: a dataclass with slots takes five times as long to pickle."""
    lean = [(*text[:4], [_edge(one) for one in text.relations], text.traits) for text in read]
    return pickle.dumps(lean, pickle.HIGHEST_PROTOCOL)


def _unpacked(answer: bytes) -> list[TextRead]:
    return [
        TextRead(
            *(names, words, terms, entities),
            relations=tuple(Relation(**dict(zip(_EDGE, one, strict=True))) for one in edges),
            traits=traits,
        )
        for names, words, terms, entities, edges, traits in pickle.loads(answer)  # noqa: S301 - from a process of ours
    ]


def serve() -> None:
    """Read what comes from standard input until it ends: the main function of a process."""
    asked, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    while head := asked.read(_HEAD):
        memories: list[Memory] = pickle.loads(asked.read(int.from_bytes(head)))  # noqa: S301 - from who started this
        answer = _packed(read_texts(memories))
        answers.write(len(answer).to_bytes(_HEAD) + answer)
        answers.flush()
