"""What can go wrong in a store.

StoreError
├── Unavailable          the store cannot be reached, or broke the connection
│   └── Timeout          it did not answer within its deadline
├── NotFound             no such memory, session or decision in this scope (another owner's looks the same)
├── Conflict             somebody else changed it first
├── Erased               the owner was erased after the write had begun: nothing of it was kept
├── DimensionMismatch    a vector of another length than the store holds
├── InvalidVector        a vector that is not finite or is zero
├── InvalidCursor        a cursor that is forged, foreign, stale or of another query
├── InvalidFilter        a filter with an unknown field, operator or value
├── Full                 no space left: nothing was written
└── Incompatible         not a database, or one of a newer schema: left untouched
"""

from typing import ClassVar, Literal


class StoreError(Exception):
    """The root. `code` is stable and meant for programs; the message says what to do next."""

    code: ClassVar[str] = "store_error"


class Unavailable(StoreError):
    code = "store_unavailable"


class Timeout(Unavailable):
    code = "store_timeout"


class NotFound(StoreError):
    code = "not_found"

    def __init__(self, memory_id: str, *, kind: Literal["memory", "session", "decision"] = "memory") -> None:
        super().__init__(f"no {kind} {memory_id!r} here; it may have been deleted, or the id is wrong")
        self.memory_id = memory_id
        self.kind = kind


class Conflict(StoreError):
    code = "conflict"


class Erased(StoreError):
    code = "erased"


class DimensionMismatch(StoreError):
    code = "dimension_mismatch"

    def __init__(self, expected: int, got: int) -> None:
        super().__init__(
            f"the store holds vectors of {expected} dimensions, this one has {got}; "
            "use the model that the store was filled with, or run `context0 reindex`"
        )
        self.expected = expected
        self.got = got


class InvalidVector(StoreError, ValueError):
    code = "invalid_vector"


class InvalidCursor(StoreError, ValueError):
    code = "invalid_cursor"


class InvalidFilter(StoreError, ValueError):
    code = "invalid_filter"


class Full(StoreError):
    code = "store_full"


class Incompatible(StoreError):
    code = "store_incompatible"
