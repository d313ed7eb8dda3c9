"""Every failure as a status, a stable code and a message: one table for the routes, and one shape of the answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson
from starlette.exceptions import HTTPException

from context0.errors import (
    ConfigurationError,
    Context0Error,
    EmbeddingError,
    EngineClosed,
    IdempotencyMismatch,
    InvalidConsistencyToken,
    InvalidInput,
    LLMError,
    LLMTimeout,
    LLMUnavailable,
    SearchUnavailable,
)
from stores.errors import (
    Conflict,
    Erased,
    Full,
    Incompatible,
    InvalidCursor,
    InvalidFilter,
    InvalidVector,
    NotFound,
    StoreError,
    Timeout,
    Unavailable,
)

STATUS: Final[Mapping[type[Exception], int]] = {
    InvalidInput: 422,
    InvalidFilter: 422,
    InvalidVector: 422,
    InvalidCursor: 400,
    IdempotencyMismatch: 422,
    InvalidConsistencyToken: 400,
    NotFound: 404,
    Conflict: 409,
    Erased: 409,
    Full: 507,
    Timeout: 504,
    Unavailable: 503,
    Incompatible: 503,
    SearchUnavailable: 503,
    EngineClosed: 503,
    ConfigurationError: 501,
    EmbeddingError: 503,
    LLMUnavailable: 503,
    LLMTimeout: 504,
    LLMError: 502,
    StoreError: 500,
    Context0Error: 500,
}
"""The nearest class of an error counts."""
RETRY_AFTER_S: Final = 1
OPENAI_PATHS: Final = ("/v1/chat/completions", "/v1/models")
_CODES: Final[Mapping[int, tuple[str, str]]] = {
    404: ("unknown_route", "there is no such route; see /openapi.json"),
    405: ("method_not_allowed", "this route takes other methods; see the header Allow, and /openapi.json"),
}
_OPENAI_TYPES: Final[Mapping[int, str]] = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}
_SERVER_ERROR: Final = 500


class Refused(HTTPException):
    """The service does not take this request. code: stable. headers: sent with the answer."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, detail=message, headers=headers)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What the client is told."""

    status: int
    code: str
    message: str
    headers: Mapping[str, str]


INTERNAL: Final = Failure(
    status=500, code="internal", message="the service failed; try again, and report the request id", headers={}
)


def failure_of(exc: Exception) -> Failure:
    """Return what to tell of an error; nothing of an unknown one but that it happened."""
    match exc:
        case Refused():
            return Failure(status=exc.status_code, code=exc.code, message=exc.detail, headers=exc.headers or {})
        case HTTPException():
            code, message = _CODES.get(exc.status_code, ("refused", "this request cannot be served"))
            return Failure(status=exc.status_code, code=code, message=message, headers=exc.headers or {})
        case Context0Error() | StoreError():
            status = status_of(type(exc))
            return Failure(status=status, code=exc.code, message=str(exc), headers=_headers(status, exc))
    return INTERNAL


def failure_of_event(code: str, message: str) -> Failure:
    """Return what to tell of a turn that failed before its first word: its error event, as the error that it was."""
    kinds = (kind for kind in STATUS if getattr(kind, "code", None) == code)
    status = next((STATUS[kind] for kind in kinds), 500)
    return Failure(status=status, code=code, message=message, headers=_headers(status))


def status_of(kind: type[Exception]) -> int:
    return next((STATUS[base] for base in kind.__mro__ if base in STATUS), 500)


def invalid(errors: Any) -> Failure:
    """Return what to tell of a request that does not fit its model: the first fault, and never what was sent."""
    first = errors[0]
    place = ".".join(str(part) for part in first["loc"] if part not in ("body", "query", "path", "header"))
    return Failure(
        status=422,
        code="invalid_input",
        message=f"{place[:200] or 'body'}: {first['msg']}",
        headers={},
    )


def body_of(failure: Failure, request_id: str, path: str) -> bytes:
    """Return the JSON of a failure: the service's own envelope, or OpenAI's where its API is spoken."""
    if path.startswith(OPENAI_PATHS):
        default = "server_error" if failure.status >= _SERVER_ERROR else "invalid_request_error"
        told: dict[str, Any] = {
            "message": failure.message,
            "type": _OPENAI_TYPES.get(failure.status, default),
            "param": None,
            "code": failure.code,
            "request_id": request_id,
        }
    else:
        told = {"code": failure.code, "message": failure.message, "request_id": request_id}
    return orjson.dumps({"error": told}, default=str)


def _headers(status: int, exc: Exception | None = None) -> Mapping[str, str]:
    if status not in (429, 503):
        return {}
    asked = getattr(exc, "retry_after_s", None)
    return {"retry-after": str(RETRY_AFTER_S if asked is None else max(1, round(asked)))}
