"""What has changed in an owner's memories, told to whoever keeps something made of them in this process."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from stores.records import Memory, MemoryId, Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoriesWritten:
    """Memories were added or changed."""

    memories: Sequence[Memory]


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoriesRemoved:
    """Memories were deleted, have expired, or no longer hold."""

    ids: Sequence[MemoryId]


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoriesRestored:
    """Memories hold again."""

    ids: Sequence[MemoryId]


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerErased:
    """Everything of the owner is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedElsewhere:
    """Another process has changed something of the owner, nobody knows what."""


Change = MemoriesWritten | MemoriesRemoved | MemoriesRestored | OwnerErased | ChangedElsewhere
Watcher = Callable[[Scope, Change], None]
"""Called after the change is durable, on the event loop; quick, and raises nothing."""
