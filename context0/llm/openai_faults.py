"""What goes wrong at an OpenAI-compatible server, told as our errors: whose fault it is and whether to try again."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import orjson

from context0.embeddings.openai_faults import retry_after_s
from context0.errors import LLMError, LLMRejected, LLMUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

_PASSING: Final = frozenset({408, 409, 425, 429})
_OUT_OF_QUOTA: Final = "insufficient_quota"
_HARMLESS_CODE: Final = re.compile(r"[a-z]+(_[a-z]+)*")  # no digits: nothing that could be a key
_TOO_LONG: Final = re.compile(r"context.{0,20}(length|window|size)|too (long|many tokens)|maximum.{0,20}tokens")
_HINTS: Final = {
    401: "; check llm_api_key",
    403: "; check llm_api_key and what it may use",
    404: "; check llm_model and llm_base_url",
}


def of_status(status: int, headers: Mapping[str, str], body: bytes, model: str) -> LLMError:
    """Return the error of an answer that is no 200. The server's own words may echo the key or the prompt: they are
    read, never repeated."""
    code, said = refusal_of(body)
    told = f"{status} ({code})" if code and _HARMLESS_CODE.fullmatch(code) else str(status)
    if (status in _PASSING or status >= 500) and code != _OUT_OF_QUOTA:
        wait_s = retry_after_s(headers, now=datetime.now(UTC))
        asked = "" if wait_s is None else f" and asks to wait {wait_s:g} s"
        return LLMUnavailable(f"{model}: the server answered {told}{asked}", retry_after_s=wait_s)
    if status in (400, 413, 422) and _TOO_LONG.search(f"{code} {said}".lower()):
        return LLMRejected(f"{model}: the prompt is too long for the model ({told}); send less", status=status)
    return LLMRejected(f"{model}: the server refused with {told}{_HINTS.get(status, '')}", status=status)


def refusal_of(body: bytes) -> tuple[str, str]:
    """Return the code of an error, and all that it says in one text; both may be empty."""
    try:
        answer: Any = orjson.loads(body)
    except ValueError:
        return "", body[:2_000].decode("utf-8", "replace")
    error = answer.get("error", answer) if isinstance(answer, dict) else answer
    if not isinstance(error, dict):
        return "", str(error)[:2_000]
    parts = [str(error.get(name) or "") for name in ("code", "param", "message", "detail")]
    return parts[0], " ".join(parts[1:])[:2_000]


def of_connection(error: Exception, model: str) -> LLMUnavailable:
    """Return the error of a connection that could not be made or broke before the answer began."""
    return LLMUnavailable(f"{model}: the server cannot be reached ({type(error).__name__}); check llm_base_url")
