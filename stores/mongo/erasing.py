"""Who was erased, in a collection of its own: strict between processes, though a write and a look are two commands.

Whoever erases notes it first, by the server's time, and then waits twice `late_s` before anything is removed. A write
that took no longer than `late_s` since it was begun needs no look: if the note came meanwhile, it is there when the
removal comes. One that took longer looks before it writes, and again if the writing itself took longer. Only spans of
time are compared, so that no clock of another machine matters.
"""

import asyncio
import time
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from stores.lateness import digest_of, is_late, refusal
from stores.mongo import upkeep
from stores.mongo.client import MongoDatabase
from stores.mongo.queries import Query
from stores.mongo.reading import find


async def note(owner: str, database: MongoDatabase) -> None:
    """Remember that the owner is erased from now on, and return when no write from before can be under way unseen."""
    now = await upkeep.time(database)
    change = {"$inc": {"number": 1}, "$set": {"erased_at": now}}
    with database.calls():
        await database.collection("context0_erasures").update_one({"_id": digest_of(owner)}, change, upsert=True)
    await asyncio.sleep(2 * database.options.late_s)


def needs_look(begun_s: float | None, database: MongoDatabase) -> bool:
    """Say whether an erasure that came after that moment may be over by now."""
    return begun_s is not None and time.time() - begun_s > database.options.late_s


async def erased_at(owners: Collection[str], database: MongoDatabase) -> Mapping[str, float]:
    """Return when owners were erased last, by the clock of this machine. One command, two where there are any."""
    by_digest = {digest_of(owner): owner for owner in owners}
    rows = await find(_of(by_digest), database)
    if not rows:
        return {}
    now, now_s = await upkeep.time(database), time.time()
    return {by_digest[row["_id"]]: now_s - (now - row["erased_at"]).total_seconds() for row in rows}


async def begun_before(owner: str, begun_s: float | None, database: MongoDatabase) -> bool:
    """Say whether the owner was erased after that moment. No command where it lies less than `late_s` back."""
    if not needs_look(begun_s, database):
        return False
    erased = await erased_at([owner], database)
    return is_late(begun_s, erased.get(owner), time.time())


async def refuse_late(owner: str, begun_s: float | None, database: MongoDatabase) -> None:
    """Raise Erased for what was begun before the owner was erased."""
    if await begun_before(owner, begun_s, database):
        raise refusal()


async def within(seconds: float, database: MongoDatabase) -> frozenset[tuple[str, int]]:
    since = await upkeep.time(database) - timedelta(seconds=seconds)
    return frozenset((row["_id"], int(row["number"])) for row in await find(_since(since), database))


def _of(digests: Collection[str]) -> Query:
    return Query(filter={"_id": {"$in": sorted(digests)}}, projection={"erased_at": 1}, collection="context0_erasures")


def _since(moment: datetime) -> Query:
    return Query(filter={"erased_at": {"$gte": moment}}, projection={"number": 1}, collection="context0_erasures")
