"""What concerns an owner or the store as a whole: erasure, counts, small values, the format's version, status."""

from collections.abc import Mapping
from datetime import UTC, datetime
from inspect import isawaitable
from typing import Any, Final

from pymongo.errors import DuplicateKeyError

from stores.errors import Incompatible
from stores.mongo.client import CollectionName, MongoDatabase, Row

FORMAT: Final = 1
"""The version of the documents that `codec` writes; a store of a newer one is refused."""

_FORMAT_KEY: Final = "format"
_EMBEDDED: Final = ("history", "relations")


async def check_format(database: MongoDatabase) -> bool:
    """Return whether the store is new. Raises Incompatible, before anything is written, for what is not ours."""
    told = await get_meta(_FORMAT_KEY, database)
    with database.calls():
        empty = await database.collection("memories").find_one({}, {"_id": 1}) is None
    if told is None and not empty:
        raise Incompatible(
            f"the collection {database.collection_name('memories')} holds documents of another program; they were left"
            " as they are, name another database or a collection prefix"
        )
    if told is not None and int(told) > FORMAT:
        raise Incompatible(
            f"the store has format {int(told)}, this Context0 knows {FORMAT}; it was left as it is, upgrade Context0"
        )
    if told is None:
        await put_meta(_FORMAT_KEY, str(FORMAT).encode(), database, replace=False)
    return empty


async def erase(owner: str, database: MongoDatabase) -> dict[str, int]:
    """Remove everything of the owner; return what was removed, by kind. Two commands to count, two to remove.

    MongoDB overwrites the space in its own time, and its oplog and backups keep what they recorded until they rotate.
    """
    removed = await count(owner, database)
    with database.calls():
        gone = await database.collection("memories").delete_many({"source_user_id": owner})
        await database.collection("memory_history").delete_many({"source_user_id": owner})
    return {**removed, "memories": gone.deleted_count}


async def count(owner: str, database: MongoDatabase) -> dict[str, int]:
    """Return how many records the owner has, by kind: relations and recent versions are counted inside the memories."""
    sizes = {name: {"$sum": {"$size": {"$ifNull": [f"${name}", []]}}} for name in _EMBEDDED}
    group = {"_id": None, "memories": {"$sum": 1}, **sizes}
    found = await aggregate("memories", [{"$match": {"source_user_id": owner}}, {"$group": group}], database)
    with database.calls():
        moved = await database.collection("memory_history").count_documents({"source_user_id": owner})
    counted = {name: int(found[0][name]) if found else 0 for name in ("memories", *_EMBEDDED)}
    return {**counted, "history": counted["history"] + moved}


async def count_pending(owner: str, database: MongoDatabase) -> int:
    """Return how many memories of the owner, tombstones included, still need index work."""
    with database.calls():
        waiting = {"index.state": "pending", "source_user_id": owner}
        return await database.collection("memories").count_documents(waiting)


async def get_meta(key: str, database: MongoDatabase) -> bytes | None:
    with database.calls():
        row = await database.collection("context0_meta").find_one({"_id": key})
    return None if row is None else bytes(row["value"])


async def put_meta(key: str, value: bytes, database: MongoDatabase, *, replace: bool) -> bytes:
    """Set a small value; without `replace` the first writer wins, and the loser reads what it wrote."""
    with database.calls():
        values = database.collection("context0_meta")
        if replace:
            await values.update_one({"_id": key}, {"$set": {"value": value}}, upsert=True)
            return value
        try:
            await values.insert_one({"_id": key, "value": value})
        except DuplicateKeyError:
            row = await values.find_one({"_id": key})
            return value if row is None else bytes(row["value"])
    return value


async def status(database: MongoDatabase) -> dict[str, int | str]:
    """Return what `doctor` shows."""
    with database.calls():
        build = await database.handle.command("buildInfo")
        hello = await database.handle.command("hello")
        sizes = await database.handle.command("dbStats")
    states = await aggregate(
        "memories",
        [
            {"$match": {"deleted_at": {"$exists": False}}},
            {"$group": {"_id": "$index.state", "memories": {"$sum": 1}}},
        ],
        database,
    )
    with database.calls():
        tombstones = await database.collection("memories").count_documents({"deleted_at": {"$exists": True}})
    return {
        "mongodb": str(build.get("version", "unknown")),
        "database": database.handle.name,
        "topology": _topology(hello),
        "write_concern": "majority, journaled",
        "format": FORMAT,
        "bytes": int(sizes.get("dataSize", 0)) + int(sizes.get("indexSize", 0)),
        "tombstones": tombstones,
        **{f"index_{row['_id']}": int(row["memories"]) for row in states},
    }


async def time(database: MongoDatabase) -> datetime:
    """Return the time of the primary."""
    with database.calls():
        hello = await database.handle.command("hello")
    told: datetime = hello["localTime"]
    return told.replace(tzinfo=UTC) if told.tzinfo is None else told  # replies to commands come without a zone, in UTC


def _topology(hello: Mapping[str, Any]) -> str:
    if hello.get("msg") == "isdbgrid":
        return "sharded"
    return "replica set" if "setName" in hello else "standalone"


async def aggregate(name: CollectionName, pipeline: list[Row], database: MongoDatabase) -> list[Row]:
    with database.calls():
        cursor: Any = database.collection(name).aggregate(pipeline)
        if isawaitable(cursor):  # PyMongo's is awaited, Motor's is not
            cursor = await cursor
        return [row async for row in cursor]
