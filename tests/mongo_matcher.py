"""What a MongoDB query means, in Python: written from MongoDB's documentation, for the operators that the store sends.

Unit tests compare the translation of filters with it, and the stand-in (`mongo_stand_in`) answers by it. It is our
reading of the documentation, not MongoDB: where a real server is at hand, the contract suites run on that one too.
"""

import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

_RANGES: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
}


def matches(query: Mapping[str, Any], document: Mapping[str, Any]) -> bool:
    """Say whether `document` matches. Raises NotImplementedError for an operator that the store should not send."""
    return all(_clause(key, condition, document) for key, condition in query.items())


def text_score(search: str, texts: Sequence[str]) -> float:
    """Return 0 without a common word, else how many of the words of `texts` are searched for (no stemming here)."""
    if re.search(r'["-]', search):
        raise NotImplementedError(f"operators in $search: {search!r}")
    wanted = set(search.lower().split())
    return float(sum(word in wanted for text in texts for word in re.findall(r"\w+", text.lower())))


def _clause(key: str, condition: Any, document: Mapping[str, Any]) -> bool:
    match key:
        case "$and":
            return all(matches(item, document) for item in condition)
        case "$or":
            return any(matches(item, document) for item in condition)
        case "$nor":
            return not any(matches(item, document) for item in condition)
        case "$text":
            return text_score(condition["$search"], texts_of(document)) > 0
    if key.startswith("$"):
        raise NotImplementedError(key)
    found = list(_values(document, key.split(".")))
    if _is_operators(condition):
        return all(_operator(name, operand, found) for name, operand in condition.items())
    return _operator("$eq", condition, found)


def texts_of(document: Mapping[str, Any]) -> list[str]:
    """Return what the text index covers."""
    return [document.get("input", ""), document.get("summary", ""), *document.get("tags", ())]


def _is_operators(condition: Any) -> bool:
    """Tell whether `condition` is about a value; what joins conditions is about a document."""
    return isinstance(condition, Mapping) and any(
        str(name).startswith("$") and name not in ("$and", "$or", "$nor") for name in condition
    )


def _values(value: Any, path: Sequence[str]) -> Iterator[Any]:
    """Yield what lies at `path`; a list on the way stands for each of its documents, and for its numbered member."""
    if not path:
        yield value
    elif isinstance(value, Mapping):
        if path[0] in value:
            yield from _values(value[path[0]], path[1:])
    elif isinstance(value, list):
        if path[0].isdecimal() and int(path[0]) < len(value):
            yield from _values(value[int(path[0])], path[1:])
        for member in value:
            if isinstance(member, Mapping):
                yield from _values(member, path)


def _operator(name: str, operand: Any, found: Sequence[Any]) -> bool:
    candidates = [*found, *(member for value in found if isinstance(value, list) for member in value)]
    match name:
        case "$eq":
            return any(_equal(value, operand) for value in candidates) or (operand is None and not found)
        case "$in":
            if all(isinstance(wanted, str) for wanted in operand):  # the usual case, at the speed of a set
                return not {value for value in candidates if isinstance(value, str)}.isdisjoint(operand)
            return any(_operator("$eq", wanted, found) for wanted in operand)
        case "$gt" | "$gte" | "$lt" | "$lte":
            return any(_kind(value) == _kind(operand) and _RANGES[name](value, operand) for value in candidates)
        case "$exists":
            return bool(found) == operand
        case "$type" if operand == "array":
            return any(isinstance(value, list) for value in candidates)
        case "$regex":
            return any(isinstance(value, str) and re.search(operand, value) for value in candidates)
        case "$elemMatch":
            return any(_is_match(member, operand) for value in found if isinstance(value, list) for member in value)
    raise NotImplementedError(name)


def _is_match(member: Any, condition: Mapping[str, Any]) -> bool:
    if _is_operators(condition):
        return all(_operator(name, operand, [member]) for name, operand in condition.items())
    return isinstance(member, Mapping) and matches(condition, member)


def _equal(left: Any, right: Any) -> bool:
    return _kind(left) == _kind(right) and bool(left == right)


def _kind(value: Any) -> str:
    """Return the bracket that a value compares in: MongoDB compares nothing across them."""
    for kind, types in _KINDS.items():
        if isinstance(value, types):
            return kind
    return type(value).__name__


_KINDS: Final[Mapping[str, tuple[type, ...]]] = {
    "truth": (bool,),
    "number": (int, float),
    "text": (str,),
    "time": (datetime,),
    "document": (Mapping,),
    "list": (list,),
}
