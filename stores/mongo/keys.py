"""The key store on MongoDB: one document a key, whose `_id` is the key's public part."""

from collections.abc import Collection
from datetime import datetime
from typing import Final

from stores.errors import Conflict
from stores.key_protocol import ApiKey
from stores.mongo.client import MongoDatabase, Row
from stores.mongo.queries import Query
from stores.mongo.reading import find

_WHOLE: Final[Row] = dict.fromkeys(("source_user_id", "digest", "name", "created_at", "revoked_at", "operator"), 1)


class MongoKeys:
    """See `stores.key_protocol.KeyStore`. Acknowledged means that a majority has it in its journal."""

    name = "mongodb-keys"

    def __init__(self, database: MongoDatabase) -> None:
        self._database = database

    async def open(self) -> None:
        await self._database.open(self)

    async def aclose(self) -> None:
        await self._database.aclose(self)

    async def put(self, key: ApiKey) -> None:
        try:
            with self._database.calls():
                await self._database.collection("api_keys").insert_one(_encode(key))
        except Conflict:
            raise Conflict("a key with this id is there already; make another one") from None

    async def find(self, key_id: str) -> ApiKey | None:
        query = Query(filter={"_id": key_id}, projection=_WHOLE, limit=1, collection="api_keys")
        rows = await find(query, self._database)
        return _decode(rows[0]) if rows else None

    async def list_page(self, *, owner: str | None, limit: int, after: str = "") -> list[ApiKey]:
        """Reads along the ids: keys are listed by people, and there are not many."""
        hers: Row = {} if owner is None else {"source_user_id": owner}
        query = Query(
            filter={"_id": {"$gt": after}, **hers},
            projection=_WHOLE,
            sort=(("_id", 1),),
            limit=limit,
            batch=limit,
            collection="api_keys",
        )
        return list(map(_decode, await find(query, self._database)))

    async def revoke(self, ids: Collection[str], *, now: datetime) -> int:
        live: Row = {"_id": {"$in": sorted(set(ids))}, "revoked_at": {"$exists": False}}
        with self._database.calls():
            changed = await self._database.collection("api_keys").update_many(live, {"$set": {"revoked_at": now}})
        return changed.modified_count

    async def erase(self, owner: str) -> int:
        with self._database.calls():
            return (await self._database.collection("api_keys").delete_many({"source_user_id": owner})).deleted_count


def _encode(key: ApiKey) -> Row:
    revoked: Row = {} if key.revoked_at is None else {"revoked_at": key.revoked_at}
    return {
        "_id": key.id,
        "source_user_id": key.owner,
        "digest": key.digest.hex(),
        "name": key.name,
        "created_at": key.created_at,
        **revoked,
        **({"operator": True} if key.operator else {}),
    }


def _decode(row: Row) -> ApiKey:
    return ApiKey(
        id=row["_id"],
        owner=row["source_user_id"],
        digest=bytes.fromhex(row["digest"]),
        name=row["name"],
        created_at=row["created_at"],
        revoked_at=row.get("revoked_at"),
        operator=row.get("operator", False),
    )
