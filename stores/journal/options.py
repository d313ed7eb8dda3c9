"""How a journal works: bounds and intervals."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalOptions:
    """interval_s, max_changes: a flush starts when the first message has waited so long, or so many messages wait.

    max_batch: messages of one write to the store. max_pending: with so many unconfirmed messages no more are taken.
    backoff_s: the longest pause between attempts while the store cannot be written. close_s: the last flush, in
    `aclose`, takes no longer; what is left is replayed later. suspect_s: for so long after an erasure writes of what
    was erased are decided by the store; longer than a turn can take.
    """

    interval_s: float = 5.0
    max_changes: int = 10
    max_batch: int = 1_000
    max_pending: int = 100_000
    backoff_s: float = 60.0
    close_s: float = 5.0
    suspect_s: float = 900.0
