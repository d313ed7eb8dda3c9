"""What callers hand in: its shape, and the checks that turn bad input into a typed error before anything is written."""

import math
import re
from collections.abc import Collection, Mapping, Sequence, Set
from datetime import datetime
from typing import Any, Final, Literal, TypedDict, cast, get_args

from context0.clock import to_milliseconds
from context0.errors import InvalidInput
from stores.records import MemoryId, MemoryType, Provenance, Scope

ArmName = Literal["semantic", "keyword", "entity", "temporal"]

MEMORY_TYPES: Final = frozenset(get_args(MemoryType))
ARM_NAMES: Final[tuple[ArmName, ...]] = get_args(ArmName)
MAX_NAME: Final = 256
MAX_TAGS: Final = 64
MAX_PAGE: Final = 1_000
MAX_BATCH: Final = 10_000
MAX_METADATA_DEPTH: Final = 8
MAX_METADATA_KEYS: Final = 200
MAX_QUERY_CHARACTERS: Final = 8_192
MAX_MESSAGE_CHARACTERS: Final = 32_000
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_UNSTORABLE: Final = re.compile("[\0\ud800-\udfff]")


class MemoryFields(TypedDict, total=False):
    """What one memory takes beside its content."""

    speaker: str | None
    agent_id: str | None
    session_id: str | None
    memory_type: MemoryType
    tags: Sequence[str]
    importance: float
    occurred_at: datetime | None
    expires_at: datetime | None
    metadata: Mapping[str, Any]
    idempotency_key: str | None
    provenance: Provenance


class MemoryInput(MemoryFields):
    """One item of `add_many`."""

    content: str


class MemoryChanges(TypedDict, total=False):
    """What `update` can change; what is not named stays."""

    content: str
    memory_type: MemoryType
    tags: Sequence[str]
    importance: float
    occurred_at: datetime | None
    expires_at: datetime | None
    metadata: Mapping[str, Any]


class ListOptions(TypedDict, total=False):
    """How a listing can be narrowed."""

    filters: Mapping[str, Any] | None
    memory_types: Collection[MemoryType] | None


class SearchOptions(ListOptions, total=False):
    """How a search can be narrowed or steered."""

    reference_time: datetime | None
    since: datetime | None
    until: datetime | None
    strategies: Collection[ArmName] | None
    deadline_ms: float | None
    min_relevance: float | None
    as_of: datetime | None
    explain: bool
    early_stop: bool
    why_not: Collection[str]


FIELD_NAMES: Final = frozenset(MemoryFields.__annotations__) | {"content"}
CHANGE_NAMES: Final = frozenset(MemoryChanges.__annotations__)
SEARCH_NAMES: Final = frozenset(SearchOptions.__annotations__) | frozenset(ListOptions.__annotations__)
LIST_NAMES: Final = frozenset(ListOptions.__annotations__)


def check_names(given: Mapping[str, Any], known: Set[str]) -> None:
    """Raise InvalidInput for a keyword that nobody knows."""
    if given.keys() <= known:
        return
    unknown = sorted(map(str, set(given) - set(known)))
    if unknown:
        raise InvalidInput(unknown[0][:80], f"unknown; known are {', '.join(sorted(known))}")


def check_scope(user_id: object) -> Scope:
    """Return the scope of `user_id`: a non-empty text of at most 256 characters."""
    return Scope(owner=check_name("user_id", user_id))


def check_name(field: str, value: object) -> str:
    """Return `value` if it is a short, storable, non-blank text."""
    if not isinstance(value, str):
        raise InvalidInput(field, f"give a text, not {type(value).__name__}")
    if not value.strip():
        raise InvalidInput(field, "is empty; give a non-blank text")
    if len(value) > MAX_NAME:
        raise InvalidInput(field, f"has {len(value)} characters; at most {MAX_NAME} are allowed")
    return check_storable(field, value)


def check_name_or_none(field: str, value: object) -> str | None:
    return None if value is None else check_name(field, value)


def check_storable(field: str, value: str) -> str:
    """Return `value` if every store can keep it as it is: no NUL, no lone surrogate."""
    if not value.isprintable() and _UNSTORABLE.search(value):
        raise InvalidInput(field, "holds a NUL character or a lone surrogate; send valid Unicode text without them")
    return value


def check_content(value: object, max_bytes: int) -> str:
    """Return the text of a memory if it is not blank and not too long."""
    if not isinstance(value, str):
        raise InvalidInput("content", f"give a text, not {type(value).__name__}")
    check_storable("content", value)
    if not value.strip():
        raise InvalidInput("content", "is empty; there is nothing to remember")
    size = len(value) if value.isascii() else len(value.encode())
    if size > max_bytes:
        raise InvalidInput(
            "content", f"has {size} bytes, at most {max_bytes} are allowed; cut it into several memories"
        )
    return value


def check_query(value: object) -> str:
    """Return the text of a search if it is not blank; at most 8,192 characters."""
    if not isinstance(value, str) or not value.strip():
        raise InvalidInput("query", "is empty; say what to look for")
    if len(value) > MAX_QUERY_CHARACTERS:
        raise InvalidInput("query", f"has {len(value)} characters; at most {MAX_QUERY_CHARACTERS} are allowed")
    return check_storable("query", value)


def check_message(value: object) -> str:
    """Return the message of a chat if it is not blank: at most 32,000 characters."""
    if not isinstance(value, str):
        raise InvalidInput("message", f"give a text, not {type(value).__name__}")
    if not value.strip():
        raise InvalidInput("message", "is empty; say something")
    if len(value) > MAX_MESSAGE_CHARACTERS:
        raise InvalidInput("message", f"has {len(value)} characters; at most {MAX_MESSAGE_CHARACTERS} are allowed")
    return check_storable("message", value)


def check_time(field: str, value: object) -> datetime | None:
    """Return an aware time in UTC, cut to milliseconds. ISO text with an offset is fine; a naive time is not."""
    if value is None:
        return None
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError as exc:
            raise InvalidInput(field, f"{str(value)[:40]!r} is no ISO time; write 2026-05-01T00:00:00Z") from exc
    if not isinstance(value, datetime):
        raise InvalidInput(field, f"give a datetime, not {type(value).__name__}")
    if value.tzinfo is None:
        raise InvalidInput(field, "has no time zone; say which, for example datetime.now(UTC)")
    try:
        return to_milliseconds(value)
    except OverflowError as exc:
        raise InvalidInput(field, "is out of range; give a time between the years 1 and 9999 UTC") from exc


def check_limit(limit: object, field: str = "limit") -> int:
    """Return a page size: 1..1,000."""
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= MAX_PAGE:
        raise InvalidInput(field, f"give a whole number from 1 to {MAX_PAGE}; page through longer results by cursor")
    return limit


def check_share(field: str, value: object) -> float:
    """Return a number in [0, 1]."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise InvalidInput(field, "give a number from 0 to 1")
    return float(value)


def check_memory_type(value: object) -> MemoryType:
    if not isinstance(value, str) or value not in MEMORY_TYPES:
        raise InvalidInput(
            "memory_type", f"{str(value)[:40]!r} is unknown; known are {', '.join(sorted(MEMORY_TYPES))}"
        )
    return cast("MemoryType", value)


def check_memory_types(value: object) -> frozenset[MemoryType] | None:
    if value is None:
        return None
    if isinstance(value, str) or not isinstance(value, Collection) or not value:
        raise InvalidInput("memory_types", f"give a list of {', '.join(sorted(MEMORY_TYPES))}")
    return frozenset(map(check_memory_type, value))


def check_tags(value: object) -> tuple[str, ...]:
    """Return the tags without repeats, in order: at most 64."""
    if isinstance(value, str) or not isinstance(value, tuple | list | Sequence):
        raise InvalidInput("tags", "give a list of texts")
    tags = tuple(dict.fromkeys(check_name("tags", tag) for tag in value))
    if len(tags) > MAX_TAGS:
        raise InvalidInput("tags", f"has {len(tags)} tags; at most {MAX_TAGS} are allowed")
    return tags


def check_metadata(value: object) -> Mapping[str, Any]:
    """Return JSON data that every store keeps alike: 8 levels, 200 keys, no "$" or "." in keys."""
    if not isinstance(value, dict | Mapping):  # `dict` first: an abstract class takes ten times as long
        raise InvalidInput("metadata", f"give a dictionary, not {type(value).__name__}")
    left = [MAX_METADATA_KEYS]
    return {key: _json_value(item, 1, left) for key, item in _checked_items(value, left)}


def _checked_items(value: Mapping[Any, Any], left: list[int]) -> Sequence[tuple[str, Any]]:
    left[0] -= len(value)
    if left[0] < 0:
        raise InvalidInput("metadata", f"has more than {MAX_METADATA_KEYS} keys and items; keep the rest elsewhere")
    for key in value:
        if not isinstance(key, str) or not key or len(key) > MAX_NAME:
            raise InvalidInput("metadata", "a key is a non-empty text of at most 256 characters")
        if "$" in key or "." in key or '"' in key or _CONTROL.search(key):
            raise InvalidInput(
                "metadata", f"the key {key[:40]!r} holds $, a dot, a quote or a control character; rename it"
            )
    return list(value.items())


def _json_value(value: object, depth: int, left: list[int]) -> Any:
    if depth > MAX_METADATA_DEPTH:
        raise InvalidInput("metadata", f"nests deeper than {MAX_METADATA_DEPTH} levels; flatten it")
    match value:
        case None | bool():
            return value
        case str():
            return check_storable("metadata", value)
        case int() if abs(value) < 2**63:
            return int(value)  # a plain one, of enums and numpy's numbers too
        case float() if math.isfinite(value):
            return float(value)
        case Mapping():
            return {key: _json_value(item, depth + 1, left) for key, item in _checked_items(value, left)}
        case list() | tuple():
            left[0] -= len(value)
            if left[0] < 0:
                raise InvalidInput(
                    "metadata", f"has more than {MAX_METADATA_KEYS} keys and items; keep the rest elsewhere"
                )
            return [_json_value(item, depth + 1, left) for item in value]
    raise InvalidInput("metadata", f"holds {str(value)[:40]!r}, which is no JSON value (finite, 64-bit); convert it")


def check_provenance(value: object) -> Provenance:
    """Return where a memory comes from: a `Provenance` with short names and a trust from 0 to 1."""
    if not isinstance(value, Provenance):
        raise InvalidInput("provenance", f"give a stores.records.Provenance, not {type(value).__name__}")
    for field, name in (("session_id", value.session_id), ("message_id", value.message_id), ("agent", value.agent)):
        check_name_or_none(f"provenance.{field}", name)
    check_share("provenance.trust", value.trust)
    return value


def check_ids(ids: object) -> list[MemoryId]:
    """Return the ids without repeats, in order: at most 1,000. A text that cannot be an id matches nothing."""
    if isinstance(ids, str) or not isinstance(ids, Collection) or len(ids) > MAX_PAGE:
        raise InvalidInput("ids", f"give a list of at most {MAX_PAGE} ids")
    if not all(isinstance(memory_id, str) for memory_id in ids):
        raise InvalidInput("ids", "an id is a text")
    return [
        MemoryId(memory_id)
        for memory_id in dict.fromkeys(ids)
        if len(memory_id) <= MAX_NAME and not _UNSTORABLE.search(memory_id)
    ]


def check_strategies(value: object) -> tuple[ArmName, ...]:
    """Return the arms to use, in their fixed order; None means all."""
    if value is None:
        return ARM_NAMES
    if isinstance(value, str) or not isinstance(value, Collection) or not value:
        raise InvalidInput("strategies", f"give a list of {', '.join(ARM_NAMES)}")
    unknown = [name for name in value if name not in ARM_NAMES]
    if unknown:
        raise InvalidInput("strategies", f"{str(unknown[0])[:40]!r} is unknown; known are {', '.join(ARM_NAMES)}")
    return tuple(name for name in ARM_NAMES if name in value)
