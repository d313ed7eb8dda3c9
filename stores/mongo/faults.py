"""Driver errors become ours, here and nowhere else.

Our messages carry codes, never the driver's text: that can hold keys, values and parts of the address.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import pymongo
from bson.errors import BSONError
from pymongo.errors import (
    BulkWriteError,
    ConfigurationError,
    ConnectionFailure,
    DocumentTooLarge,
    InvalidOperation,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WaitQueueTimeoutError,
    WriteConcernError,
)

from stores.errors import Conflict, Full, StoreError, Timeout, Unavailable

DUPLICATE: Final = 11000
NAMESPACE_NOT_FOUND: Final = 26
_OUT_OF_TIME: Final = frozenset({50, 89, 262})
_PASSING: Final = frozenset({6, 7, 43, 91, 175, 189, 237, 9001, 10058, 10107, 11600, 11602, 13388, 13435, 13436})
_UNENCODABLE: Final = (BSONError, UnicodeError, OverflowError)
_TOO_LARGE: Final = "the document would be larger than MongoDB's 16 MB; shorten the content or the metadata"
_BY_KIND: Final[tuple[tuple[type[Exception], type[StoreError], str], ...]] = (
    (DocumentTooLarge, StoreError, _TOO_LARGE),
    (ServerSelectionTimeoutError, Unavailable, "MongoDB cannot be reached; check the address, and that it runs"),
    (WaitQueueTimeoutError, Timeout, "no MongoDB connection became free in time; raise maxPoolSize, or send less"),
    (InvalidOperation, Unavailable, "the MongoDB client is closed; open the store again"),
    (ConfigurationError, Unavailable, "MongoDB cannot be used as configured; check the options of the URL"),
)
_BY_CODE: Final[tuple[tuple[frozenset[int], type[StoreError], str], ...]] = (
    (frozenset({DUPLICATE}), Conflict, "another record has this key; read it and try again"),
    (frozenset({14031}), Full, "MongoDB has no space left; nothing was written"),
    (frozenset({10334, 17280, 17419, 17420}), StoreError, _TOO_LARGE),
    (frozenset({13, 18, 8000}), Unavailable, "MongoDB refused the credentials, or they do not allow this"),
    (_PASSING, Unavailable, "MongoDB cannot answer just now; the call may be repeated"),
)


@contextmanager
def translated(timeout_s: float) -> Iterator[None]:
    """Give everything inside one deadline, retries included, and raise our errors in place of the driver's."""
    try:
        with pymongo.timeout(timeout_s):
            yield
    except StoreError:
        raise
    except (PyMongoError, *_UNENCODABLE) as exc:
        raise store_error(exc, timeout_s) from exc


def store_error(exc: Exception, timeout_s: float) -> StoreError:
    """Return the error of ours that says what `exc` says."""
    if isinstance(exc, BulkWriteError):
        return _of_bulk(exc.details or {}, timeout_s)
    if isinstance(exc, WriteConcernError):
        return _unconfirmed(exc.code, late=exc.timeout)
    for kind, error, message in _BY_KIND:
        if isinstance(exc, kind):
            return error(message)
    if isinstance(exc, PyMongoError) and exc.timeout:
        return _late(timeout_s)
    if isinstance(exc, ConnectionFailure):
        return Unavailable(f"the connection to MongoDB broke ({type(exc).__name__}); the call may be repeated")
    if isinstance(exc, OperationFailure):
        return _of_code(exc.code, timeout_s)
    return StoreError(f"MongoDB cannot take this ({type(exc).__name__}); send valid text, 64-bit integers, plain JSON")


def is_only_duplicates(details: Mapping[str, Any]) -> bool:
    """Say whether nothing but unique keys stood in the way of a bulk write."""
    return not details["writeConcernErrors"] and all(error["code"] == DUPLICATE for error in details["writeErrors"])


def _of_bulk(details: Mapping[str, Any], timeout_s: float) -> StoreError:
    codes = [error.get("code") for error in details.get("writeErrors", ())]
    for code in codes:
        if code != DUPLICATE:
            return _of_code(code, timeout_s)
    if details.get("writeConcernErrors"):
        return _unconfirmed(details["writeConcernErrors"][0].get("code"), late=False)
    return _of_code(codes[0] if codes else None, timeout_s)


def _of_code(code: int | None, timeout_s: float) -> StoreError:
    if code in _OUT_OF_TIME:
        return _late(timeout_s)
    for codes, error, message in _BY_CODE:
        if code in codes:
            return error(message)
    return StoreError(f"MongoDB refused the command (code {code})")


def _late(timeout_s: float) -> Timeout:
    return Timeout(f"MongoDB did not answer within {timeout_s:g} s; a write may or may not have taken effect")


def _unconfirmed(code: int | None, *, late: bool) -> Unavailable:
    return (Timeout if late else Unavailable)(
        f"unknown outcome: MongoDB wrote, but a majority did not confirm it (code {code}); repeat the call,"
        " with the same ids it has no second effect"
    )
