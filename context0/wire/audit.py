"""The audit trail over HTTP: what was done with a user's memory, when, and by which credential."""

from context0.wire.base import Record, Time


class AuditRecord(Record):
    """One request that was served. actor: the credential. action: the route. targets: ids in it, never content.

    code: over this line and the code of the line before.
    """

    seq: int
    at: Time
    actor: str
    action: str
    targets: tuple[str, ...] = ()
    total: int = 0
    outcome: str = ""
    request_id: str = ""
    code: str = ""


class AuditList(Record):
    """A page of the trail, newest first."""

    items: tuple[AuditRecord, ...]
    next_cursor: str | None = None
