"""The store of replies over a dict: what the protocol means, in the fewest words."""

from dataclasses import dataclass, replace
from datetime import datetime

from stores.records import Scope
from stores.reply_protocol import Reply, ReplyClaim, ReplyRecord


@dataclass(frozen=True, slots=True)
class _Kept:
    scope: Scope
    record: ReplyRecord
    held_until: datetime
    expires_at: datetime


class ReferenceReplies:
    """A ReplyStore that keeps everything in a dict."""

    name = "reference-replies"

    def __init__(self) -> None:
        self._kept: dict[str, _Kept] = {}

    async def open(self) -> None:
        """Nothing to connect to."""

    async def aclose(self) -> None:
        """Nothing to close."""

    async def claim(self, claim: ReplyClaim, *, now: datetime, until: datetime, expires_at: datetime) -> ReplyRecord:
        there = self._kept.get(claim.id)
        if there is not None and there.expires_at > now:
            lapsed = there.record.reply is None and there.held_until <= now
            if not lapsed or there.record.fingerprint != claim.fingerprint:
                return there.record
        record = ReplyRecord(fingerprint=claim.fingerprint, holder=claim.holder)
        self._kept[claim.id] = _Kept(claim.scope, record, until, expires_at)
        return record

    async def hold(self, claim: ReplyClaim, *, until: datetime) -> bool:
        kept = self._held(claim)
        if kept is not None:
            self._kept[claim.id] = replace(kept, held_until=until)
        return kept is not None

    async def keep(self, claim: ReplyClaim, reply: Reply) -> bool:
        kept = self._held(claim)
        if kept is not None:
            self._kept[claim.id] = replace(kept, record=replace(kept.record, reply=reply))
        return kept is not None

    async def release(self, claim: ReplyClaim) -> None:
        if self._held(claim) is not None:
            del self._kept[claim.id]

    async def sweep(self, *, now: datetime) -> int:
        return self._remove([name for name, kept in self._kept.items() if kept.expires_at <= now])

    async def erase(self, scope: Scope) -> int:
        return self._remove([name for name, kept in self._kept.items() if kept.scope == scope])

    async def count(self, scope: Scope) -> int:
        return sum(kept.scope == scope for kept in self._kept.values())

    def _held(self, claim: ReplyClaim) -> _Kept | None:
        kept = self._kept.get(claim.id)
        mine = kept is not None and kept.scope == claim.scope and kept.record.holder == claim.holder
        return kept if mine and kept is not None and kept.record.reply is None else None

    def _remove(self, names: list[str]) -> int:
        for name in names:
            del self._kept[name]
        return len(names)
