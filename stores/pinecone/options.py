"""The knobs of the Pinecone store, each with its unit, range and default."""

from dataclasses import dataclass, field
from typing import Final

from stores.monitoring import CommandObserver

MAX_BATCH_RECORDS: Final = 1_000
MAX_BATCH_BYTES: Final = 2_000_000
"""What Pinecone takes in one upsert: https://docs.pinecone.io/reference/api/database-limits/operation-limits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PineconeOptions:
    """How to reach an index, and how long and how hard to try.

    api_key: required to open; never part of a repr or a message.
    host: the index's own address, "https://…svc.pinecone.io" or "http://127.0.0.1:…"; without it one request to
    `control_host` finds it by the index's name.
    query_timeout_s, write_timeout_s, open_timeout_s: for a whole call, its retries and batches included.
    max_batch_bytes: what one upsert may hold. Bodies come out at about 60 % of it, and the driver encodes them on the
    event loop at 4 ms per MB, so the default holds the loop for about a millisecond; 2,000,000 makes fewer requests.
    max_concurrent_batches, max_concurrent_queries: requests under way at once, of this store as a whole.
    observer: is told of every call with its retries, under "pinecone".
    """

    api_key: str = field(default="", repr=False)
    host: str = ""
    control_host: str = "https://api.pinecone.io"
    open_timeout_s: float = 10.0
    query_timeout_s: float = 5.0
    write_timeout_s: float = 30.0
    max_batch_records: int = MAX_BATCH_RECORDS
    max_batch_bytes: int = 512_000
    max_concurrent_batches: int = 4
    max_concurrent_queries: int = 16
    observer: CommandObserver | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Raise ValueError for a value out of its range."""
        if not 1 <= self.max_batch_records <= MAX_BATCH_RECORDS:
            raise ValueError(f"max_batch_records is 1..{MAX_BATCH_RECORDS}, not {self.max_batch_records}")
        if not 1 <= self.max_batch_bytes <= MAX_BATCH_BYTES:
            raise ValueError(f"max_batch_bytes is 1..{MAX_BATCH_BYTES}, not {self.max_batch_bytes}")
        if min(self.max_concurrent_batches, self.max_concurrent_queries) < 1:
            raise ValueError("max_concurrent_batches and max_concurrent_queries are at least 1")
        if min(self.open_timeout_s, self.query_timeout_s, self.write_timeout_s) <= 0:
            raise ValueError("a timeout is a positive number of seconds")
