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
_TOO_LARGE: Final = frozenset({10334, 17280, 17419, 17420})
_NO_SPACE: Final = 14031
_REFUSED: Final = frozenset({13, 18, 8000})
_OUT_OF_TIME: Final = frozenset({50, 89, 262})
_PASSING: Final = frozenset({6, 7, 43, 91, 175, 189, 237, 9001, 10058, 10107, 11600, 11602, 13388, 13435, 13436})
_UNENCODABLE: Final = (BSONError, UnicodeError, OverflowError)


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
    match exc:
        case DocumentTooLarge():
            return _too_large()
        case BulkWriteError():
            return _of_bulk(exc.details or {}, timeout_s)
        case WriteConcernError():
            return _unconfirmed(exc.code)
        case ServerSelectionTimeoutError():
            return Unavailable("MongoDB cannot be reached; check the address, and that the server runs")
        case WaitQueueTimeoutError():
            return Timeout("no MongoDB connection became free in time; raise maxPoolSize, or send less at once")
        case PyMongoError(timeout=True):
            return _late(timeout_s)
        case ConnectionFailure():
            return Unavailable(f"the connection to MongoDB broke ({type(exc).__name__}); the call may be repeated")
        case OperationFailure():
            return _of_code(exc.code, timeout_s)
        case InvalidOperation():
            return Unavailable("the MongoDB client is closed; open the store again")
        case ConfigurationError():
            return Unavailable("MongoDB cannot be used as configured; check the options of the URL")
        case PyMongoError():
            return StoreError(f"MongoDB refused the call ({type(exc).__name__})")
    return StoreError(
        f"MongoDB cannot hold this document ({type(exc).__name__}); send valid text, integers of 64 bits and plain JSON"
    )


def is_only_duplicates(details: Mapping[str, Any]) -> bool:
    """Say whether nothing but unique keys stood in the way of a bulk write."""
    return not details["writeConcernErrors"] and all(error["code"] == DUPLICATE for error in details["writeErrors"])


def _of_bulk(details: Mapping[str, Any], timeout_s: float) -> StoreError:
    codes = [error.get("code") for error in details.get("writeErrors", ())]
    for code in codes:
        if code != DUPLICATE:
            return _of_code(code, timeout_s)
    if details.get("writeConcernErrors"):
        return _unconfirmed(details["writeConcernErrors"][0].get("code"))
    return _of_code(codes[0] if codes else None, timeout_s)


def _of_code(code: int | None, timeout_s: float) -> StoreError:
    if code == DUPLICATE:
        return Conflict("another record has this key; read it and try again")
    if code == _NO_SPACE:
        return Full("MongoDB has no space left; nothing was written")
    if code in _OUT_OF_TIME:
        return _late(timeout_s)
    if code in _TOO_LARGE:
        return _too_large()
    if code in _REFUSED:
        return Unavailable(f"MongoDB refused the credentials, or they do not allow this (code {code})")
    if code in _PASSING:
        return Unavailable(f"MongoDB cannot answer just now (code {code}); the call may be repeated")
    return StoreError(f"MongoDB refused the command (code {code})")


def _late(timeout_s: float) -> Timeout:
    return Timeout(f"MongoDB did not answer within {timeout_s:g} s; a write may or may not have taken effect")


def _unconfirmed(code: int | None) -> Unavailable:
    return Unavailable(
        f"unknown outcome: MongoDB wrote, but a majority did not confirm it (code {code}); repeat the call,"
        " with the same ids it has no second effect"
    )


def _too_large() -> StoreError:
    return StoreError("the document would be larger than MongoDB's 16 MB; shorten the content or the metadata")
