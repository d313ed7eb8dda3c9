"""What a store of replies must do: every obligation that tests/contracts/test_replies.py checks.

A reply is kept under what the caller called the request (an idempotency key), so that the same request again gets the
same reply and has no second effect. Like all stores (see `stores.protocols`): a call sees only its owner's; a failure
raises `Unavailable` and is never an empty result; `open` may be called again, `aclose` twice.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from stores.records import Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyClaim:
    """A request that somebody is about to carry out. id: of owner, route and key together, as the caller makes it.

    fingerprint: of all that was asked. holder: who carries it out, a new name each time.
    """

    id: str
    scope: Scope
    fingerprint: str
    holder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What was answered. headers: those that the same reply has again."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyRecord:
    """What is kept under an id. reply: None while it is carried out."""

    fingerprint: str
    holder: str
    reply: Reply | None = None


class ReplyStore(Protocol):
    """The replies of all owners, each until its time is over."""

    @property
    def name(self) -> str: ...

    async def open(self) -> None: ...

    async def aclose(self) -> None: ...

    async def claim(self, claim: ReplyClaim, *, now: datetime, until: datetime, expires_at: datetime) -> ReplyRecord:
        """Take an id until then, and return what is there after that: taken, if its holder is the claim's.

        It is free where there is nothing, or something whose time is over; also, for the same fingerprint, where its
        holder has told no outcome and its time to do so is over. Of those who claim it at the
        same moment one gets it. Durable when it returns. One round trip where it is free, two where a reply is there.
        """

    async def hold(self, claim: ReplyClaim, *, until: datetime) -> bool:
        """Keep what was taken for longer; False where it is not the holder's any more. One round trip."""

    async def keep(self, claim: ReplyClaim, reply: Reply) -> bool:
        """Keep the reply, durably, until the claim expires; False, and nothing is kept, where it is not the holder's
        any more: another has taken it over, or its owner was erased. One round trip.
        """

    async def release(self, claim: ReplyClaim) -> None:
        """Let go of what was taken and had no effect; harmless where it is not the holder's. One round trip."""

    async def sweep(self, *, now: datetime) -> int:
        """Remove what is over, of all owners, and return how much that was."""

    async def erase(self, scope: Scope) -> int:
        """Remove everything of an owner, and return how much that was."""

    async def count(self, scope: Scope) -> int:
        """Return how much there is of an owner."""
