"""Which backends the contract suite of replies runs on."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from stores.reference.replies import ReferenceReplies
from stores.reply_protocol import ReplyStore
from stores.sqlite.database import SqliteDatabase
from stores.sqlite.replies import SqliteReplies
from tests.contracts.backends import Backend, Capability


@asynccontextmanager
async def _reference(_folder: Path) -> AsyncIterator[ReplyStore]:
    yield ReferenceReplies()


@asynccontextmanager
async def _sqlite(folder: Path) -> AsyncIterator[ReplyStore]:
    store = SqliteReplies(SqliteDatabase(folder / "context0.db"))
    try:
        await store.open()
        yield store
    finally:
        await store.aclose()


@asynccontextmanager
async def _mongodb(_folder: Path) -> AsyncIterator[ReplyStore]:
    from stores.mongo.client import MongoDatabase
    from stores.mongo.replies import MongoReplies
    from tests.mongo_server import OPTIONS, database_url, drop, fresh_name

    url = database_url(fresh_name())
    store = MongoReplies(MongoDatabase(url, options=OPTIONS))
    try:
        await store.open()
        yield store
    finally:
        await store.aclose()
        await asyncio.to_thread(drop, url)


REPLY_BACKENDS: Final[Mapping[str, Backend[ReplyStore]]] = {
    "reference": Backend(open=_reference, capabilities=frozenset()),
    "sqlite": Backend(open=_sqlite, capabilities=frozenset({Capability.DURABLE})),
    "mongodb": Backend(open=_mongodb, capabilities=frozenset({Capability.DURABLE})),
}
