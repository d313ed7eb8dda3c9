"""The chat store on MongoDB: sessions, messages, profiles and decisions, each write a single-document one.

A message that is written while its session is deleted, or its owner erased, must not stay. Whoever deletes marks the
session first and removes the messages then; whoever writes messages looks at the sessions afterwards, and takes back
what has none. So in every order one of the two sees the other.
"""

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from pymongo import ReturnDocument, UpdateOne
from pymongo.errors import BulkWriteError

from stores.errors import Conflict, NotFound
from stores.lateness import is_late, refusal
from stores.mongo import chat_queries, erasing
from stores.mongo.chat_codec import (
    TEXTS_OF_SESSION,
    decode_decision,
    decode_message,
    decode_session,
    encode_decision,
    encode_message,
    message_key,
    reservation,
    session_key,
)
from stores.mongo.chat_queries import LIVE, OWNED, WHOLE
from stores.mongo.client import CollectionName, MongoDatabase, Row
from stores.mongo.codec import escape, unescape
from stores.mongo.faults import is_only_duplicates
from stores.mongo.index_table import CHAT_INDEXES
from stores.mongo.indexes import prepare_small_indexes
from stores.mongo.reading import each, find
from stores.records import (
    Decision,
    DecisionId,
    DecisionState,
    Keyset,
    Message,
    Metadata,
    Scope,
    Session,
    SessionId,
)

_ATTEMPTS: Final = 3
"""So often upserts are sent: two that insert the same document at once collide, and the next time it is there."""


class MongoChats:
    """See `stores.protocols.ChatStore`. Acknowledged means that a majority has it in its journal."""

    name = "mongodb-chats"
    local = False

    def __init__(self, database: MongoDatabase) -> None:
        self._database = database

    async def open(self) -> None:
        """Connect; empty collections get their indexes, others a logged warning if one is missing."""
        await self._database.open(self)
        try:
            await prepare_small_indexes(self._database, CHAT_INDEXES)
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        await self._database.aclose(self)

    async def reserve(
        self,
        session: Session,
        *,
        scope: Scope,
        count: int,
        now: datetime,
        first: Message | None = None,
        begun_s: float | None = None,
    ) -> Session:
        await erasing.refuse_late(scope.owner, begun_s, self._database)
        started_s = time.time()
        same = {"_id": session_key(session.id, scope.owner), **LIVE, "source_user_id": scope.owner}
        change = reservation(session, count, now)
        try:
            row = await self._changed("chat_sessions", same, change, upsert=True)
        except Conflict:  # deleted, or made by another call just now
            row = await self._changed("chat_sessions", same, {"$inc": change["$inc"], "$set": change["$set"]})
        if row is None:
            raise NotFound(session.id, kind="session")
        reserved = decode_session(row)
        if first is not None:
            await self.put_messages([(scope, replace(first, seq=reserved.next_seq - count))])
        if begun_s is not None and await erasing.begun_before(scope.owner, started_s, self._database):
            await self._take_back(session.id, count, scope)
            raise refusal()
        return reserved

    async def _take_back(self, session_id: SessionId, count: int, scope: Scope) -> None:
        """Remove a session that a late reservation has just made; one that others have used since is theirs."""
        made = {"_id": session_key(session_id, scope.owner), "last_seq": count, "source_user_id": scope.owner}
        with self._database.calls():
            gone = await self._database.collection("chat_sessions").delete_one(made)
            if gone.deleted_count:
                hers = {"session_id": session_id, "source_user_id": scope.owner}
                await self._database.collection("chat_messages").delete_many(hers)

    async def put_messages(
        self, messages: Sequence[tuple[Scope, Message]], *, begun_s: Sequence[float | None] = ()
    ) -> None:
        if begun_s:
            messages = await self._in_time(messages, begun_s)
        if messages:
            await self._put(messages)

    async def _in_time(
        self, messages: Sequence[tuple[Scope, Message]], begun_s: Sequence[float | None]
    ) -> Sequence[tuple[Scope, Message]]:
        """Return the messages without those that were begun before their owner was erased."""
        told = list(zip(messages, begun_s, strict=True))
        owners = {pair[0].owner for pair, begun in told if erasing.needs_look(begun, self._database)}
        erased = await erasing.erased_at(owners, self._database) if owners else {}
        now_s = time.time()
        return [pair for pair, begun in told if not is_late(begun, erased.get(pair[0].owner), now_s)]

    async def _put(self, messages: Sequence[tuple[Scope, Message]]) -> None:
        latest = {message_key(message, scope.owner): (scope.owner, message) for scope, message in messages}
        encoded = await each(encode_message, [message for _, message in latest.values()])
        writes = [
            UpdateOne({"_id": key, "source_user_id": owner}, {"$set": row}, upsert=True)
            for (key, (owner, _)), row in zip(latest.items(), encoded, strict=True)
        ]
        await self._upsert("chat_messages", writes)
        rooms = {key: session_key(message.session_id, owner) for key, (owner, message) in latest.items()}
        alive = {row["_id"] for row in await find(chat_queries.living(set(rooms.values())), self._database)}
        lost = [key for key, room in rooms.items() if room not in alive]
        if lost:
            with self._database.calls():
                await self._database.collection("chat_messages").delete_many({"_id": {"$in": lost}})

    async def recent(
        self, session_id: SessionId, *, scope: Scope, limit: int, before: int | None = None
    ) -> list[Message]:
        rows = await find(chat_queries.recent_messages(session_id, scope.owner, limit, before), self._database)
        return await each(decode_message, rows[::-1])

    async def get_session(self, session_id: SessionId, *, scope: Scope) -> Session:
        rows = await find(chat_queries.one_session(session_id, scope.owner), self._database)
        if not rows:
            raise NotFound(session_id, kind="session")
        return decode_session(rows[0])

    async def list_sessions(self, *, scope: Scope, limit: int, after: Keyset | None = None) -> list[Session]:
        rows = await find(chat_queries.latest_sessions(scope.owner, limit, after), self._database)
        return await each(decode_session, rows)

    async def update_session(
        self,
        session_id: SessionId,
        *,
        scope: Scope,
        title: str | None = None,
        summary: tuple[str, int] | None = None,
        metadata: Metadata | None = None,
        begun_s: float | None = None,
    ) -> Session:
        if await erasing.begun_before(scope.owner, begun_s, self._database):
            raise NotFound(session_id, kind="session")
        plain = {} if title is None else {"title": title}
        plain |= {f"metadata.{key}": value for key, value in escape(metadata or {}).items()}
        same = {"_id": session_key(session_id, scope.owner), **LIVE, "source_user_id": scope.owner}
        if summary is not None:
            newer = {**same, "summary_seq": {"$lte": summary[1]}}
            change = {"$set": {**plain, "summary": summary[0], "summary_seq": summary[1]}}
            row = await self._changed("chat_sessions", newer, change)
            if row is not None:
                return decode_session(row)
        if not plain:
            return await self.get_session(session_id, scope=scope)
        row = await self._changed("chat_sessions", same, {"$set": plain})
        if row is None:
            raise NotFound(session_id, kind="session")
        return decode_session(row)

    async def delete_session(self, session_id: SessionId, *, scope: Scope) -> bool:
        same = {"_id": session_key(session_id, scope.owner), **LIVE, "source_user_id": scope.owner}
        buried = {"$set": {"deleted": True}, "$unset": dict.fromkeys(TEXTS_OF_SESSION, "")}
        with self._database.calls():
            found = await self._database.collection("chat_sessions").update_one(same, buried)
            # also when it was deleted before: a crash may have come between the two
            hers = {"session_id": session_id, "source_user_id": scope.owner}
            await self._database.collection("chat_messages").delete_many(hers)
        return bool(found.matched_count)

    async def get_profile(self, scope: Scope) -> Metadata:
        rows = await find(chat_queries.profile_of(scope.owner), self._database)
        profile: dict[str, object] = unescape(rows[0]["profile"]) if rows else {}
        return profile

    async def put_profile(self, profile: Metadata, *, scope: Scope) -> None:
        own = {"_id": scope.owner, "source_user_id": scope.owner}
        await self._upsert("chat_profiles", [UpdateOne(own, {"$set": {"profile": escape(profile)}}, upsert=True)])

    async def put_decisions(self, decisions: Sequence[Decision], *, scope: Scope) -> None:
        if not decisions:
            return
        rows = [encode_decision(decision, scope.owner) for decision in decisions]
        with self._database.calls():
            try:
                await self._database.collection("chat_decisions").insert_many(rows, ordered=False)
            except BulkWriteError as exc:
                if not is_only_duplicates(exc.details or {}):
                    raise

    async def list_decisions(
        self, *, scope: Scope, limit: int, after: Keyset | None = None, state: DecisionState | None = None
    ) -> list[Decision]:
        rows = await find(chat_queries.newest_decisions(scope.owner, limit, after, state), self._database)
        return await each(decode_decision, rows)

    async def decide(self, decision_id: DecisionId, state: DecisionState, *, scope: Scope, now: datetime) -> Decision:
        pending = {"_id": decision_id, "state": "pending", "source_user_id": scope.owner}
        row = await self._changed("chat_decisions", pending, {"$set": {"state": state, "decided_at": now}})
        if row is not None:
            return decode_decision(row)
        held = await find(chat_queries.one_decision(decision_id, scope.owner), self._database)
        if not held:
            raise NotFound(decision_id, kind="decision")
        raise Conflict(f"{decision_id} was settled before, as {held[0]['state']}")

    async def erase(self, scope: Scope) -> dict[str, int]:
        """MongoDB overwrites the space in its own time; its oplog and backups keep what they recorded for a while.

        Takes twice `late_s` at least, see `erasing`.
        """
        await erasing.note(scope.owner, self._database)
        removed: dict[str, int] = {}
        with self._database.calls():
            for kind, name in OWNED.items():
                gone = await self._database.collection(name).delete_many({"source_user_id": scope.owner})
                removed[kind] = gone.deleted_count
        return removed

    async def count(self, scope: Scope) -> dict[str, int]:
        with self._database.calls():
            return {
                kind: await self._database.collection(name).count_documents({"source_user_id": scope.owner})
                for kind, name in OWNED.items()
            }

    async def status(self) -> dict[str, int | str]:
        with self._database.calls():
            return {
                kind: await self._database.collection(OWNED[kind]).estimated_document_count()
                for kind in ("sessions", "messages")
            }

    async def _changed(self, name: CollectionName, same: Row, change: Row, *, upsert: bool = False) -> Row | None:
        """Change one document and return it as it is then, or None if there is none. Raises Conflict."""
        with self._database.calls():
            return await self._database.collection(name).find_one_and_update(
                same, change, WHOLE, upsert=upsert, return_document=ReturnDocument.AFTER
            )

    async def _upsert(self, name: CollectionName, writes: Sequence[UpdateOne]) -> None:
        """Send upserts by `_id` as one command, and those again that collided with the same ones of another call."""
        with self._database.calls():
            for attempt in range(1, _ATTEMPTS + 1):
                try:
                    await self._database.collection(name).bulk_write(writes, ordered=False)
                except BulkWriteError as exc:
                    details = exc.details or {}
                    if attempt == _ATTEMPTS or not is_only_duplicates(details):
                        raise
                    writes = [writes[error["index"]] for error in details["writeErrors"]]
                else:
                    return
