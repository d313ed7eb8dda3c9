"""Reads what the service answers: JSON by the shared vocabulary, and failures as typed errors. No I/O."""

from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Final, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from context0.sdk import errors
from context0.sdk.requests import Answer
from context0.wire.service import ErrorReply

M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")

_BY_CODE: Final[Mapping[str, type[errors.ClientError]]] = {
    "conflict": errors.Conflict,
    "idempotency_mismatch": errors.IdempotencyMismatch,
    "not_found": errors.NotFound,
    "rate_limited": errors.RateLimited,
}
_BY_STATUS: Final[Mapping[int, type[errors.ClientError]]] = {
    400: errors.InvalidInput,
    401: errors.Unauthorized,
    403: errors.Forbidden,
    404: errors.NotFound,
    409: errors.Conflict,
    412: errors.Conflict,
    413: errors.TooLarge,
    422: errors.InvalidInput,
    429: errors.RateLimited,
    502: errors.Unavailable,
    503: errors.Unavailable,
    504: errors.Unavailable,
    507: errors.Unavailable,
}
_LONGEST_MESSAGE: Final = 2_000


def reading(model: type[M]) -> Callable[[Answer], M]:
    """Return what reads a whole answer as `model`. It raises Unreadable."""

    def read(answer: Answer) -> M:
        try:
            return model.model_validate_json(answer.body)
        except ValidationError as exc:
            raise _unreadable(answer, exc) from exc

    return read


def reading_as(adapter: TypeAdapter[T]) -> Callable[[Answer], T]:
    """Return what reads a whole answer by `adapter`. It raises Unreadable."""

    def read(answer: Answer) -> T:
        try:
            return adapter.validate_json(answer.body)
        except ValidationError as exc:
            raise _unreadable(answer, exc) from exc

    return read


def nothing(_: Answer) -> None:
    """Read an answer whose status says all."""


def is_success(answer: Answer) -> bool:
    return 200 <= answer.status < 300


def error_of(answer: Answer) -> errors.ClientError:
    """Return the error that an answer stands for: by its code, else by its status."""
    try:
        told = ErrorReply.model_validate_json(answer.body).error
    except ValidationError:
        return _foreign(answer)
    kind = _BY_CODE.get(told.code) or _BY_STATUS.get(answer.status) or _kind_of(answer.status)
    message, request_id = told.message[:_LONGEST_MESSAGE], told.request_id
    if issubclass(kind, errors.RateLimited | errors.Unavailable):
        wait_s = retry_after_s(answer.headers)
        return kind(message, retry_after_s=wait_s, code=told.code, status=answer.status, request_id=request_id)
    return kind(message, code=told.code, status=answer.status, request_id=request_id)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Read Retry-After: seconds, or a date, which counts from the answer's own `Date`, since clocks differ."""
    told = headers.get("retry-after", "").strip()
    if told.isdecimal():
        return float(told[:9])
    try:
        return max(0.0, (parsedate_to_datetime(told) - parsedate_to_datetime(headers["date"])).total_seconds())
    except (ValueError, TypeError, KeyError):
        return None


def _foreign(answer: Answer) -> errors.ClientError:
    """Return the error of an answer that is not in our words: a proxy's, or another service's. Its body is not told."""
    kind = _BY_STATUS.get(answer.status)
    told = f"HTTP {answer.status} without an error of this API"
    if kind is not None and issubclass(kind, errors.RateLimited | errors.Unavailable):
        return kind(told, retry_after_s=retry_after_s(answer.headers), status=answer.status)
    if answer.status in (301, 302, 303, 307, 308):
        return errors.Unreadable("the address redirects; give where it leads as base_url", status=answer.status)
    if kind in (errors.Unauthorized, errors.Forbidden, errors.TooLarge):
        return kind(f"{told}; something between may refuse the request", status=answer.status)
    if answer.status >= 500:
        return errors.ServerFailed(told, status=answer.status)
    return errors.Unreadable(f"{told}; is base_url the address of a Context0 service?", status=answer.status)


def _kind_of(status: int) -> type[errors.ClientError]:
    return errors.ServerFailed if status >= 500 else errors.ClientError


def _unreadable(answer: Answer, exc: ValidationError) -> errors.Unreadable:
    """Say where an answer is off, never what it holds."""
    places = [".".join(map(str, one["loc"])) or "all of it" for one in exc.errors(include_input=False)[:3]]
    told = f"an answer could not be read ({', '.join(places)}); do client and service have the same version?"
    return errors.Unreadable(told, status=answer.status)
