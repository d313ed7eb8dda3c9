"""Context0: the memory that any assistant can have. Importing it loads nothing and opens nothing."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from context0.chat.service import ChatService
    from context0.memory.engine import MemoryEngine
    from context0.memory.results import ErasureReceipt, FoundMemory, SearchResult
    from context0.sdk.async_client import AsyncContext0Client
    from context0.sdk.client import Context0Client
    from context0.settings import Settings
    from context0.wire import ChatReply
    from stores.records import HistoryEntry, Memory, Page

__version__ = "0.1.0"

__all__ = [
    "AsyncContext0Client",
    "ChatReply",
    "ChatService",
    "Context0Client",
    "ErasureReceipt",
    "FoundMemory",
    "HistoryEntry",
    "Memory",
    "MemoryEngine",
    "Page",
    "SearchResult",
    "Settings",
]

_HOMES = {
    "AsyncContext0Client": "context0.sdk.async_client",
    "ChatReply": "context0.wire",
    "ChatService": "context0.chat.service",
    "Context0Client": "context0.sdk.client",
    "ErasureReceipt": "context0.memory.results",
    "FoundMemory": "context0.memory.results",
    "HistoryEntry": "stores.records",
    "Memory": "stores.records",
    "MemoryEngine": "context0.memory.engine",
    "Page": "stores.records",
    "SearchResult": "context0.memory.results",
    "Settings": "context0.settings",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'context0' has no attribute {name!r}")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
