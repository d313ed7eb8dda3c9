"""Background work over HTTP: what waits, and what was given up."""

from context0.wire.base import Record, Time


class TaskRecord(Record):
    """A memory whose index work was given up: it is found by word, person and date, but not by meaning."""

    memory_id: str
    reason: str
    attempts: int
    failed_at: Time | None = None


class TaskList(Record):
    """A page of what was given up, in order of ids. pending: how many memories still wait for their index work."""

    items: tuple[TaskRecord, ...]
    next_cursor: str | None = None
    pending: int


class TasksTaken(Record):
    """How many pieces of given-up work a request was about."""

    count: int
