"""The store of replies on MongoDB: one document a request, whose `_id` is the request's."""

from datetime import datetime
from typing import Any, Final

from bson.binary import Binary

from stores.errors import Conflict, Unavailable
from stores.mongo.client import MongoDatabase, Row
from stores.mongo.index_table import REPLY_INDEXES
from stores.mongo.indexes import prepare_small_indexes
from stores.mongo.queries import Query
from stores.mongo.reading import find
from stores.records import Scope
from stores.reply_protocol import Reply, ReplyClaim, ReplyRecord

_WHOLE: Final[Row] = dict.fromkeys(("source_user_id", "fingerprint", "holder", "held_until", "expires_at", "reply"), 1)
_TRIES: Final = 5


class MongoReplies:
    """See `stores.reply_protocol.ReplyStore`. Acknowledged means that a majority has it in its journal."""

    name = "mongodb-replies"

    def __init__(self, database: MongoDatabase) -> None:
        self._database = database

    async def open(self) -> None:
        await self._database.open(self)
        try:
            await prepare_small_indexes(self._database, REPLY_INDEXES)
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        await self._database.aclose(self)

    async def claim(self, claim: ReplyClaim, *, now: datetime, until: datetime, expires_at: datetime) -> ReplyRecord:
        """What is in the way is removed, or taken, only as it was read; whoever was faster is read then."""
        mine: Row = {
            "source_user_id": claim.scope.owner,
            "fingerprint": claim.fingerprint,
            "holder": claim.holder,
            "held_until": until,
            "expires_at": expires_at,
        }
        for _ in range(_TRIES):
            try:
                with self._database.calls():
                    await self._replies.insert_one({"_id": claim.id, **mine})
            except Conflict:
                there = await self._find(claim.id)
            else:
                return _decode(mine)
            if there is None:
                continue
            same = {"_id": claim.id, "holder": there["holder"], "expires_at": there["expires_at"]}
            if there["expires_at"] <= now:
                await self._delete(same)
            elif "reply" in there or there["held_until"] > now or there["fingerprint"] != claim.fingerprint:
                return _decode(there)
            elif await self._update({**same, "reply": {"$exists": False}}, mine):
                return _decode(mine)
        raise Unavailable("many claim this key at the same moment; try again")

    async def hold(self, claim: ReplyClaim, *, until: datetime) -> bool:
        return await self._update(_held(claim), {"held_until": until}) > 0

    async def keep(self, claim: ReplyClaim, reply: Reply) -> bool:
        kept = {"status": reply.status, "headers": list(map(list, reply.headers.items())), "body": Binary(reply.body)}
        return await self._update(_held(claim), {"reply": kept}) > 0

    async def release(self, claim: ReplyClaim) -> None:
        await self._delete(_held(claim))

    async def sweep(self, *, now: datetime) -> int:
        return await self._delete({"expires_at": {"$lte": now}})

    async def erase(self, scope: Scope) -> int:
        return await self._delete({"source_user_id": scope.owner})

    async def count(self, scope: Scope) -> int:
        with self._database.calls():
            return int(await self._replies.count_documents({"source_user_id": scope.owner}))

    @property
    def _replies(self) -> Any:
        return self._database.collection("replies")

    async def _find(self, reply_id: str) -> Row | None:
        query = Query(filter={"_id": reply_id}, projection=_WHOLE, limit=1, collection="replies")
        rows = await find(query, self._database)
        return rows[0] if rows else None

    async def _update(self, wanted: Row, changes: Row) -> int:
        with self._database.calls():
            changed = await self._replies.update_one(wanted, {"$set": changes})
        return int(changed.modified_count)

    async def _delete(self, wanted: Row) -> int:
        with self._database.calls():
            removed = await self._replies.delete_many(wanted)
        return int(removed.deleted_count)


def _held(claim: ReplyClaim) -> Row:
    return {
        "_id": claim.id,
        "holder": claim.holder,
        "reply": {"$exists": False},
        "source_user_id": claim.scope.owner,
    }


def _decode(row: Row) -> ReplyRecord:
    told = row.get("reply")
    reply = None
    if told is not None:
        headers = dict(told["headers"])
        reply = Reply(status=told["status"], headers=headers, body=bytes(told["body"]))
    return ReplyRecord(
        fingerprint=row["fingerprint"],
        holder=row["holder"],
        reply=reply,
    )
