"""The filter tree as an SQL condition over `memories AS m`: pure. The meaning is that of `stores.filters.matches`."""

from datetime import datetime
from typing import Any, Final

import orjson

from stores.filters import And, Compare, Filter, Not, Or, Scalar
from stores.sqlite.codec import to_ms

_COLUMNS: Final = {
    "memory_type": "m.memory_type",
    "agent_id": "m.agent_id",
    "session_id": "m.session_id",
    "speaker": "m.speaker",
    "importance": "m.importance",
    "confidence": "m.confidence",
    "created_at": "m.created_ms",
    "updated_at": "m.updated_ms",
    "occurred_at": "m.occurred_ms",
    "expires_at": "m.expires_ms",
    "valid_from": "m.valid_ms",
    "invalid_at": "m.invalid_ms",
}
_SIGNS: Final = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


def compile_filter(tree: Filter) -> tuple[str, list[Any]]:
    """Return a condition that is always 0 or 1, and its parameters in order."""
    match tree:
        case And(items):
            return _joined(items, " AND ")
        case Or(items):
            return _joined(items, " OR ")
        case Not(item):
            sql, values = compile_filter(item)
            return f"NOT {sql}", values
        case Compare(op="ne"):
            return compile_filter(Not(Compare(tree.field, "eq", tree.value)))
        case Compare(op="nin"):
            return compile_filter(Not(Compare(tree.field, "in", tree.value)))
        case Compare():
            column = _COLUMNS.get(tree.field)
            sql, values = _on_json(tree) if column is None else _on_column(tree, column)
            return f"ifnull({sql}, 0)", values


def _joined(items: tuple[Filter, ...], word: str) -> tuple[str, list[Any]]:
    parts = [compile_filter(item) for item in items]
    return "(" + word.join(sql for sql, _ in parts) + ")", [value for _, values in parts for value in values]


def _values(condition: Compare) -> list[Any]:
    values = condition.value if isinstance(condition.value, tuple) else (condition.value,)
    return [to_ms(value) if isinstance(value, datetime) else value for value in values]


def _on_column(condition: Compare, column: str) -> tuple[str, list[Any]]:
    values = _values(condition)
    match condition.op:
        case "in" | "eq":
            return f"{column} IN (SELECT value FROM json_each(?))", [orjson.dumps(values).decode()]
        case "contains":
            return f"instr({column}, ?) > 0", values
    return f"{column} {_SIGNS[condition.op]} ?", values


def _on_json(condition: Compare) -> tuple[str, list[Any]]:
    path = _path(condition)
    values = condition.value if isinstance(condition.value, tuple) else (condition.value,)
    test, parameters = _any_of(values)
    members = f"EXISTS (SELECT 1 FROM json_each(m.body, ?) AS e WHERE {test})"
    match condition.op:
        case "eq" | "in":  # json_each of a value that is no list yields that value
            return f"(json_type(m.body, ?) IS NOT 'object' AND {members})", [path, path, *parameters]
        case "contains":
            among = f"(json_type(m.body, ?) = 'array' AND {members})"
            if not isinstance(condition.value, str):
                return among, [path, path, *parameters]
            within = "(json_type(m.body, ?) = 'text' AND instr(m.body ->> ?, ?) > 0)"
            return f"({among} OR {within})", [path, path, *parameters, path, path, condition.value]
    kind = "= 'text'" if isinstance(values[0], str) else "IN ('integer', 'real')"
    return f"(json_type(m.body, ?) {kind} AND (m.body ->> ?) {_SIGNS[condition.op]} ?)", [path, path, values[0]]


def _path(condition: Compare) -> str:
    """Return where the value stands in the body; a key is written as JSON writes it."""
    keys = condition.metadata_path
    if keys is None:
        return f"$.{condition.field}"
    return "$.metadata" + "".join(f".{orjson.dumps(key).decode()}" for key in keys)


def _any_of(values: tuple[Scalar, ...]) -> tuple[str, list[Any]]:
    """Return a test of one member `e` against the values, each among its own kind."""
    kinds = {
        "e.type = 'text'": [value for value in values if isinstance(value, str)],
        "e.type IN ('integer', 'real')": [v for v in values if not isinstance(v, bool | str | datetime)],
    }
    tests = [f"({kind} AND e.value IN (SELECT value FROM json_each(?)))" for kind, chosen in kinds.items() if chosen]
    tests += [f"e.type = '{str(value).lower()}'" for value in values if isinstance(value, bool)]
    return "(" + " OR ".join(tests) + ")", [orjson.dumps(chosen).decode() for chosen in kinds.values() if chosen]
