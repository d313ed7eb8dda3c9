"""The filter language of searches and listings: JSON in, a frozen tree out.

    {"memory_type": "preference", "tags": {"contains": "food"}}                      every key must hold
    {"OR": [{"metadata.city": {"in": ["Munich", "Graz"]}}, {"NOT": {"speaker": "Ben"}}]}

Meaning, the same on every backend: a comparison with a field that is absent, or with a value of another kind
(text, number, truth value, time), is false; `ne` and `nin` are the complements of `eq` and `in`, so they hold for
an absent field; NOT is the complement of its condition. `eq` on a list, and `contains`, ask for a member;
`contains` on text asks for a substring, letter case included.
"""

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal, get_args

from stores.errors import InvalidFilter
from stores.records import Memory

Operator = Literal["eq", "ne", "gt", "gte", "lt", "lte", "in", "nin", "contains"]
Kind = Literal["text", "number", "time", "list", "any"]
Scalar = str | int | float | bool | datetime

OPERATORS: Final = frozenset(get_args(Operator))
FIELDS: Final[Mapping[str, Kind]] = {
    "memory_type": "text",
    "agent_id": "text",
    "session_id": "text",
    "speaker": "text",
    "tags": "list",
    "entities": "list",
    "importance": "number",
    "confidence": "number",
    "created_at": "time",
    "updated_at": "time",
    "occurred_at": "time",
    "expires_at": "time",
    "valid_from": "time",
    "invalid_at": "time",
}
ALIASES: Final = {"type": "memory_type", "agent": "agent_id", "session": "session_id"}
MAX_CONDITIONS: Final = 100
MAX_DEPTH: Final = 8
MAX_VALUES: Final = 1000
_UNPRINTABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Compare:
    """`field` is a name of FIELDS, or a path of keys below metadata ("metadata.a.b")."""

    field: str
    op: Operator
    value: Scalar | tuple[Scalar, ...]

    @property
    def kind(self) -> Kind:
        return FIELDS.get(self.field, "any")

    @property
    def metadata_path(self) -> tuple[str, ...] | None:
        return tuple(self.field.split(".")[1:]) if self.field.startswith("metadata.") else None


@dataclass(frozen=True, slots=True)
class And:
    items: tuple["Filter", ...]


@dataclass(frozen=True, slots=True)
class Or:
    items: tuple["Filter", ...]


@dataclass(frozen=True, slots=True)
class Not:
    item: "Filter"


Filter = Compare | And | Or | Not


def parse_filter(spec: Mapping[str, Any]) -> Filter:
    """Return the tree for `spec`. At most 100 conditions, 8 levels, 1,000 values in a list. Raises InvalidFilter."""
    tree = _parse(spec, MAX_DEPTH)
    if _count(tree) > MAX_CONDITIONS:
        raise InvalidFilter(f"a filter may hold at most {MAX_CONDITIONS} conditions; split the query")
    return tree


def _count(tree: Filter) -> int:
    match tree:
        case Compare():
            return 1
        case Not(item):
            return _count(item)
        case And(items) | Or(items):
            return sum(map(_count, items))


def _parse(spec: object, depth: int) -> Filter:
    if not isinstance(spec, Mapping) or not spec:
        raise InvalidFilter('a filter is a non-empty object such as {"tags": {"contains": "food"}}')
    if depth == 0:
        raise InvalidFilter(f"a filter may nest at most {MAX_DEPTH} levels; flatten it")
    items = tuple(_parse_entry(key, value, depth) for key, value in spec.items())
    return items[0] if len(items) == 1 else And(items)


def _parse_entry(key: object, value: object, depth: int) -> Filter:
    match key:
        case "AND" | "OR":
            if not isinstance(value, list | tuple) or not value:
                raise InvalidFilter(f"{key} takes a non-empty list of filters")
            items = tuple(_parse(item, depth - 1) for item in value)
            return And(items) if key == "AND" else Or(items)
        case "NOT":
            return Not(_parse(value, depth - 1))
        case str():
            return _parse_field(ALIASES.get(key, key), value)
    raise InvalidFilter(f"a field is named by text, not by {type(key).__name__}")


def _parse_field(field: str, value: object) -> Filter:
    if field not in FIELDS and not _is_metadata_path(field):
        known = ", ".join(sorted(FIELDS))
        raise InvalidFilter(f"unknown field {field[:80]!r}; known are {known}, and metadata.<key>")
    if not isinstance(value, Mapping):
        return Compare(field, "eq", _scalar(field, value))
    if not value:
        raise InvalidFilter(f"{field}: name an operator, one of {', '.join(sorted(OPERATORS))}")
    items = tuple(_parse_operator(field, name, operand) for name, operand in value.items())
    return items[0] if len(items) == 1 else And(items)


def _is_metadata_path(field: str) -> bool:
    head, *path = field.split(".")
    return head == "metadata" and 0 < len(path) <= MAX_DEPTH and all(_is_key(part) for part in path)


def _is_key(part: str) -> bool:
    return bool(part) and not part.startswith("$") and '"' not in part and not _UNPRINTABLE.search(part)


def _parse_operator(field: str, name: object, operand: object) -> Compare:
    if name not in OPERATORS:
        known = ", ".join(sorted(OPERATORS))
        raise InvalidFilter(f"{field}: unknown operator {str(name)[:40]!r}; known are {known}")
    op: Operator = name  # type: ignore[assignment]  # a member of OPERATORS is an Operator
    if op in ("in", "nin"):
        if not isinstance(operand, list | tuple | set | frozenset) or not 0 < len(operand) <= MAX_VALUES:
            raise InvalidFilter(f"{field}: {op} takes a list of 1 to {MAX_VALUES} values")
        return Compare(field, op, tuple(_scalar(field, item) for item in operand))
    value = _scalar(field, operand)
    if op == "contains" and FIELDS.get(field) in ("number", "time"):
        raise InvalidFilter(f"{field}: contains works on text and lists; use eq, gte or lte")
    if op in ("gt", "gte", "lt", "lte") and (isinstance(value, bool) or FIELDS.get(field) == "list"):
        raise InvalidFilter(f"{field}: {op} compares text, numbers and times")
    return Compare(field, op, value)


def _scalar(field: str, value: object) -> Scalar:
    if isinstance(value, datetime) or FIELDS.get(field) == "time":
        return _time(field, value)
    if isinstance(value, str):
        _check_text(field, value)
        _check_kind(field, "text", "list")
        return value
    if isinstance(value, bool):
        _check_kind(field)
        return value
    if isinstance(value, int | float):
        if abs(value) >= 2**63 or not math.isfinite(value):  # in this order: a huge int is no float
            raise InvalidFilter(f"{field}: this is not a finite 64-bit number")
        _check_kind(field, "number")
        return value
    raise InvalidFilter(f"{field}: compare with text, a number, true/false or a time, not {type(value).__name__}")


def _check_text(field: str, value: str) -> None:
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise InvalidFilter(f"{field}: the value holds a NUL or a lone surrogate; send valid text")


def _check_kind(field: str, *allowed: Kind) -> None:
    kind = FIELDS.get(field, "any")
    if kind != "any" and kind not in allowed:
        raise InvalidFilter(f"{field} is of kind {kind}; compare it with a value of that kind")


def _time(field: str, value: object) -> datetime:
    if FIELDS.get(field) != "time":
        raise InvalidFilter(f"{field} holds no time; metadata is JSON, so compare its times as ISO text")
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError as exc:
        raise InvalidFilter(f"{field}: {value[:40]!r} is no ISO time; write 2026-05-01T00:00:00Z") from exc  # type: ignore[index]  # only text raises
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise InvalidFilter(f"{field}: give a time with its zone, such as 2026-05-01T00:00:00Z")
    try:
        moment = moment.astimezone(UTC)
    except OverflowError as exc:
        raise InvalidFilter(f"{field}: the time lies outside the years 1 to 9999 UTC") from exc
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


_ORDER: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}


def matches(tree: Filter, memory: Memory) -> bool:
    """Say whether `memory` passes: the meaning that every backend's translation must have."""
    match tree:
        case And(items):
            return all(matches(item, memory) for item in items)
        case Or(items):
            return any(matches(item, memory) for item in items)
        case Not(item):
            return not matches(item, memory)
        case Compare(op="ne", field=field, value=value):
            return not matches(Compare(field, "eq", value), memory)
        case Compare(op="nin", field=field, value=value):
            return not matches(Compare(field, "in", value), memory)
        case Compare():
            return _holds(tree, _value_of(tree, memory))


def _value_of(condition: Compare, memory: Memory) -> object:
    path = condition.metadata_path
    if path is None:
        return getattr(memory, condition.field)
    value: object = memory.metadata
    for key in path:
        if not isinstance(value, Mapping) or key not in value:
            return None
        value = value[key]
    return value


def _holds(condition: Compare, actual: object) -> bool:
    members = actual if isinstance(actual, list | tuple) else (actual,)
    match condition.op:
        case "eq":
            return any(_equal(member, condition.value) for member in members)
        case "in":
            wanted: Any = condition.value
            return any(_equal(member, value) for member in members for value in wanted)
        case "contains":
            if isinstance(actual, str) and isinstance(condition.value, str):
                return condition.value in actual
            return isinstance(actual, list | tuple) and any(_equal(member, condition.value) for member in actual)
    return (
        not isinstance(actual, list | tuple)
        and _same_kind(actual, condition.value)
        and _ORDER[condition.op](actual, condition.value)
    )


def _equal(left: object, right: object) -> bool:
    return _same_kind(left, right) and left == right


def _same_kind(left: object, right: object) -> bool:
    if isinstance(left, bool) or isinstance(right, bool):
        return isinstance(left, bool) and isinstance(right, bool)
    if isinstance(left, int | float):
        return isinstance(right, int | float)
    return type(left) is type(right) and isinstance(left, str | datetime)
