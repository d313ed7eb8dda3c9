"""What a peer of the benchmark is: the same few operations on whatever store it has."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

from harness.corpus import Memory, Question


class Found(NamedTuple):
    """One hydrated memory, as the peer itself names it."""

    id: str
    content: str


class Peer(Protocol):
    """A store of memories, constructed with the corpus' `PrecomputedEmbedder` in case it takes an embedding function.

    All methods are coroutines, so that nobody pays for an adapter: a synchronous peer just blocks.
    """

    async def open(self, path: Path) -> None:
        """Open or create the store in the folder `path`. Everything that has to be imported is imported before."""
        ...

    async def durability(self) -> str:
        """Say how commits are made durable, by asking the open database where it can be asked."""
        ...

    async def add(self, memory: Memory) -> str:
        """Store one memory, searchable and as durable as the peer makes it on return; give its id."""
        ...

    async def add_many(self, memories: Sequence[Memory]) -> list[str]:
        """Store memories of one owner by the peer's own bulk call; give the ids in the same order."""
        ...

    async def search_vector(self, question: Question, k: int) -> list[Found]:
        """Return the `k` nearest memories of the question's owner, best first, with their contents."""
        ...

    async def get(self, owner: str, memory_id: str) -> Found:
        """Fetch one memory by its id."""
        ...

    async def seek(self, owner: str, number: int, size: int) -> object:
        """Find where page `number` (from 1) begins, as a client that read the pages before would know; not timed."""
        ...

    async def page(self, owner: str, position: object, size: int) -> list[Found]:
        """Return the page of `size` memories that begins at `position`."""
        ...

    async def close(self) -> None:
        """Close the store."""
        ...


@runtime_checkable
class SearchesAllArms(Protocol):
    """A peer whose search joins vectors with words (and whatever else it has)."""

    async def search_all(self, question: Question, k: int) -> list[Found]:
        """Return the `k` best memories of the question's owner over all arms, with their contents."""
        ...


@runtime_checkable
class BuildsIndexes(Protocol):
    """A peer that wants its indexes built after the bulk load. Timed apart, not charged to the bulk load."""

    async def build_indexes(self) -> None: ...


@runtime_checkable
class Asynchronous(Protocol):
    """A peer whose calls may be under way together on one event loop; all others block it."""

    asynchronous: bool


@runtime_checkable
class EmbedsItself(Protocol):
    """A peer whose searches include the embedding of the question."""

    embeds_itself: bool
