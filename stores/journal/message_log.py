"""What the journal asks of the file that it is kept in."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

from stores.records import Message, Scope, SessionId

Room = tuple[str, SessionId]
"""A session of an owner."""


class Entry(NamedTuple):
    """One message that the store has not confirmed. Numbers grow; a message written anew gets a new one.

    begun_s: see `stores.lateness`.
    """

    number: int
    scope: Scope
    message: Message
    begun_s: float | None = None


class Appended(NamedTuple):
    """The number of the last entry written, and how many more entries there are than before."""

    last: int
    added: int


class Waiting(NamedTuple):
    """What a log holds when it is opened: the last entry's number by session, and how many entries there are."""

    last_by_room: Mapping[Room, int]
    entries: int


class MessageLog(Protocol):
    """Messages in the order in which they were taken, one entry for each (owner, session, seq).

    Every call is durable when it returns. Raises Full, Unavailable; what raised has not happened.
    """

    async def open(self) -> Waiting:
        """Open a log of this process's own, and take over what processes that are dead have left."""

    async def aclose(self) -> None:
        """Let go of the log; whoever opens one next takes over what is left in it. Twice is harmless."""

    async def append(self, messages: Sequence[tuple[Scope, Message]], begun_s: Sequence[float | None]) -> Appended:
        """Write entries at the end; one of the same place before them goes. begun_s: one for each."""

    async def oldest(self, limit: int, *, until: int) -> list[Entry]:
        """Return up to `limit` entries that were not set aside, in order, numbered up to `until`."""

    async def of_session(self, room: Room, *, limit: int, before: int | None) -> list[Message]:
        """Return the messages of a session with the `limit` greatest numbers below `before`, in no order."""

    async def forget(self, numbers: Collection[int]) -> int:
        """Remove entries, and return how many of them were still there."""

    async def set_aside(self, number: int) -> None:
        """Keep an entry without offering it again; it is readable, and offered anew when the log is next opened."""

    async def erase(self, scope: Scope, session_id: SessionId | None = None) -> int:
        """Remove the entries of an owner or of one session, every byte of them, and return how many there were."""

    async def clean(self) -> None:
        """Leave no byte of removed entries in the files."""

    @property
    def place(self) -> str:
        """Where the log is, for people."""
