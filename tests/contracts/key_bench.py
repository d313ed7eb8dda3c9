"""Which backends the contract suite of API keys runs on."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from stores.key_protocol import KeyStore
from stores.reference.keys import ReferenceKeys
from stores.sqlite.database import SqliteDatabase
from stores.sqlite.keys import SqliteKeys
from tests.contracts.backends import Backend, Capability


@asynccontextmanager
async def _reference(_folder: Path) -> AsyncIterator[KeyStore]:
    yield ReferenceKeys()


@asynccontextmanager
async def _sqlite(folder: Path) -> AsyncIterator[KeyStore]:
    store = SqliteKeys(SqliteDatabase(folder / "context0.db"))
    try:
        await store.open()
        yield store
    finally:
        await store.aclose()


@asynccontextmanager
async def _mongodb(_folder: Path) -> AsyncIterator[KeyStore]:
    from stores.mongo.client import MongoDatabase
    from stores.mongo.keys import MongoKeys
    from tests.mongo_server import OPTIONS, database_url, drop, fresh_name

    url = database_url(fresh_name())
    store = MongoKeys(MongoDatabase(url, options=OPTIONS))
    try:
        await store.open()
        yield store
    finally:
        await store.aclose()
        await asyncio.to_thread(drop, url)


KEY_BACKENDS: Final[Mapping[str, Backend[KeyStore]]] = {
    "reference": Backend(open=_reference, capabilities=frozenset()),
    "sqlite": Backend(open=_sqlite, capabilities=frozenset({Capability.DURABLE})),
    "mongodb": Backend(open=_mongodb, capabilities=frozenset({Capability.DURABLE})),
}
