"""The filter tree as a MongoDB query: pure. The meaning is that of `stores.filters.matches`, nothing wider.

Only the operators written here can come out: values are scalars that `parse_filter` has checked, and paths below
`metadata` are escaped as the keys are. MongoDB looks into lists along a path, and compares with their members; where
the language does not, the list is ruled out by its type.
"""

import re
from typing import Any, Final

from stores.errors import InvalidFilter
from stores.filters import And, Compare, Filter, Not, Or
from stores.mongo.codec import escape_key

Query = dict[str, Any]

MAX_PATTERN_BYTES: Final = 32_000
"""MongoDB refuses longer regular expressions (its limit is 32,764 bytes)."""

_RANGES: Final = {"gt": "$gt", "gte": "$gte", "lt": "$lt", "lte": "$lte"}
_ARRAY: Final = {"$type": "array"}


def compile_filter(tree: Filter) -> Query:
    """Return the query that matches exactly the memories that pass `tree`; the owner is not in it."""
    match tree:
        case And(items):
            return {"$and": [compile_filter(item) for item in items]}
        case Or(items):
            return {"$or": [compile_filter(item) for item in items]}
        case Not(item):
            return {"$nor": [compile_filter(item)]}
        case Compare(op="ne"):
            return compile_filter(Not(Compare(tree.field, "eq", tree.value)))
        case Compare(op="nin"):
            return compile_filter(Not(Compare(tree.field, "in", tree.value)))
        case Compare():
            return _compare(tree)


def _compare(condition: Compare) -> Query:
    keys = condition.metadata_path
    if keys is None:
        return _on_field(condition)
    escaped = ["metadata", *map(escape_key, keys)]
    path = ".".join(escaped)
    lists = [{".".join(escaped[:end]): _ARRAY} for end in range(2, len(escaped))]
    condition_there = _on_path(condition, path)
    return {"$and": [condition_there, {"$nor": lists}]} if lists else condition_there


def _on_field(condition: Compare) -> Query:
    """A field whose kind is known: text, number, time, or a list of texts."""
    if condition.op == "contains" and condition.kind == "text":
        return {condition.field: _substring(condition)}
    return {condition.field: _operator(condition)}


def _on_path(condition: Compare, path: str) -> Query:
    """A value of any kind below metadata."""
    if condition.op in ("eq", "in"):
        return {path: _operator(condition)}
    if condition.op != "contains":
        return {"$and": [{path: _operator(condition)}, {"$nor": [{path: _ARRAY}]}]}
    member = {"$and": [{path: _operator(condition)}, {path: _ARRAY}]}
    if not isinstance(condition.value, str):
        return member
    within = {"$and": [{path: _substring(condition)}, {"$nor": [{path: _ARRAY}]}]}
    return {"$or": [member, within]}


def _operator(condition: Compare) -> Query:
    match condition.op:
        case "in":
            return {"$in": list(condition.value) if isinstance(condition.value, tuple) else [condition.value]}
        case "gt" | "gte" | "lt" | "lte":
            return {_RANGES[condition.op]: condition.value}
    return {"$in": [condition.value]}  # of one: equality, and membership of a list


def _substring(condition: Compare) -> Query:
    pattern = re.escape(str(condition.value))
    if len(pattern.encode()) > MAX_PATTERN_BYTES:
        raise InvalidFilter(f"{condition.field}: contains takes at most {MAX_PATTERN_BYTES} bytes; shorten the text")
    return {"$regex": pattern}
