"""What is sent and what comes back, as plain records; values become paths, queries and JSON here. No I/O."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Generic, Literal, TypeVar
from urllib.parse import quote, urlsplit

from context0.sdk.errors import InvalidInput

T = TypeVar("T")
Repeat = Literal["always", "refused", "unsent"]
"""When a request may be sent again. always: doing it twice is doing it once. refused: also when the service said that
it did not do it. unsent: only when it never left."""

_DOTS: Final = frozenset({".", ".."})


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request, without the key. path: quoted, from the base URL on. body: JSON, or None.

    at: the address that it is for, before others. hunts: what one address does not have, another may.
    """

    method: str
    path: str
    query: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    repeat: Repeat = "always"
    at: str = ""
    hunts: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole answer. headers: by names in lower case. address: where it came from."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    address: str = ""


@dataclass(frozen=True, kw_only=True)  # without slots: Python 3.11 cannot have them on a generic that is subscripted
class Call(Generic[T]):
    """A request, and how its answer is read. `read` raises Unreadable. also: statuses of failures that are answers."""

    request: Request
    read: Callable[[Answer], T]
    also: frozenset[int] = frozenset()


def base_url_of(value: object) -> str:
    """Return the base URL without a slash at its end. Raises InvalidInput, which does not repeat it."""
    if not isinstance(value, str):
        raise InvalidInput(f"give a text, not {type(value).__name__}", field="base_url")
    try:
        parts = urlsplit(value.strip())
        has_host, has_user = bool(parts.hostname) and parts.port != 0, "@" in parts.netloc
    except ValueError:
        has_host = has_user = False
    if not has_host or parts.scheme not in ("http", "https"):
        raise InvalidInput("give an address such as http://127.0.0.1:8000", field="base_url")
    if has_user or parts.query or parts.fragment:
        raise InvalidInput("holds a user, a query or a fragment; keys are given as api_key", field="base_url")
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def segment(name: str, value: object) -> str:
    """Return an id as one part of a path. An empty one would mean another route: raises InvalidInput."""
    if not isinstance(value, str):
        raise InvalidInput(f"give a text, not {type(value).__name__}", field=name)
    if not value.strip() or value in _DOTS:
        raise InvalidInput("is empty; give the id that the service told you", field=name)
    try:
        return quote(value, safe="")
    except UnicodeEncodeError as exc:
        raise InvalidInput("holds a lone surrogate; no id does", field=name) from exc


def query_of(**values: str | float | bool | None) -> Mapping[str, str]:
    """Return what is given, as text; None is left out."""
    return {name: _plain(value) for name, value in values.items() if value is not None}


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def json_of(value: object) -> bytes:
    """Return `value` as JSON: times as ISO text, sets as lists. Raises InvalidInput for what JSON cannot say."""
    try:
        return json.dumps(
            value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_json_value
        ).encode()
    except InvalidInput:
        raise
    except UnicodeEncodeError as exc:
        raise InvalidInput("a text holds a lone surrogate; send valid Unicode") from exc
    except (TypeError, ValueError, RecursionError) as exc:
        raise InvalidInput(f"this is no JSON: {_reason(exc)}; send texts, finite numbers, lists, dictionaries") from exc


def _json_value(value: object) -> object:
    match value:
        case datetime():
            if value.tzinfo is None:
                raise InvalidInput("a time has no time zone; say which, for example datetime.now(UTC)")
            return value.isoformat()
        case Mapping():
            return dict(value)
        case set() | frozenset():
            return sorted(value, key=repr)
    raise TypeError(type(value).__name__)


def _reason(error: Exception) -> str:
    """Say what is wrong without the value itself: it may be personal."""
    if isinstance(error, RecursionError):
        return "it nests too deeply"
    return "a number is not finite, or something holds itself" if isinstance(error, ValueError) else str(error)[:80]
