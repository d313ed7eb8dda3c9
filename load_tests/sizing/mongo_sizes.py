"""Sizes on MongoDB: real documents as BSON, and their index entries by a stated formula.

An entry holds, for each field of the key, a type byte and the value (text with its end, 8 bytes for a time), and a
record id and cell head of 9 bytes. WiredTiger compresses prefixes: an owner's id costs it 2 bytes in all entries but
the first of a page. Pages of an index that grows in the middle are 70 % full. A text index has an entry for each word.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import bson

from stores.mongo.codec import encode
from stores.mongo.index_table import DOCUMENT_INDEXES, Index
from stores.records import Document

ENTRY_HEAD_BYTES: Final = 9
PREFIX_BYTES: Final = 2
FILL: Final = 0.7
_WORD: Final = re.compile(r"\w+")


@dataclass(frozen=True, slots=True, kw_only=True)
class MongoSizes:
    """Bytes of one memory, on average. fields: of the document, by what it is; indexes: by name, with `_id`."""

    document: float
    fields: dict[str, float]
    indexes: dict[str, float]

    @property
    def index(self) -> float:
        return sum(self.indexes.values())


def mongo_sizes(documents: Sequence[Document], *, owner: str) -> MongoSizes:
    rows = [encode(document, owner) for document in documents]
    fields: dict[str, float] = {}
    indexes = {"_id": 0.0, **{index.name: 0.0 for index in DOCUMENT_INDEXES}}
    for row in rows:
        for name, value in row.items():
            fields[name] = fields.get(name, 0.0) + len(bson.encode({name: value})) - 5
        indexes["_id"] += _entry(row["_id"])
        for index in DOCUMENT_INDEXES:
            if index.collection == "memories":
                indexes[index.name] += _entries(index, row)
    return MongoSizes(
        document=sum(len(bson.encode(row)) for row in rows) / len(rows),
        fields={name: size / len(rows) for name, size in sorted(fields.items(), key=lambda one: -one[1])},
        indexes={name: size / len(rows) / FILL for name, size in indexes.items() if size},
    )


def _entries(index: Index, row: dict[str, Any]) -> float:
    """Return the bytes of all the entries that a document has in an index."""
    if index.partial is not None and not all(_passes(row, name, wanted) for name, wanted in index.partial.items()):
        return 0.0
    fields = [name for name, kind in index.keys if kind != "text"]
    if index.is_text:
        words = {word.casefold() for word in _WORD.findall(row["input"])}
        return sum(ENTRY_HEAD_BYTES + PREFIX_BYTES + len(word.encode()) + 2 + 9 for word in words)
    values = [_values(row, name) for name in fields]
    entries: list[list[Any]] = [[]]
    for several in values:
        entries = [[*entry, value] for entry in entries for value in several or [None]]
    return sum(ENTRY_HEAD_BYTES + sum(map(_in_key, fields, entry)) for entry in entries)


def _in_key(name: str, value: object) -> float:
    return PREFIX_BYTES if name == "source_user_id" else _size(value)


def _entry(value: object) -> float:
    return ENTRY_HEAD_BYTES + _size(value)


def _values(row: Any, name: str) -> list[Any]:
    """Return the distinct values of a dotted field: several where it lies in a list."""
    first, _, rest = name.partition(".")
    value = row.get(first)
    if value is None:
        return []
    if rest:
        inner = value if isinstance(value, list) else [value]
        return list(dict.fromkeys(found for one in inner for found in _values(one, rest)))
    return list(dict.fromkeys(value)) if isinstance(value, list) else [value]


def _size(value: object) -> float:
    match value:
        case None | bool():
            return 1
        case str():
            return 2 + len(value.encode())
        case int() | float() | datetime():
            return 9
    raise TypeError(type(value).__name__)


def _passes(row: dict[str, Any], name: str, wanted: Any) -> bool:
    found = _values(row, name)
    return bool(found) if wanted == {"$exists": True} else wanted in found
