"""The audit trail on MongoDB: one document a line, whose `_id` is its owner and its number, and one a head."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from stores.audit import AuditHead, AuditLine
from stores.errors import Conflict
from stores.mongo.client import MongoDatabase, Row
from stores.mongo.codec import moment
from stores.mongo.queries import Query
from stores.mongo.reading import find

_TAKEN: Final = "the audit trail has gone on; read its head again"


class MongoAudit:
    """See `stores.audit.AuditStore`. Acknowledged means that a majority has it in its journal.

    Numbers are taken by the first line of a batch: the others follow in order, and none is written without it. A crash
    between lines and head leaves the head behind, which the next append brings forward.
    """

    name = "mongodb-audit"

    def __init__(self, database: MongoDatabase) -> None:
        self._database = database

    async def open(self) -> None:
        await self._database.open(self)

    async def aclose(self) -> None:
        await self._database.aclose(self)

    async def head(self, owner: str) -> AuditHead:
        query = Query(filter={"_id": owner}, projection={"seq": 1, "code": 1}, limit=1, collection="audit_heads")
        rows = await find(query, self._database)
        return AuditHead(int(rows[0]["seq"]), rows[0]["code"]) if rows else AuditHead()

    async def append(self, lines: Sequence[AuditLine]) -> None:
        try:
            with self._database.calls():
                await self._database.collection("audit_lines").insert_many(list(map(_encode, lines)), ordered=True)
        except Conflict:
            raise Conflict(_TAKEN) from None
        last = lines[-1]
        newer = {"_id": last.owner, "seq": {"$lt": last.seq}}
        change = {"$set": {"seq": last.seq, "code": last.code}}
        try:
            with self._database.calls():
                await self._database.collection("audit_heads").update_one(newer, change, upsert=True)
        except Conflict:  # a later line has brought it further already
            return

    async def list_page(self, owner: str, *, limit: int, before: int | None = None) -> list[AuditLine]:
        below: Row = {} if before is None else {"seq": {"$lt": before}}
        query = Query(
            filter={**below, "owner": owner},
            projection={"_id": 0},
            sort=(("seq", -1),),
            limit=limit,
            batch=limit,
            collection="audit_lines",
        )
        return list(map(_decode, await find(query, self._database)))


def _encode(line: AuditLine) -> Row:
    return {
        "_id": f"{line.owner}:{line.seq}",
        "owner": line.owner,
        "seq": line.seq,
        "at": line.at,
        "actor": line.actor,
        "action": line.action,
        "targets": list(line.targets),
        "total": line.total,
        "outcome": line.outcome,
        "request_id": line.request_id,
        "code": line.code,
    }


def _decode(row: Mapping[str, Any]) -> AuditLine:
    return AuditLine(
        owner=row["owner"],
        seq=int(row["seq"]),
        at=moment(row["at"]),
        actor=row["actor"],
        action=row["action"],
        targets=tuple(row["targets"]),
        total=int(row["total"]),
        outcome=row["outcome"],
        request_id=row["request_id"],
        code=row["code"],
    )
