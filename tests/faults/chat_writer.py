"""A process that writes turns through a journal until it is killed, or kills itself at one point of a flush.

    python -m tests.faults.chat_writer FOLDER TARGET POINT RUN

TARGET: "sqlite", a file in FOLDER that stands for a store elsewhere, or the URL of a MongoDB. POINT: "anywhere" (the
parent kills it) or a crash point. Each turn of session "run RUN" is written to FOLDER/sent before, and to FOLDER/told
after it was acknowledged: "session seq", one line a message.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, TextIO

from stores.chat_protocol import ChatStore
from stores.journal.chats import JournaledChats
from stores.journal.options import JournalOptions
from stores.mongo.chats import MongoChats
from stores.mongo.client import MongoDatabase, MongoOptions
from stores.records import Message, Scope
from stores.sqlite.database import SqliteDatabase
from stores.sqlite.message_log import SqliteMessageLog
from tests.contracts.builders import ANNA, NOW
from tests.contracts.chat_bench import ElsewhereChats, build_message, build_session

ANYWHERE: Final = "anywhere"
POINTS: Final = ("before_flush", "mid_batch", "after_store_before_mark")
OPTIONS: Final = JournalOptions(interval_s=0.02, max_changes=10, backoff_s=0.05, close_s=60.0)
TALKING: Final = 3
"""So many turns are written at the same time."""


class Crashing:
    """Stands before a store, and kills the process in the second flush, at `point`."""

    def __init__(self, store: ChatStore, point: str) -> None:
        self._store = store
        self._point = point
        self._flushes = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def put_messages(
        self, messages: Sequence[tuple[Scope, Message]], *, begun_s: Sequence[float | None] = ()
    ) -> None:
        self._flushes += 1
        point = self._point if self._flushes > 1 else ANYWHERE
        if point == "before_flush":
            die()
        if point == "mid_batch":
            half = max(1, len(messages) // 2)
            await self._store.put_messages(messages[:half], begun_s=begun_s[:half])
            die()
        await self._store.put_messages(messages, begun_s=begun_s)
        if point == "after_store_before_mark":
            die()


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def store_at(target: str, folder: Path) -> ChatStore:
    if target == "sqlite":
        return ElsewhereChats(SqliteDatabase(folder / "elsewhere.db", synchronous="NORMAL"))
    return MongoChats(MongoDatabase(target, options=MongoOptions(min_pool=0, timeout_s=60.0)))


def open_chats(folder: Path, target: str, point: str = ANYWHERE) -> JournaledChats:
    store: Any = Crashing(store_at(target, folder), point)
    return JournaledChats(store, SqliteMessageLog(folder / "journal"), OPTIONS)


def session_of(run: str) -> str:
    return f"run {run}"


def content_of(session: str, seq: int) -> str:
    return f"{session}, message {seq}"


async def talk(chats: JournaledChats, session: str, sent: TextIO, told: TextIO) -> None:
    while True:
        taken = await chats.reserve(build_session(session), scope=ANNA, count=2, now=NOW)
        numbers = (taken.next_seq - 2, taken.next_seq - 1)
        sent.writelines(f"{session}\t{seq}\n" for seq in numbers)
        turn = [build_message(seq, content_of(session, seq), session=session) for seq in numbers]
        await chats.put_messages([(ANNA, message) for message in turn])
        told.writelines(f"{session}\t{seq}\n" for seq in numbers)


async def write(folder: Path, target: str, point: str, run: str) -> None:
    chats = open_chats(folder, target, point)
    await chats.open()
    with (folder / "sent").open("a", buffering=1) as sent, (folder / "told").open("a", buffering=1) as told:
        await asyncio.gather(*(talk(chats, session_of(run), sent, told) for _ in range(TALKING)))


if __name__ == "__main__":
    asyncio.run(write(Path(sys.argv[1]), *sys.argv[2:]))
