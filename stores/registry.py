"""URL scheme to backend: the only dynamic import of the stores. A new backend is one builder and one table line."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Final, Literal
from urllib.parse import unquote, urlsplit

from stores.protocols import DocumentStore, GraphStore, VectorStore


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreOptions:
    """What the backends can be told; each takes what concerns it. Values only: settings are read elsewhere."""

    sqlite_synchronous: Literal["FULL", "NORMAL"] = "FULL"
    mongodb_timeout_ms: int = 5_000
    slow_command_ms: int = 100
    pinecone_api_key: str = field(default="", repr=False)
    vector_max_bytes: int = 1 << 30
    hnsw_from: int = 50_000
    staleness_s: float = 1.0


DOCUMENT_STORES: Final[Mapping[str, str]] = {
    "sqlite": "stores.sqlite.build:build",
    "mongodb": "stores.mongo.build:build",
    "mongodb+srv": "stores.mongo.build:build",
    "reference": "stores.reference.build:build",
}
VECTOR_STORES: Final[Mapping[str, str]] = {
    "local": "stores.local.build:build",
    "pinecone": "stores.pinecone.build:build",
}


def build_documents(url: str, options: StoreOptions) -> tuple[DocumentStore, GraphStore]:
    """Return the document store of `url` and the graph beside it, unopened. Raises ValueError for a bad URL."""
    documents, graph = _builder(DOCUMENT_STORES, url, "store_url")(url, options)
    return documents, graph


def build_vectors(url: str, documents: DocumentStore, options: StoreOptions) -> VectorStore:
    """Return the vector store of `url`, unopened. Raises ValueError for a bad URL."""
    store: VectorStore = _builder(VECTOR_STORES, url, "vector_url")(url, documents, options)
    return store


def path_of(url: str) -> str:
    """Return the path of a file URL: sqlite:///relative.db, sqlite:////absolute.db. Raises ValueError without one."""
    parts = urlsplit(url)
    path = unquote(parts.path[1:])
    if parts.netloc or not path:
        raise ValueError("write sqlite:///relative/path.db or sqlite:////absolute/path.db")
    return path


def _builder(table: Mapping[str, str], url: str, setting: str) -> Callable[..., Any]:
    scheme, separator, _ = url.partition("://")
    if not separator or scheme not in table:
        raise ValueError(f"{setting}: no backend for {scheme[:40]!r}; known are {', '.join(f'{s}://' for s in table)}")
    module, _, name = table[scheme].partition(":")
    builder: Callable[..., Any] = getattr(import_module(module), name)
    return builder
