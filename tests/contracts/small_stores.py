"""Backends of the small stores, of which each is one class over a database: keys, replies, audit trails."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, TypeVar

from stores.sqlite.database import SqliteDatabase
from tests.contracts.backends import Backend, Capability


class SmallStore(Protocol):
    async def open(self) -> None: ...

    async def aclose(self) -> None: ...


S = TypeVar("S", bound=SmallStore)


def small_backends(
    reference: Callable[[], S], sqlite: Callable[[SqliteDatabase], S], mongodb: str
) -> Mapping[str, Backend[S]]:
    """Return the three backends. mongodb: "module:Class", loaded when a test needs it."""

    @asynccontextmanager
    async def in_memory(_folder: Path) -> AsyncIterator[S]:
        yield reference()

    @asynccontextmanager
    async def on_sqlite(folder: Path) -> AsyncIterator[S]:
        async with _opened(sqlite(SqliteDatabase(folder / "context0.db"))) as store:
            yield store

    @asynccontextmanager
    async def on_mongodb(_folder: Path) -> AsyncIterator[S]:
        from stores.mongo.client import MongoDatabase
        from tests.mongo_server import OPTIONS, database_url, drop, fresh_name

        module, _, name = mongodb.partition(":")
        made: Any = getattr(import_module(module), name)
        url = database_url(fresh_name())
        try:
            async with _opened(made(MongoDatabase(url, options=OPTIONS))) as store:
                yield store
        finally:
            await asyncio.to_thread(drop, url)

    durable = frozenset({Capability.DURABLE})
    return {
        "reference": Backend(open=in_memory, capabilities=frozenset()),
        "sqlite": Backend(open=on_sqlite, capabilities=durable),
        "mongodb": Backend(open=on_mongodb, capabilities=durable),
    }


@asynccontextmanager
async def _opened(store: S) -> AsyncIterator[S]:
    try:
        await store.open()
        yield store
    finally:
        await store.aclose()
