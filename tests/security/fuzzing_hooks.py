"""What schemathesis is told before each generated request: a deadline of its own that passes is no failure of ours."""

from typing import Any, Final

import schemathesis

_LEAST_MS: Final = 60_000


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Give a search that asks for an answer within a millisecond the time to make one, or 504 is the right answer."""
    body = case.body
    if isinstance(body, dict) and isinstance(body.get("deadline_ms"), int | float) and body["deadline_ms"] >= 1:
        body["deadline_ms"] = max(body["deadline_ms"], _LEAST_MS)


@schemathesis.serializer("application/x-ndjson")
def as_it_is(context: Any, value: Any) -> dict[str, Any]:
    """Send what was generated for a body of lines: a text."""
    return {"data": value.encode("utf-8", "surrogatepass") if isinstance(value, str) else str(value).encode()}
