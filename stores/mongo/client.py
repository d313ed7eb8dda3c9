"""The connection to one MongoDB database: pools, deadlines, durability, and who closes it."""

import asyncio
import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Any, Final, Literal, cast
from urllib.parse import parse_qsl

import pymongo
from bson.codec_options import CodecOptions
from pymongo import AsyncMongoClient, ReadPreference, WriteConcern
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import ConfigurationError
from pymongo.monitoring import CommandListener

from stores.errors import StoreError, Unavailable
from stores.mongo.faults import translated
from stores.mongo.monitoring import CommandTimes, SlowCommandLog
from stores.mongo.retries import OneRetry
from stores.mongo.waits import mend_waits
from stores.monitoring import CommandObserver
from stores.retrying import RetryAllowance

if TYPE_CHECKING:
    from motor.motor_asyncio import AsyncIOMotorDatabase

Row = dict[str, Any]
CollectionName = Literal[
    "memories",
    "memory_history",
    "context0_meta",
    "context0_erasures",
    "chat_sessions",
    "chat_messages",
    "chat_profiles",
    "chat_decisions",
    "api_keys",
    "replies",
    "audit_lines",
    "audit_heads",
]

DEFAULT_DATABASE: Final = "context0"
CLOSE_S: Final = 1.0
_CODEC: Final[CodecOptions[Row]] = CodecOptions(tz_aware=True, tzinfo=UTC)
_DURABLE: Final = WriteConcern(w="majority", j=True)
_PREFIX: Final = re.compile(r"[A-Za-z0-9_-]{0,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class MongoOptions:
    """How to use a server. What the URL says about pools and timeouts wins over these.

    timeout_s: for one call, its retries and the selection of a server included (the driver then ignores
    server_selection_s, which bounds only the first contact). slow_command_ms: from here on a command is logged.
    observer: is told of every command instead, under "mongodb", and sees to the slow ones.
    late_s: writes that take longer look whether their owner was erased meanwhile; an erasure takes twice as long.
    collection_prefix: goes before the names of the collections, so that several stores can share a database.
    retries: what all calls together may repeat; a call is repeated once at most, see `retries`.
    """

    timeout_s: float = 5.0
    max_pool: int = 100
    min_pool: int = 10
    max_idle_s: float = 30.0
    wait_queue_s: float = 5.0
    server_selection_s: float = 5.0
    slow_command_ms: float = 100.0
    late_s: float = 0.5
    collection_prefix: str = ""
    listeners: tuple[CommandListener, ...] = ()
    observer: CommandObserver | None = None
    retries: RetryAllowance | None = None


_DEFAULTS: Final = MongoOptions()


class MongoDatabase:
    """One database, by URL or handed in; shared by the stores on it, and closed when the last of them is.

    By URL, the client is made on `open` and belongs to the event loop that runs then; the last `aclose` closes it.
    A database that was handed in (PyMongo's `AsyncDatabase`, or Motor's) is never closed here; deadlines and
    durability are the same, but its pools and its listeners, the slow-command log and the bound of retries included,
    are its owner's affair.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        database: "AsyncDatabase[Any] | AsyncIOMotorDatabase[Any] | None" = None,
        options: MongoOptions = _DEFAULTS,
    ) -> None:
        if (url is None) == (database is None):
            raise ValueError("give either a URL or a database")
        if not _PREFIX.fullmatch(options.collection_prefix):
            raise ValueError("a collection prefix holds up to 64 letters, digits, _ and -")
        self.options = options
        self._url = url
        self._timeout_s = _timeout_of(url, options)
        self._retry = OneRetry(options.retries)
        self._client: AsyncMongoClient[Row] | None = None
        self._database = None if database is None else _configured(cast("AsyncDatabase[Row]", database))
        self._users: set[object] = set()
        self._opening = asyncio.Lock()

    async def open(self, user: object) -> None:
        """Connect on behalf of `user`, which calls `aclose` later. Raises Unavailable; may be tried again."""
        async with self._opening:
            self._connect()
            try:
                with self._one_call(min(self._timeout_s, self.options.server_selection_s)):
                    await self.handle.command("ping")
            except BaseException:
                await self._disconnect_if_unused()
                raise
            self._users.add(user)

    async def aclose(self, user: object) -> None:
        """Let go of the connection; the last user closes it. Twice is harmless."""
        async with self._opening:
            self._users.discard(user)
            await self._disconnect_if_unused()

    async def ping(self) -> None:
        """One round trip. Raises Unavailable."""
        with self.calls():
            await self.handle.command("ping")

    @property
    def handle(self) -> AsyncDatabase[Row]:
        """The driver's database. Raises Unavailable before `open` and after `aclose`."""
        if self._database is None:
            raise Unavailable("the store is not open; call open() first")
        return self._database

    def collection(self, name: CollectionName) -> AsyncCollection[Row]:
        return self.handle.get_collection(self.collection_name(name))

    def collection_name(self, name: CollectionName) -> str:
        return self.options.collection_prefix + name

    def calls(self) -> AbstractContextManager[None]:
        """The context in which the driver is called: one deadline and one retry for all inside, and our errors."""
        return self._one_call(self._timeout_s)

    @contextmanager
    def _one_call(self, timeout_s: float) -> Iterator[None]:
        with translated(timeout_s), self._retry.one_call():
            yield

    def _connect(self) -> None:
        if self._url is not None and self._client is None:
            mend_waits()
            self._client = _client(self._url, self.options, self._retry)
            self._database = _configured(self._client.get_default_database(DEFAULT_DATABASE))

    async def _disconnect_if_unused(self) -> None:
        if not self._users and self._client is not None:
            client, self._client, self._database = self._client, None, None
            with pymongo.timeout(CLOSE_S):  # the driver says goodbye to its sessions, and would wait for ever
                await client.close()


def _configured(database: AsyncDatabase[Row]) -> AsyncDatabase[Row]:
    """Return the database with our codec and durability, whatever its client was made with. Motor's is the same."""
    return database.with_options(_CODEC, read_preference=ReadPreference.PRIMARY, write_concern=_DURABLE)


def _client(url: str, options: MongoOptions, retry: OneRetry) -> AsyncMongoClient[Row]:
    """Return a client that has not connected yet. Raises StoreError for a URL that is none, without quoting it."""
    settings: dict[str, Any] = {
        "maxPoolSize": options.max_pool,
        "minPoolSize": options.min_pool,
        "maxIdleTimeMS": round(options.max_idle_s * 1000),
        "waitQueueTimeoutMS": round(options.wait_queue_s * 1000),
        "serverSelectionTimeoutMS": round(options.server_selection_s * 1000),
        "timeoutMS": round(options.timeout_s * 1000),
        "appname": "context0",
    }
    told = _told(url)
    chosen = {name: value for name, value in settings.items() if name.lower() not in told}
    watcher = SlowCommandLog(options.slow_command_ms) if options.observer is None else CommandTimes(options.observer)
    listeners = [watcher, retry, *options.listeners]
    try:
        return AsyncMongoClient(url, event_listeners=listeners, w="majority", journal=True, **chosen)
    except (ConfigurationError, ValueError, TypeError):
        raise StoreError("this MongoDB URL cannot be used; write mongodb://user:password@host:port/database") from None


def _told(url: str) -> Mapping[str, str]:
    """Return the options that the URL gives, by lower-case name."""
    return {name.lower(): value for name, value in parse_qsl(url.partition("?")[2])}


def _timeout_of(url: str | None, options: MongoOptions) -> float:
    told = _told(url or "").get("timeoutms", "")
    return int(told) / 1000 if told.isdigit() and int(told) else options.timeout_s
