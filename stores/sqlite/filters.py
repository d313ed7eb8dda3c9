"""The filter tree as an SQL condition over `memories AS m`: pure. The meaning is that of `stores.filters.matches`."""

from datetime import datetime
from typing import Any, Final

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
            return f"{column} IN ({', '.join('?' * len(values))})", values
        case "contains":
            return f"instr({column}, ?) > 0", values
    return f"{column} {_SIGNS[condition.op]} ?", values


def _on_json(condition: Compare) -> tuple[str, list[Any]]:
    keys = condition.metadata_path
    path = f"$.{condition.field}" if keys is None else "$.metadata" + "".join(f'."{key}"' for key in keys)
    values = condition.value if isinstance(condition.value, tuple) else (condition.value,)
    members = f"EXISTS (SELECT 1 FROM json_each(m.body, ?) AS e WHERE {_any_of('e.type', 'e.value', values)})"
    parameters = [path, *(value for value in values if not isinstance(value, bool))]
    match condition.op:
        case "eq" | "in":  # json_each of a value that is no list yields that value
            return f"(json_type(m.body, ?) IS NOT 'object' AND {members})", [path, *parameters]
        case "contains":
            among = f"(json_type(m.body, ?) = 'array' AND {members})"
            if not isinstance(condition.value, str):
                return among, [path, *parameters]
            within = "(json_type(m.body, ?) = 'text' AND instr(m.body ->> ?, ?) > 0)"
            return f"({among} OR {within})", [path, *parameters, path, path, condition.value]
    kind = _type_test("json_type(m.body, ?)", values[0])
    return f"({kind} AND (m.body ->> ?) {_SIGNS[condition.op]} ?)", [path, path, values[0]]


def _any_of(kind: str, value: str, wanted: tuple[Scalar, ...]) -> str:
    return (
        "("
        + " OR ".join(
            _type_test(kind, item) if isinstance(item, bool) else f"({_type_test(kind, item)} AND {value} = ?)"
            for item in wanted
        )
        + ")"
    )


def _type_test(kind: str, value: Scalar) -> str:
    if isinstance(value, bool):
        return f"{kind} = '{str(value).lower()}'"
    return f"{kind} = 'text'" if isinstance(value, str) else f"{kind} IN ('integer', 'real')"
