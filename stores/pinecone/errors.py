"""What goes wrong with Pinecone: which of it passes, and what it is called here."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from stores.errors import StoreError, Timeout, Unavailable

_REFUSALS = {
    401: "the API key is missing or wrong",
    402: "the account has unpaid invoices",
    403: "the API key may not do this, or a quota of the plan is used up",
    404: "the index is not there; look at its name, its host and the key's project",
}


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Raise what the driver raises as our errors; of several at once, the first."""
    from httpx import HTTPError
    from pinecone.errors import PineconeError

    try:
        yield
    except ExceptionGroup as group:
        first = group.exceptions[0]
        if not isinstance(first, (HTTPError, PineconeError, TimeoutError, OSError)):
            raise first from group
        raise to_store_error(first, doing) from first
    except (HTTPError, PineconeError, TimeoutError, OSError) as exc:
        raise to_store_error(exc, doing) from exc


def to_store_error(error: Exception, doing: str) -> StoreError:
    """Return our error for a driver's one. The server's own words stay in the cause: they may repeat what we sent."""
    from pinecone.errors import ApiError, PineconeTypeError, PineconeValueError, ResponseParsingError

    if isinstance(error, TimeoutError):
        return Timeout(f"Pinecone did not answer in time while {doing}; try again, or allow more time")
    if isinstance(error, ApiError):
        return _of_status(error.status_code, error.request_id, doing)
    if isinstance(error, ResponseParsingError):
        return Unavailable(f"what answered while {doing} is not Pinecone; look at the host, and for a proxy before it")
    if isinstance(error, (PineconeTypeError, PineconeValueError)):
        return StoreError(f"Pinecone's driver refused what it was given while {doing}; the cause says what")
    return Unavailable(f"Pinecone cannot be reached while {doing}; look at the host, DNS and the network")


def _of_status(status: int, request_id: str | None, doing: str) -> StoreError:
    trace = f" [request {request_id}]" if request_id else ""
    if status in _REFUSALS:
        return Unavailable(f"Pinecone answered {status} while {doing}: {_REFUSALS[status]}{trace}")
    if is_passing(status):
        return Unavailable(f"Pinecone answered {status} while {doing}, to every attempt; try again later{trace}")
    return StoreError(f"Pinecone refused the request while {doing} ({status}); trying again will not help{trace}")


def is_passing(status: int) -> bool:
    """Return whether an answer with this status may be followed by a better one."""
    return status in {408, 429} or status >= 500


def is_transient(error: Exception) -> bool:
    """Return whether the request may be sent again: all of ours have the same effect twice.

    Not after a timeout: an attempt may take all the time there is.
    """
    from pinecone.errors import ApiError, PineconeConnectionError

    return isinstance(error, PineconeConnectionError) or (isinstance(error, ApiError) and is_passing(error.status_code))


def retry_after_s(error: Exception) -> float | None:
    """Return how long the server asked us to wait, if it said so in seconds."""
    headers: Mapping[str, str] = getattr(error, "headers", None) or {}
    try:
        asked_s = float(headers.get("retry-after", ""))
    except ValueError:
        return None
    return asked_s if asked_s >= 0 else None


@contextmanager
def unknown_namespace_is_fine() -> Iterator[None]:
    """Pass over Pinecone's answer for a namespace that nothing was written to.

    Only over that one: a gateway's 404 is an outage, and an outage is not an empty memory.
    """
    from pinecone.errors import NotFoundError

    try:
        yield
    except NotFoundError as exc:
        if "namespace not found" not in exc.message.lower():
            raise
