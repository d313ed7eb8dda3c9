"""How the declared indexes come to a server, and how what is there compares with them."""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from inspect import isawaitable
from typing import Any, Final, Literal

from pymongo.errors import OperationFailure

from stores.errors import Incompatible
from stores.mongo.client import CollectionName, MongoDatabase, Row
from stores.mongo.faults import NAMESPACE_NOT_FOUND
from stores.mongo.index_table import DOCUMENT_INDEXES, INDEXES, TEXT_OPTIONS, UNIQUE_MEMORY, Index, Keys

log: Final = logging.getLogger(__name__)

IndexPresence = Literal["created", "present", "missing", "differs", "obsolete"]


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexComparison:
    """What a server has of one index, and under which name; `size_bytes` is None where it does not tell."""

    collection: str
    name: str
    presence: IndexPresence
    stored_as: str = ""
    serves: str = ""
    detail: str = ""
    size_bytes: int | None = None


async def prepare_indexes(database: MongoDatabase, *, is_new: bool) -> None:
    """Create all indexes of a new store; of another one only the unique index, and log what is missing besides.

    The unique index is a matter of correctness. Building the others on many memories takes its time: that is for
    `scripts/create_indexes.py`. Raises Incompatible if there is a unique index that does not do what ours does.
    """
    exact = await _is_mongodb(database)
    indexes = INDEXES if is_new else DOCUMENT_INDEXES
    found = await _compare_all(database, indexes, exact=exact)
    for comparison in found:
        if comparison.name == UNIQUE_MEMORY.name and comparison.presence == "differs":
            raise Incompatible(f"the index {comparison.name} differs ({comparison.detail}); drop it and open again")
    missing = _missing(indexes, found, database)
    made = [index for index in missing if is_new or index is UNIQUE_MEMORY]
    await _create(made, database, exact=exact)
    _tell_missing(found, made, database)


async def prepare_small_indexes(database: MongoDatabase, indexes: Sequence[Index]) -> None:
    """Create the indexes of collections that are empty; of the others, log what is missing.

    None of them is a matter of correctness: one message per place is what the `_id` of messages promises.
    """
    exact = await _is_mongodb(database)
    found = await _compare_all(database, indexes, exact=exact)
    missing = _missing(indexes, found, database)
    empty: dict[CollectionName, bool] = {}
    for name in {index.collection for index in missing}:
        with database.calls():
            empty[name] = await database.collection(name).find_one({}, {"_id": 1}) is None
    made = [index for index in missing if empty[index.collection]]
    await _create(made, database, exact=exact)
    _tell_missing(found, made, database)


def _tell_missing(found: Sequence[IndexComparison], made: Sequence[Index], database: MongoDatabase) -> None:
    names = {(database.collection_name(index.collection), index.name) for index in made}
    wrong = [item for item in found if item.presence in ("missing", "differs")]
    if left := [f"{item.collection}.{item.name}" for item in wrong if (item.collection, item.name) not in names]:
        log.warning("mongo.indexes_missing", extra={"indexes": left, "help": "run scripts/create_indexes.py"})


async def ensure_indexes(database: MongoDatabase) -> list[IndexComparison]:
    """Create what is missing and return how everything stands then; what differs is reported, never touched.

    Safe to repeat, and to run twice at the same time. Building on a large collection takes long: give the database a
    deadline to match. Raises Unavailable; Conflict when documents already there break a unique index.
    """
    exact = await _is_mongodb(database)
    missing = _missing(INDEXES, await _compare_all(database, INDEXES, exact=exact), database)
    await _create(missing, database, exact=exact)
    made = {(database.collection_name(index.collection), index.name) for index in missing}
    after = await _sized(await _compare_all(database, INDEXES, exact=exact), database)
    return [replace(found, presence="created") if (found.collection, found.name) in made else found for found in after]


async def compare_indexes(database: MongoDatabase) -> list[IndexComparison]:
    """Return how the declared indexes stand, and which others there are ("obsolete"), with sizes. Only reads."""
    return await _sized(await _compare_all(database, INDEXES, exact=await _is_mongodb(database)), database)


def _missing(indexes: Sequence[Index], found: Sequence[IndexComparison], database: MongoDatabase) -> list[Index]:
    absent = {(item.collection, item.name) for item in found if item.presence == "missing"}
    return [index for index in indexes if (database.collection_name(index.collection), index.name) in absent]


async def _create(indexes: Sequence[Index], database: MongoDatabase, *, exact: bool) -> None:
    """Create indexes with one command for each collection."""
    for name in dict.fromkeys(index.collection for index in indexes):
        models = [index.model(exact=exact) for index in indexes if index.collection == name]
        with database.calls():
            await database.collection(name).create_indexes(models)


async def _compare_all(database: MongoDatabase, indexes: Sequence[Index], *, exact: bool) -> list[IndexComparison]:
    comparisons: list[IndexComparison] = []
    for name in dict.fromkeys(index.collection for index in indexes):
        declared = [index for index in indexes if index.collection == name]
        listed = await _listed(database, name)
        comparisons += compare(declared, listed, database.collection_name(name), exact=exact)
    return comparisons


async def _sized(comparisons: Sequence[IndexComparison], database: MongoDatabase) -> list[IndexComparison]:
    sizes: dict[tuple[str, str], int] = {}
    for name in dict.fromkeys(index.collection for index in INDEXES):
        by_index = await _sizes(database, name)
        sizes |= {(database.collection_name(name), index): size for index, size in by_index.items()}
    return [replace(item, size_bytes=sizes.get((item.collection, item.stored_as))) for item in comparisons]


def compare(
    declared: Sequence[Index], listed: Sequence[Mapping[str, Any]], collection: str, *, exact: bool = True
) -> list[IndexComparison]:
    """Compare declared indexes with what listIndexes says of their collection. exact=False compares the fields only."""
    rest = {entry["name"]: entry for entry in listed if entry["name"] != "_id_"}
    comparisons = []
    for index in declared:
        entry, detail = _match(index, rest.values(), exact=exact)
        stored_as = "" if entry is None else rest.pop(entry["name"])["name"]
        presence: IndexPresence = "missing" if entry is None else "differs" if detail else "present"
        comparisons.append(
            IndexComparison(
                collection=collection,
                name=index.name,
                presence=presence,
                stored_as=stored_as,
                serves=index.serves,
                detail=detail or (f"under the name {stored_as}" if stored_as not in ("", index.name) else ""),
            )
        )
    unknown = [
        IndexComparison(
            collection=collection, name=name, presence="obsolete", stored_as=name, detail=str(list(_keys(entry)))
        )
        for name, entry in rest.items()
    ]
    return comparisons + unknown


def _match(index: Index, entries: Iterable[Mapping[str, Any]], *, exact: bool) -> tuple[Mapping[str, Any] | None, str]:
    """Return the entry that is, or means to be, this index, and in what they differ."""
    named = next((entry for entry in entries if entry["name"] == index.name), None)
    if not exact:
        fields = [name for name, _ in index.keys_on(exact=False)]
        alike = (entry for entry in entries if [name for name, _ in _keys(entry)] == fields)
        return named or next(alike, None), ""
    if named is None:
        wanted = _declared_keys(index)
        named = next((entry for entry in entries if _keys(entry) == wanted), None)
    return (None, "") if named is None else (named, _difference(index, named))


def _difference(index: Index, entry: Mapping[str, Any]) -> str:
    wanted: Row = {
        "keys": _declared_keys(index),
        "unique": index.unique,
        "partial": None if index.partial is None else dict(index.partial),
        **(TEXT_OPTIONS if index.is_text else {}),
    }
    there: Row = {
        "keys": _keys(entry),
        "unique": bool(entry.get("unique", False)),
        "partial": entry.get("partialFilterExpression"),
        **{name: entry.get(name) for name in TEXT_OPTIONS if index.is_text},
    }
    told = [f"{name} is {there[name]}, not {wanted[name]}" for name in wanted if there[name] != wanted[name]]
    extra = [name for name in ("expireAfterSeconds", "sparse", "hidden", "collation") if entry.get(name)]
    return "; ".join(told + [f"{name} is set" for name in extra])


def _declared_keys(index: Index) -> Keys:
    """Return the keys as `_keys` gives them: MongoDB lists the words of a text index in no order of ours."""
    plain = [(name, kind) for name, kind in index.keys if kind != "text"]
    return (*plain, *sorted((name, kind) for name, kind in index.keys if kind == "text"))


def _keys(entry: Mapping[str, Any]) -> Keys:
    words = [(name, "text") for name in sorted(entry.get("weights", ()))]
    plain = [(name, kind if isinstance(kind, str) else int(kind)) for name, kind in entry["key"].items()]
    return (*(pair for pair in plain if pair[0] not in ("_fts", "_ftsx")), *words)


async def _is_mongodb(database: MongoDatabase) -> bool:
    """Say whether the server tells its revision, as MongoDB does.

    One that does not is a stand-in: nx-27017 forgets names, directions and options of indexes, so only their fields
    are compared, and it refuses inserts once `_id` is part of a compound index, so that is left out.
    """
    with database.calls():
        return "gitVersion" in await database.handle.command("buildInfo")


async def _listed(database: MongoDatabase, name: CollectionName) -> list[Row]:
    with database.calls():
        try:
            cursor: Any = database.collection(name).list_indexes()
            if isawaitable(cursor):  # PyMongo's is awaited, Motor's is not
                cursor = await cursor
            return [dict(entry) async for entry in cursor]
        except OperationFailure as exc:
            if exc.code == NAMESPACE_NOT_FOUND:
                return []
            raise


async def _sizes(database: MongoDatabase, name: CollectionName) -> Mapping[str, int]:
    """Return the bytes of each index by name; nothing from a server that does not know $collStats."""
    with database.calls():
        try:
            cursor: Any = database.collection(name).aggregate([{"$collStats": {"storageStats": {}}}])
            if isawaitable(cursor):
                cursor = await cursor
            stats: list[Row] = [row async for row in cursor]
        except OperationFailure:
            return {}
    sizes: defaultdict[str, int] = defaultdict(int)
    for shard in stats:
        for index, size in shard.get("storageStats", {}).get("indexSizes", {}).items():
            sizes[index] += int(size)
    return sizes
