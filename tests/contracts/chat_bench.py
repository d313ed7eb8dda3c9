"""Which backends the contract suite of chats runs on, and records for it with sensible defaults."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from stores.chat_protocol import ChatStore
from stores.journal.chats import JournaledChats
from stores.journal.options import JournalOptions
from stores.records import Decision, DecisionId, MemoryId, Message, MessageId, Scope, Session, SessionId
from stores.reference.chats import ReferenceChats
from stores.sqlite.chats import SqliteChats
from stores.sqlite.database import SqliteDatabase
from stores.sqlite.message_log import SqliteMessageLog
from tests.contracts.backends import Backend, Capability, imported
from tests.contracts.builders import ANNA, NOW, PAST, new_id

ONLY_WHEN_FULL: Final = JournalOptions(interval_s=3600.0, max_changes=1_000_000, close_s=30.0)
"""For tests that flush by themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatBench:
    """A chat store. settle: returns when what was acknowledged has reached the place where it stays."""

    store: ChatStore
    settle: Callable[[], Awaitable[None]]


async def nothing_to_do() -> None:
    """What was acknowledged is there."""


class ElsewhereChats(SqliteChats):
    """Stands for a store on another machine, for what is put before one."""

    name = "elsewhere"
    local = False


def journal_over(
    store: ChatStore, folder: Path, options: JournalOptions = ONLY_WHEN_FULL, **more: Any
) -> JournaledChats:
    return JournaledChats(store, SqliteMessageLog(folder, synchronous="NORMAL"), options, **more)


@asynccontextmanager
async def _reference(_folder: Path) -> AsyncIterator[ChatBench]:
    yield ChatBench(store=ReferenceChats(), settle=nothing_to_do)


@asynccontextmanager
async def _sqlite(folder: Path) -> AsyncIterator[ChatBench]:
    store = SqliteChats(SqliteDatabase(folder / "context0.db"))
    try:
        await store.open()
        yield ChatBench(store=store, settle=nothing_to_do)
    finally:
        await store.aclose()


@asynccontextmanager
async def _journal(folder: Path) -> AsyncIterator[ChatBench]:
    store = journal_over(ElsewhereChats(SqliteDatabase(folder / "elsewhere.db")), folder / "journal")
    try:
        await store.open()
        yield ChatBench(store=store, settle=store.flush)
    finally:
        await store.aclose()


CHAT_BACKENDS: Final[Mapping[str, Backend[ChatBench]]] = {
    "reference": Backend(open=_reference, capabilities=frozenset()),
    "sqlite": Backend(open=_sqlite, capabilities=frozenset({Capability.DURABLE, Capability.OWN_FILES})),
    "mongodb": Backend(
        open=imported("tests.mongo_server:open_chat_bench"), capabilities=frozenset({Capability.DURABLE})
    ),
    "journal": Backend(open=_journal, capabilities=frozenset({Capability.OWN_FILES})),
}


def build_session(name: str = "s1", *, at: datetime = PAST, **fields: Any) -> Session:
    return Session(id=SessionId(name), created_at=at, updated_at=at, **fields)


def build_message(seq: int, content: str = "", *, session: str = "s1", at: datetime = PAST, **fields: Any) -> Message:
    defaults: dict[str, Any] = {
        "id": MessageId(new_id()),
        "role": "user" if seq % 2 else "assistant",
        "content": content or f"message {seq}",
        "created_at": at,
    }
    return Message(session_id=SessionId(session), seq=seq, **defaults | fields)


def build_decision(name: str, *, at: datetime = PAST, **fields: Any) -> Decision:
    told: dict[str, Any] = {"reason": "contradicts", "new_id": MemoryId("new"), "old_id": MemoryId("old")}
    return Decision(id=DecisionId(name), created_at=at, **told | fields)


async def begin(store: ChatStore, name: str = "s1", *, scope: Scope = ANNA, at: datetime = NOW) -> Session:
    """Create a session, or take one number more in it."""
    return await store.reserve(build_session(name, at=at), scope=scope, count=1, now=at)


async def say(store: ChatStore, *messages: Message, scope: Scope = ANNA) -> None:
    await store.put_messages([(scope, message) for message in messages])


async def heard(store: ChatStore, session: str = "s1", *, scope: Scope = ANNA, limit: int = 1_000) -> list[Message]:
    return await store.recent(SessionId(session), scope=scope, limit=limit)


def numbers(messages: Sequence[Message]) -> list[int]:
    return [message.seq for message in messages]
