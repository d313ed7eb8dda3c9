"""The audit trail of each owner: what was done, when, by which credential; and how a line that is missing shows.

A line holds no content and no query: names of actions, ids, counts. The owner stands there as a digest, so that the
trail may outlive an erasure. Each line carries a code over itself and the code of the line before; the head, kept apart
from the lines, tells how many there are: so a line that was changed, put in or taken out shows, at the end too.
"""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import NamedTuple, Protocol

import orjson

MAX_TARGETS = 20
"""Ids in one line; `total` counts them all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditLine:
    """One thing that was done. owner: a digest. seq: counts an owner's lines, from 1. at: UTC in whole milliseconds.

    actor: the credential, such as "key:3f2a". action: such as "POST /v1/memories". targets: ids. outcome: HTTP status.
    code: over all of this and the code of the line before.
    """

    owner: str
    seq: int
    at: datetime
    actor: str
    action: str
    targets: tuple[str, ...] = ()
    total: int = 0
    outcome: str = ""
    request_id: str = ""
    code: str = ""


class AuditHead(NamedTuple):
    """How many lines there are, and the code of the last one."""

    seq: int = 0
    code: str = ""


class AuditStore(Protocol):
    """The lines and heads of all owners. Nothing changes or removes a line.

    Like all stores (see `stores.protocols`): a failure raises `Unavailable` and is never an empty result.
    """

    @property
    def name(self) -> str: ...

    async def open(self) -> None: ...

    async def aclose(self) -> None: ...

    async def head(self, owner: str) -> AuditHead:
        """Return the owner's head, one of 0 lines if there is none. One round trip."""

    async def append(self, lines: Sequence[AuditLine]) -> None:
        """Write lines (1..1,000) of one owner, numbered in a row, behind the owner's last one; durable when it returns.

        Raises Conflict when a number is taken: somebody else was faster, and nothing was written. Two writes at most,
        the head last: a crash between them leaves a head that is behind, which the next one brings forward.
        """

    async def list_page(self, owner: str, *, limit: int, before: int | None = None) -> list[AuditLine]:
        """Return up to `limit` (1..1,001) lines numbered below `before`, the newest first. One round trip."""


def chained(line: AuditLine, before: str, key: bytes) -> AuditLine:
    """Return the line with its code. before: the code of the line before, "" for the first. key: the store's own."""
    told = [
        *(before, line.owner, line.seq, line.at.isoformat(), line.actor, line.action),
        *(list(line.targets), line.total, line.outcome, line.request_id),
    ]
    return replace(line, code=hmac.new(key, orjson.dumps(told), sha256).hexdigest())


async def first_broken(store: AuditStore, owner: str, key: bytes) -> int | None:
    """Return the number of the first line that is missing or not as it was written; None for a whole trail.

    Reads all of it, a thousand lines at a time.
    """
    head = await store.head(owner)
    expected, found, broken = head.seq, None, None
    after: AuditLine | None = None
    before: int | None = None
    while page := await store.list_page(owner, limit=1_000, before=before):
        for line in page:
            if found is None:
                found = line.seq
                if line.seq < expected or (line.seq == expected and line.code != head.code):
                    broken = min(line.seq + 1, expected)
            if after is not None and not _follows(after, line, key):
                broken = after.seq if line.seq == after.seq - 1 else line.seq + 1
            after = line
        before = page[-1].seq
    if after is None:
        return 1 if expected else None
    if after.seq != 1 or chained(after, "", key).code != after.code:
        broken = 1
    return broken


def _follows(line: AuditLine, former: AuditLine, key: bytes) -> bool:
    return line.seq == former.seq + 1 and hmac.compare_digest(chained(line, former.code, key).code, line.code)
