"""Which declared index serves a query: MongoDB's rules, as far as the store's queries need them. Pure.

An index serves a query if its leading fields are compared for equality, and what follows is the sort, in one direction
throughout, or without a sort a range; a partial index only if the query asks for nothing outside of it; a text index
only if every field before the words is compared for equality. Every branch of an `$or` needs an index of its own.
Where a server can explain, the tests ask it instead of this.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from stores.mongo.index_table import Index

PRIMARY: Final = "_id_"
_RANGES: Final = frozenset({"$gt", "$gte", "$lt", "$lte"})
_SCORE: Final = {"$meta": "textScore"}


def indexes_for(
    query: Mapping[str, Any], indexes: Sequence[Index], *, sort: Sequence[tuple[str, Any]] = ()
) -> frozenset[str]:
    """Return the names of the indexes that find what `query` asks for; empty if the collection would be read whole.

    A sort that no index gives is accepted only where it is of the few that a text search or an `$or` found.
    """
    equal, ranged = _fields(query)
    if "$text" in query:
        return frozenset(index.name for index in indexes if _serves_text(index, equal))
    if "_id" in equal or ("_id" in ranged and not equal) or _is_by_id(sort):
        return frozenset({PRIMARY})
    if branches := query.get("$or"):
        found = [indexes_for(branch, indexes) for branch in branches]
        return frozenset().union(*found) if all(found) else frozenset()
    usable = [index for index in indexes if not index.is_text and _covers(index, query, equal | ranged)]
    ranked = [(_prefix(index, equal, ranged, sort), index.partial is not None, index.name) for index in usable]
    best = max((rank[:2] for rank in ranked), default=(0, False))  # of two that do as well, the smaller one
    return frozenset({next(name for *rank, name in ranked if tuple(rank) == best)}) if best[0] else frozenset()


def _fields(query: Mapping[str, Any]) -> tuple[set[str], set[str]]:
    """Return the fields that are compared for equality and by range, in the query and in its `$and`."""
    equal, ranged = set(), set()
    for name, condition in _conditions(query):
        if not isinstance(condition, Mapping) or "$in" in condition:
            equal.add(name)
        elif condition.keys() & _RANGES:
            ranged.add(name)
        elif "$elemMatch" in condition:
            inner, _ = _fields(condition["$elemMatch"])
            equal |= {f"{name}.{end}" for end in inner}
    return equal, ranged


def _conditions(query: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, condition in query.items():
        if name == "$and":
            for item in condition:
                yield from _conditions(item)
        elif not name.startswith("$"):
            yield name, condition


def _is_by_id(sort: Sequence[tuple[str, Any]]) -> bool:
    return [name for name, _ in sort] == ["_id"]


def _serves_text(index: Index, equal: set[str]) -> bool:
    return index.is_text and all(name in equal for name, kind in index.keys if kind != "text")


def _covers(index: Index, query: Mapping[str, Any], compared: set[str]) -> bool:
    """Say whether the query asks for nothing outside a partial index."""
    told = dict(_conditions(query))
    return all(
        told.get(name) == condition or (condition == {"$exists": True} and name in compared)
        for name, condition in (index.partial or {}).items()
    )


def _prefix(index: Index, equal: set[str], ranged: set[str], sort: Sequence[tuple[str, Any]]) -> int:
    """Return how many leading fields of the index serve the query; 0 if it is of no use, or does not give the sort."""
    length = 0
    while length < len(index.keys) and index.keys[length][0] in equal:
        length += 1
    wanted = [(name, direction) for name, direction in sort if name not in equal]
    given = list(index.keys[length : length + len(wanted)])
    if wanted and wanted != given and wanted != [(name, -int(direction)) for name, direction in given]:
        return 0
    follows = length < len(index.keys) and index.keys[length][0] in ranged
    return length + len(wanted) if length and wanted else length + follows if length or follows else 0
