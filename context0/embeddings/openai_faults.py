"""What goes wrong at an OpenAI-compatible server, told as our errors: whose fault it is and whether to try again."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

from context0.errors import EmbeddingError, EmbeddingInvalid, EmbeddingUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from openai import APIStatusError

_THE_TEXTS: Final = frozenset({400, 413, 422})
_PASSING: Final = frozenset({408, 409, 425, 429})
_OUT_OF_QUOTA: Final = "insufficient_quota"
_HARMLESS_CODE: Final = re.compile(r"[a-z]+(_[a-z]+)*")  # no digits: nothing that could be a key
_HINTS: Final = {
    401: "; check embedding_api_key",
    403: "; check embedding_api_key and what it may use",
    404: "; check embedding_model and embedding_base_url",
}


class TransientFailure(EmbeddingUnavailable):
    """Worth another attempt; `retry_after_s` is when the server asked for it, None when it did not say."""

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


def to_embedding_error(error: Exception, model: str) -> EmbeddingError:
    """Translate what the official client raised, to be raised from `error`.

    A server may echo the key or the text in its words. They are left out of our message and taken out of `error`,
    so that a logged traceback does not carry them either.
    """
    from openai import APIConnectionError, APIStatusError, APITimeoutError

    if isinstance(error, APITimeoutError):
        return TransientFailure(f"{model}: the server did not answer in time")
    if isinstance(error, APIConnectionError):
        return TransientFailure(f"{model}: the server cannot be reached; check embedding_base_url")
    if isinstance(error, APIStatusError):
        error.args = (f"status {error.status_code}; the server's own words are withheld",)
        return _of_status(error, model)
    return EmbeddingInvalid(f"{model}: the answer cannot be read ({type(error).__name__})")


def backoff(error: Exception, *, remaining_s: float) -> bool | float:
    """Tell stamina whether to try again: False, True (exponential with jitter), or after how many seconds."""
    if not isinstance(error, TransientFailure):
        return False
    if error.retry_after_s is None:
        return True
    return error.retry_after_s if error.retry_after_s < remaining_s else False


def retry_after_s(headers: Mapping[str, str], *, now: datetime) -> float | None:
    """Read Retry-After (seconds or a date) or retry-after-ms; None when absent or unreadable; never negative."""
    for name, unit_s in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            wait_s = float(headers.get(name, "")) * unit_s
        except ValueError:
            continue
        if math.isfinite(wait_s):
            return max(0.0, wait_s)
    try:
        moment = parsedate_to_datetime(headers.get("retry-after", ""))
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())


def _of_status(error: APIStatusError, model: str) -> EmbeddingError:
    status = error.status_code
    code = error.code if error.code and _HARMLESS_CODE.fullmatch(error.code) else None
    told = f"{status} ({code})" if code else str(status)
    if status in _THE_TEXTS:
        return EmbeddingInvalid(
            f"{model}: the server refused these texts with {told}; they may be empty or too long for the model, or it"
            " does not take the configured embedding_model or dimensions"
        )
    if (status in _PASSING or status >= 500) and code != _OUT_OF_QUOTA:
        wait_s = retry_after_s(error.response.headers, now=datetime.now(UTC))
        asked = "" if wait_s is None else f" and asks to wait {wait_s:g} s"
        return TransientFailure(f"{model}: the server answered {told}{asked}", retry_after_s=wait_s)
    return EmbeddingUnavailable(f"{model}: the server answered {told}{_HINTS.get(status, '')}")
