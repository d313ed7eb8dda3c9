"""How memories get in, change and go: each with single-document writes, so that a crash leaves each one whole.

**History.** A memory carries its last versions inside itself, in `history`. `update` reads the version before (one
command) and compares-and-sets content, indexes and the longer history together (one command): nothing can be lost
between the two, because a version's content never changes. Every VERSIONS_INSIDE updates the full list first moves to
`memory_history`, under ids that make repeating harmless; that one update costs a third command. A copy that stayed
after a crash or a lost race is not read, since the memory still has it, and goes with the memory.
"""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from secrets import token_hex
from typing import Final

from pymongo import UpdateOne
from pymongo.errors import BulkWriteError, DuplicateKeyError

from stores.errors import Conflict, NotFound
from stores.lateness import refusal
from stores.mongo import erasing, queries
from stores.mongo.client import MongoDatabase, Row
from stores.mongo.codec import decode, decode_work, encode, encode_index, moment, replacement, standing, tombstone
from stores.mongo.faults import is_only_duplicates
from stores.mongo.reading import each, find
from stores.records import CONTENT_KEY, Document, IndexMark, IndexState, Memory, MemoryId, PendingWork, Statement

VERSIONS_INSIDE: Final = 20


async def insert_unless_erased(
    documents: Sequence[Document], owner: str, now: datetime, begun_s: float | None, database: MongoDatabase
) -> list[Memory]:
    """Write as `insert` does, unless the owner was erased after `begun_s`; see `erasing`. Raises Erased."""
    await erasing.refuse_late(owner, begun_s, database)
    started_s = time.time()
    stored = await insert(documents, owner, now, database)
    if begun_s is not None and await erasing.begun_before(owner, started_s, database):
        fresh = {"_id": {"$in": [document.memory.id for document in documents]}, "source_user_id": owner}
        with database.calls():
            await database.collection("memories").delete_many(fresh)
        raise refusal()
    return stored


async def insert(documents: Sequence[Document], owner: str, now: datetime, database: MongoDatabase) -> list[Memory]:
    """Write the documents whose dedupe key is new; return what is stored for each, in order.

    One command; one read more when keys are taken, and two writes more when expired memories must release theirs.
    """
    fresh: dict[str, Document] = {}
    for document in documents:
        fresh.setdefault(document.dedupe_key, document)
    encoded = await each(partial(encode, owner=owner), list(fresh.values()))
    rows = dict(zip(fresh, encoded, strict=True))
    stored: dict[str, Memory] = {}
    refused = await _insert_rows(encoded, database)
    if refused:
        stored, over = await _holders(refused, owner, now, database)
        again = [rows[key] for key in refused if key not in stored]
        if again:
            await _release(over, owner, now, database)
            await _insert_again(again, stored, owner, now, database)
    return [stored.get(document.dedupe_key) or fresh[document.dedupe_key].memory for document in documents]


async def _insert_rows(rows: Sequence[Row], database: MongoDatabase) -> list[str]:
    """Insert what can be inserted, and return the dedupe keys of what met a unique key."""
    with database.calls():
        try:
            await database.collection("memories").insert_many(rows, ordered=False)
        except BulkWriteError as exc:
            details = exc.details or {}
            if not is_only_duplicates(details):
                raise
            return [rows[error["index"]]["dedupe_key"] for error in details["writeErrors"]]
    return []


async def _holders(
    keys: Collection[str], owner: str, now: datetime, database: MongoDatabase
) -> tuple[dict[str, Memory], list[MemoryId]]:
    """Return the live memories that hold the keys, and the ids of those whose keys are free: expired, or superseded."""
    live: dict[str, Memory] = {}
    over: list[MemoryId] = []
    for row in await find(queries.by_keys(keys, owner), database):
        memory = decode(row)
        is_expired = memory.expires_at is not None and memory.expires_at <= now
        if is_expired or (memory.invalid_at is not None and row["dedupe_key"].startswith(CONTENT_KEY)):
            over.append(memory.id)
        else:
            live[row["dedupe_key"]] = memory
    return live, over


async def _release(ids: Sequence[MemoryId], owner: str, now: datetime, database: MongoDatabase) -> None:
    """Take the dedupe keys of memories that have expired."""
    if not ids:
        return
    free = {"_id": {"$in": list(ids)}, **_free(now), "source_user_id": owner}
    with database.calls():
        await database.collection("memories").update_many(free, {"$unset": {"dedupe_key": ""}})


def _free(now: datetime) -> Row:
    """What lets go of its dedupe key: a memory whose time is over, or one that no longer holds and has no own key."""
    superseded = {"invalid_at": {"$exists": True}, "dedupe_key": {"$regex": f"^{CONTENT_KEY}"}}
    return {"$or": [{"expires_at": {"$lte": now}}, superseded]}


async def _insert_again(
    rows: Sequence[Row], stored: dict[str, Memory], owner: str, now: datetime, database: MongoDatabase
) -> None:
    """Insert what expired memories stood in the way of; whoever was faster now stands in `stored`."""
    refused = await _insert_rows(rows, database)
    if refused:
        faster, _ = await _holders(refused, owner, now, database)
        if missing := set(refused) - faster.keys():
            raise Conflict(f"{len(missing)} of the ids are taken; give each memory a new id")
        stored |= faster


async def update(document: Document, owner: str, expected_version: int, now: datetime, database: MongoDatabase) -> None:
    """Put `document` in the place of version `expected_version`: a read and a compare-and-set."""
    memory_id = document.memory.id
    before = await read_version(memory_id, owner, now, database)
    if before["version"] != expected_version:
        raise Conflict(f"{memory_id} is at version {before['version']}, not {expected_version}; read it again")
    past = [*before.get("history", ()), _entry(before)]
    if len(past) > VERSIONS_INSIDE:
        await _move_out(past[:-1], memory_id, owner, database)
        past = past[-1:]
    change = replacement(document, owner, past)
    same = {"_id": memory_id, "version": expected_version, "deleted_at": {"$exists": False}, "source_user_id": owner}
    if not await _compare_and_set(same, change, document.dedupe_key, now, database):
        raise Conflict(f"somebody else changed {memory_id} just now; read it again")


async def read_version(memory_id: MemoryId, owner: str, now: datetime, database: MongoDatabase) -> Row:
    """Return a live memory's content, version and embedded history. Raises NotFound."""
    rows = await find(queries.version_of(memory_id, owner), database)
    if not rows or ("expires_at" in rows[0] and moment(rows[0]["expires_at"]) <= now):
        raise NotFound(memory_id)
    return rows[0]


async def _compare_and_set(same: Row, change: Row, key: str, now: datetime, database: MongoDatabase) -> bool:
    """Say whether the change took effect. If an expired memory holds the key it is released, once."""
    memories = database.collection("memories")
    with database.calls():
        try:
            return (await memories.update_one(same, change)).matched_count == 1
        except DuplicateKeyError:
            free = {"dedupe_key": key, **_free(now), "source_user_id": same["source_user_id"]}
            released = await memories.update_many(free, {"$unset": {"dedupe_key": ""}})
            if not released.modified_count:
                raise Conflict("another memory says this already; keep that one, or say something else") from None
            return (await memories.update_one(same, change)).matched_count == 1


def _entry(row: Mapping[str, object]) -> Row:
    entry: Row = {"version": row["version"], "input": row["input"], "changed_at": row["updated_at"]}
    return {**entry, "quarantine": row["quarantine"]} if "quarantine" in row else entry


async def _move_out(entries: Sequence[Row], memory_id: MemoryId, owner: str, database: MongoDatabase) -> None:
    rows = [
        {"_id": f"{memory_id}:{entry['version']}", "memory_id": memory_id, **entry, "source_user_id": owner}
        for entry in entries
    ]
    with database.calls():
        try:
            await database.collection("memory_history").insert_many(rows, ordered=False)
        except BulkWriteError as exc:
            if not is_only_duplicates(exc.details or {}):
                raise


async def settle(settled: Sequence[Statement], owner: str, now: datetime, database: MongoDatabase) -> None:
    """Replace relations and validity of memories that are there; one command for all."""
    if not settled:
        return
    writes = [
        UpdateOne({"_id": one.id, "deleted_at": {"$exists": False}, "source_user_id": owner}, standing(one, now))
        for one in settled
    ]
    with database.calls():
        await database.collection("memories").bulk_write(writes, ordered=False)


async def delete(memory_id: MemoryId, owner: str, now: datetime, database: MongoDatabase) -> bool:
    """Turn the memory into a tombstone, then remove the versions outside it; two commands."""
    there = {"_id": memory_id, "deleted_at": {"$exists": False}, "source_user_id": owner}
    with database.calls():
        buried = await database.collection("memories").update_one(there, tombstone(now))
        if buried.matched_count:
            await _forget_versions([memory_id], owner, database)
    return bool(buried.matched_count)


async def purge(ids: Collection[MemoryId], owner: str, database: MongoDatabase) -> int:
    """Remove tombstones, and before them the versions that a crash between the two writes of `delete` left."""
    dead = [row["_id"] for row in await find(queries.buried(ids, owner), database)]
    if not dead:
        return 0
    with database.calls():
        await _forget_versions(dead, owner, database)
        tombstones = {"_id": {"$in": dead}, "deleted_at": {"$exists": True}, "source_user_id": owner}
        return (await database.collection("memories").delete_many(tombstones)).deleted_count


async def _forget_versions(ids: Sequence[MemoryId], owner: str, database: MongoDatabase) -> None:
    await database.collection("memory_history").delete_many({"memory_id": {"$in": list(ids)}, "source_user_id": owner})


async def mark(marks: Sequence[IndexMark], owner: str, database: MongoDatabase) -> int:
    """Record outcomes of index work where the generation is still the same; one command for all."""
    if not marks:
        return 0
    writes = [
        UpdateOne(
            {"_id": item.id, "index.generation": item.generation, "source_user_id": owner}, {"$set": _marked(item)}
        )
        for item in marks
    ]
    with database.calls():
        return (await database.collection("memories").bulk_write(writes, ordered=False)).matched_count


async def claim(
    limit: int,
    now: datetime,
    until: datetime,
    among: tuple[str, Collection[MemoryId]] | None,
    database: MongoDatabase,
) -> list[PendingWork]:
    """Take work that is due: find it, put a token on what is still free, and read what has the token."""
    ids = [row["_id"] for row in await find(queries.due_ids(limit, now, among), database)]
    if not ids:
        return []
    token = token_hex(8)
    change = {"$set": {"index.next_attempt_at": until, "index.claim": token}, "$inc": {"index.lost": 1}}
    with database.calls():
        taken = await database.collection("memories").update_many(queries.claimable(ids, now), change)
    if not taken.matched_count:
        return []
    claimed = [decode_work(row) for row in await find(queries.claimed(ids, token), database)]
    return [replace(work, lost=work.lost - 1) for work in claimed]


def _marked(item: IndexMark) -> Row:
    index = IndexState(
        state=item.state,
        generation=item.generation,
        attempts=item.attempts,
        next_attempt_at=item.next_attempt_at,
        reason=item.reason,
    )
    row: Row = {"index": encode_index(index) | ({"lost": item.lost} if item.lost else {})}
    if item.embedding is not None:
        row |= {"embedding": item.embedding, "embedding_model": item.embedding_model}
    return row
