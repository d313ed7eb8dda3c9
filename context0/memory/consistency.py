"""What each process has written for an owner, as tokens, and which of that this process is sure to show."""

import hmac
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import Final

from cachetools import LRUCache

from context0.clock import to_ms
from context0.errors import InvalidConsistencyToken
from stores.records import Scope

_OWNERS: Final = 100_000
_PROCESSES: Final = 32
"""So many processes' writes are remembered as seen, for each owner."""
MOST_TOKENS: Final = 16
_LONGEST: Final = 256
_SIGNATURE_BYTES: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a token stands for: the owner's writes of one process up to a number, the last of them not before a time."""

    process: str
    number: int
    since_ms: int


class Consistency:
    """Numbers the changes of this process, and signs the number of an owner's latest: `process.number.time.signature`.

    So a token of a process covers those of the same process with a smaller number, which clients may drop. It holds for
    its owner alone.
    """

    def __init__(self) -> None:
        self._process = secrets.token_hex(4)
        self._secret = b""
        self._numbers = count(1)
        self._latest: LRUCache[str, tuple[int, datetime]] = LRUCache(_OWNERS)
        self._seen: LRUCache[str, dict[str, int]] = LRUCache(_OWNERS)

    def arm(self, key: bytes) -> None:
        """Begin, with the key of the store: the same in all its processes."""
        self._secret = hmac.digest(key, b"consistency", "sha256")

    def changed(self, scope: Scope, since: datetime) -> None:
        """Take note of a change that is durable. since: a time that is not after its own."""
        self._latest[scope.owner] = (next(self._numbers), since)

    def token(self, scope: Scope) -> str | None:
        """Return the token of all that this process has written for the owner; None if that is nothing of late."""
        latest = self._latest.get(scope.owner)
        if latest is None:
            return None
        number, since = latest
        body = f"{self._process}.{number}.{to_ms(since)}"
        return f"{body}.{self._signature(body, scope)}"

    def unseen(self, told: str, scope: Scope) -> Sequence[Claim]:
        """Return what tokens, with commas between, claim that this process may not show yet.

        Raises InvalidConsistencyToken.
        """
        texts = told.split(",")
        if len(texts) > MOST_TOKENS:
            raise InvalidConsistencyToken(f"send at most {MOST_TOKENS} consistency tokens: the latest of each process")
        claims = [self._read(text.strip(), scope) for text in texts]
        seen = self._seen.get(scope.owner, {})
        return [one for one in claims if one.process != self._process and one.number > seen.get(one.process, 0)]

    def saw(self, claims: Sequence[Claim], scope: Scope) -> None:
        """Take note that this process shows what is claimed."""
        seen = self._seen.setdefault(scope.owner, {})
        for one in claims:
            seen[one.process] = max(one.number, seen.pop(one.process, 0))
        while len(seen) > _PROCESSES:
            del seen[next(iter(seen))]

    def _read(self, text: str, scope: Scope) -> Claim:
        body, _, signature = text.rpartition(".")
        is_ours = len(text) <= _LONGEST and text.isascii()
        if not is_ours or not hmac.compare_digest(signature, self._signature(body, scope)):
            raise InvalidConsistencyToken(
                "the consistency token was changed, or belongs to another owner or store; leave it out"
            )
        process, number, since_ms = body.split(".")
        return Claim(process=process, number=int(number), since_ms=int(since_ms))

    def _signature(self, body: str, scope: Scope) -> str:
        owner = scope.owner.encode()
        told = len(owner).to_bytes(4, "big") + owner + body.encode()
        return urlsafe_b64encode(hmac.digest(self._secret, told, "sha256")[:_SIGNATURE_BYTES]).rstrip(b"=").decode()
