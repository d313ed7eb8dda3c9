"""URL scheme to backend: the only dynamic import of the stores. A new backend is one builder and one table line."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import unquote, urlsplit

from stores.audit import AuditStore
from stores.chat_protocol import ChatStore
from stores.journal.chats import JournaledChats
from stores.journal.options import JournalOptions
from stores.key_protocol import KeyStore
from stores.monitoring import CommandObserver
from stores.protocols import CacheStore, DocumentStore, GraphStore, VectorStore
from stores.reply_protocol import ReplyStore
from stores.retrying import RetryAllowance


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreOptions:
    """What the backends can be told; each takes what concerns it. Values only: settings are read elsewhere."""

    sqlite_synchronous: Literal["FULL", "NORMAL"] = "FULL"
    mongodb_timeout_ms: int = 5_000
    slow_command_ms: int = 100
    pinecone_api_key: str = field(default="", repr=False)
    vector_max_bytes: int = 1 << 30
    vector_folder: Path | None = None
    vector_files_from: int = 20_000
    staleness_s: float = 1.0
    observer: CommandObserver | None = None
    retries: RetryAllowance | None = None
    cache_deadline_ms: float = 50.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSet:
    """The stores of one `store_url`, unopened: they share its connections."""

    documents: DocumentStore
    graph: GraphStore
    chats: ChatStore
    keys: KeyStore
    replies: ReplyStore
    audit: AuditStore


STORES: Final[Mapping[str, str]] = {
    "sqlite": "stores.sqlite.build:build",
    "mongodb": "stores.mongo.build:build",
    "mongodb+srv": "stores.mongo.build:build",
    "reference": "stores.reference.build:build",
}
VECTOR_STORES: Final[Mapping[str, str]] = {
    "local": "stores.local.build:build",
    "pinecone": "stores.pinecone.build:build",
}
_OF_FILES: Final = frozenset({"sqlite", "reference", "local", "unix", "memory"})
CACHE_STORES: Final[Mapping[str, str]] = {
    "redis": "stores.redis.build:build",
    "rediss": "stores.redis.build:build",
}


_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]*")
_LARGEST_PORT: Final = 65_535


def check_url(url: str, setting: str) -> None:
    """Refuse a URL that a driver would take apart otherwise than it was meant, and quote in its error.

    Raises ValueError, which shows nothing of it: what was not escaped may be a part of a password. S14.
    """
    scheme, separator, rest = url.partition("://")
    if scheme.isalpha() and not separator:
        raise ValueError(f"{setting}: no backend for {scheme[:40]!r}; write it as scheme://host/name")
    if not separator or not _SCHEME.fullmatch(scheme):
        raise ValueError(f"{setting}: no backend for this; write it as scheme://host/name or scheme:///path")
    place = re.split("[/?#]", rest, maxsplit=1)[0]
    credentials, _, hosts = place.rpartition("@")
    if scheme not in _OF_FILES and ("@" in rest.removeprefix(place) or re.search(r"[\[\]@]", credentials)):
        raise ValueError(f"{setting}: write / ? # @ [ ] in a user or password as %2F %3F %23 %40 %5B %5D")
    for host in hosts.split(","):
        port = host.rpartition("]")[2].partition(":")[2]
        if port and not (port.isascii() and port.isdigit() and int(port) <= _LARGEST_PORT):
            raise ValueError(f"{setting}: the port of a host is no number up to {_LARGEST_PORT}")


def build_stores(url: str, options: StoreOptions) -> StoreSet:
    """Return the stores of `url`, unopened. Raises ValueError for a bad URL."""
    stores: StoreSet = _builder(STORES, url, "store_url")(url, options)
    return stores


def journaled(
    chats: ChatStore,
    url: str,
    folder: Path,
    *,
    options: JournalOptions,
    synchronous: Literal["FULL", "NORMAL"] = "FULL",
) -> ChatStore:
    """Return the chat store of `url` behind a journal in `folder`, unopened; as it is where writes are local anyway.

    Each store has a folder of its own there, named by its hosts and database: what waits for one goes to no other.
    """
    if chats.local or not options.interval_s:
        return chats
    module = import_module("stores.sqlite.message_log")
    return JournaledChats(chats, module.SqliteMessageLog(store_folder(url, folder), synchronous=synchronous), options)


def store_folder(url: str, folder: Path) -> Path:
    """Return where the files for the store of `url` lie in `folder`; user, password and options do not matter."""
    parts = urlsplit(url)
    hosts = ",".join(sorted(parts.netloc.rpartition("@")[2].lower().split(",")))
    return folder / sha256(f"{parts.scheme}://{hosts}{parts.path}".encode()).hexdigest()[:16]


def build_vectors(url: str, documents: DocumentStore, options: StoreOptions) -> VectorStore:
    """Return the vector store of `url`, unopened. Raises ValueError for a bad URL."""
    store: VectorStore = _builder(VECTOR_STORES, url, "vector_url")(url, documents, options)
    return store


def build_cache(url: str, options: StoreOptions) -> CacheStore | None:
    """Return the shared cache of `url`, unconnected; None for memory://, which is the process alone.

    Raises ValueError for a bad URL, or when what it needs is not installed.
    """
    if url.startswith("memory://"):
        return None
    try:
        store: CacheStore = _builder({"memory": "", **CACHE_STORES}, url, "cache_url")(url, options)
    except ModuleNotFoundError as exc:
        raise ValueError(f"cache_url needs {exc.name}, which is not installed: pip install 'context0[redis]'") from exc
    return store


def path_of(url: str) -> str:
    """Return the path of a file URL: sqlite:///relative.db, sqlite:////absolute.db. Raises ValueError without one."""
    parts = urlsplit(url)
    path = unquote(parts.path[1:])
    if parts.netloc or not path:
        raise ValueError("write sqlite:///relative/path.db or sqlite:////absolute/path.db")
    return path


def _builder(table: Mapping[str, str], url: str, setting: str) -> Callable[..., Any]:
    check_url(url, setting)
    scheme = url.partition("://")[0]
    if scheme not in table:
        raise ValueError(f"{setting}: no backend for {scheme[:40]!r}; known are {', '.join(f'{s}://' for s in table)}")
    module, _, name = table[scheme].partition(":")
    builder: Callable[..., Any] = getattr(import_module(module), name)
    return builder
