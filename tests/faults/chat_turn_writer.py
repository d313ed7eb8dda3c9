"""A process that talks until it is killed, or kills itself at one point of a turn; see `tests.faults.chat_turn_kills`.

It writes to FOLDER, one line each: `asked` when a turn has begun, `told` when it is done, with the memories that it
names, `written` when those are told.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

from context0.chat.service import ChatService
from context0.clock import SystemClock
from context0.llm.protocol import Prompt
from context0.llm.scripted import ScriptedLLM
from context0.memory.engine import MemoryEngine
from context0.memory.parts import EngineParts, Limits
from context0.wire import ChatEvent, DoneEvent, MemoryWrittenEvent, SessionEvent, TokenEvent
from stores.journal.options import JournalOptions
from stores.local.vectors import LocalVectors
from stores.sqlite.chats import SqliteChats
from stores.sqlite.database import SqliteDatabase
from stores.sqlite.documents import SqliteDocuments
from stores.sqlite.graph import SqliteGraph
from tests.contracts.chat_bench import ElsewhereChats, journal_over
from tests.engine_bench import HashingEmbedder

ANYWHERE: Final = "anywhere"
TOKEN: Final = "token"
KEPT: Final = "kept"
DONE: Final = "done"
BACKGROUND: Final = "background"
POINTS: Final = (ANYWHERE, TOKEN, KEPT, DONE, BACKGROUND)
"""anywhere: the parent kills it. token: after some token. kept: the answer is kept, and nobody was told. done: between
`done` and the flush. background: in the write of what is remembered."""
TARGETS: Final = ("sqlite", "journal")
USER: Final = "anna"
TALKING: Final = 2
_OPTIONS: Final = JournalOptions(interval_s=0.02, max_changes=10, backoff_s=0.05, close_s=60.0)


def answer_to(question: str) -> str:
    return f"You said: {question}"


def _answer(prompt: Prompt) -> str:
    return answer_to(prompt.question)


async def _give_way(_: float) -> None:
    await asyncio.sleep(0)


@dataclass(slots=True)
class Fuse:
    """Kills the process when it has come by `point` for the `left`-th time."""

    point: str
    left: int

    def passes(self, point: str) -> None:
        if point == self.point:
            self.left -= 1
            if self.left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)


class _Deadly:
    """A store before which, or behind which, the process dies."""

    def __init__(self, store: Any, fuse: Fuse) -> None:
        self._store = store
        self._fuse = fuse

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def put_messages(self, messages: Any, **options: Any) -> None:
        await self._store.put_messages(messages, **options)
        if messages[-1][1].role == "assistant":
            self._fuse.passes(KEPT)

    async def put_many(self, *arguments: Any, **options: Any) -> Any:
        self._fuse.passes(BACKGROUND)
        stored = await self._store.put_many(*arguments, **options)
        self._fuse.passes(BACKGROUND)
        return stored


@asynccontextmanager
async def open_chat(folder: Path, target: str, fuse: Fuse) -> AsyncIterator[ChatService]:
    database = SqliteDatabase(folder / "context0.db", synchronous="NORMAL")
    documents: Any = _Deadly(SqliteDocuments(database), fuse)
    if target == "sqlite":
        chats: Any = SqliteChats(database)
    else:
        elsewhere = ElsewhereChats(SqliteDatabase(folder / "elsewhere.db", synchronous="NORMAL"))
        chats = journal_over(elsewhere, folder / "journal", _OPTIONS)
    parts = EngineParts(
        documents=documents,
        graph=SqliteGraph(database),
        chats=_Deadly(chats, fuse),
        vectors=LocalVectors(documents),
        embedder=HashingEmbedder(),
        clock=SystemClock(),
        limits=Limits(index_interval_s=3600.0),
    )
    async with MemoryEngine(parts=parts) as engine:
        llm = ScriptedLLM(_answer, first_token_s=1.0, interval_s=1.0, sleep=_give_way)
        async with ChatService(engine, llm=llm) as service:
            yield service


class Ledger:
    """What the process was told, line by line; each is with the system when `note` returns."""

    def __init__(self, folder: Path, name: str) -> None:
        self._file = os.open(folder / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def note(self, *fields: str) -> None:
        os.write(self._file, ("\t".join(fields) + "\n").encode())


async def talk(folder: Path, target: str, point: str, run: int) -> None:
    """Talk in some sessions at the same time, until something kills the process."""
    fuse = Fuse(point, Random(run).randint(3, 60 if point == TOKEN else 8))
    ledgers = {name: Ledger(folder, name) for name in ("asked", "told", "written")}
    async with open_chat(folder, target, fuse) as service:
        await asyncio.gather(*(_talk(service, f"run {run} talk {number}", fuse, ledgers) for number in range(TALKING)))


async def _talk(service: ChatService, session: str, fuse: Fuse, ledgers: dict[str, Ledger]) -> None:
    turn = 0
    while True:
        turn += 1
        text = f"I like bread number {turn} of {session}"
        async for event in service.stream(text, user_id=USER, session_id=session):
            _note(event, session, text, ledgers)
            if isinstance(event, TokenEvent):
                fuse.passes(TOKEN)
            elif isinstance(event, DoneEvent):
                fuse.passes(DONE)


def _note(event: ChatEvent, session: str, text: str, ledgers: dict[str, Ledger]) -> None:
    match event:
        case SessionEvent():
            ledgers["asked"].note(session, text)
        case DoneEvent(message_id=str(message_id)):
            ledgers["told"].note(session, text, message_id, *event.memories_written)
        case MemoryWrittenEvent(memories=memories):
            for memory_id in memories:
                ledgers["written"].note(memory_id)
