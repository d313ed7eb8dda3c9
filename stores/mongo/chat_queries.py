"""Every read of chats on MongoDB, as data: pure. `indexes` declares an index for each, and a test compares the two.

The owner's clause is written last and on the server's side: nothing that a caller sends can stand in its place.
"""

from collections.abc import Collection
from typing import Final

from stores.mongo.chat_codec import session_key
from stores.mongo.client import CollectionName, Row
from stores.mongo.codec import from_ms
from stores.mongo.queries import Query
from stores.records import DecisionState, Keyset, SessionId

LIVE: Final[Row] = {"deleted": {"$exists": False}}
WHOLE: Final[Row] = {"source_user_id": 0}


def one_session(session_id: SessionId, owner: str) -> Query:
    return Query(
        filter={"_id": session_key(session_id, owner), **LIVE, "source_user_id": owner},
        projection=WHOLE,
        limit=1,
        collection="chat_sessions",
    )


def living(session_keys: Collection[str]) -> Query:
    """The sessions among these that can be written to, of any owner, for one batch of messages: a key tells whose."""
    return Query(
        filter={"_id": {"$in": sorted(session_keys)}, **LIVE},
        projection={"_id": 1},
        collection="chat_sessions",
    )


def latest_sessions(owner: str, limit: int, after: Keyset | None) -> Query:
    place = None if after is None else after._replace(id=session_key(SessionId(after.id), owner))
    return Query(
        filter=_page("updated_at", LIVE, owner, place),
        projection=WHOLE,
        sort=(("updated_at", -1), ("_id", -1)),
        limit=limit,
        collection="chat_sessions",
        batch=limit,
    )


def recent_messages(session_id: SessionId, owner: str, limit: int, before: int | None) -> Query:
    """The last messages of a session, the latest first."""
    below: Row = {} if before is None else {"seq": {"$lt": before}}
    return Query(
        filter={"session_id": session_id, **below, "source_user_id": owner},
        projection={"_id": 0, "source_user_id": 0},
        sort=(("seq", -1),),
        limit=limit,
        collection="chat_messages",
        batch=limit,
    )


def profile_of(owner: str) -> Query:
    return Query(
        filter={"_id": owner, "source_user_id": owner},
        projection={"profile": 1},
        limit=1,
        collection="chat_profiles",
    )


def one_decision(decision_id: str, owner: str) -> Query:
    return Query(
        filter={"_id": decision_id, "source_user_id": owner}, projection=WHOLE, limit=1, collection="chat_decisions"
    )


def newest_decisions(owner: str, limit: int, after: Keyset | None, state: DecisionState | None) -> Query:
    return Query(
        filter=_page("created_at", {} if state is None else {"state": state}, owner, after),
        projection=WHOLE,
        sort=(("created_at", -1), ("_id", -1)),
        limit=limit,
        collection="chat_decisions",
        batch=limit,
    )


def _page(moment: str, fields: Row, owner: str, after: Keyset | None) -> Row:
    """Return the filter of what comes after the keyset: a bound that an index can seek to, then the exact place.

    after: its id is an `_id`.
    """
    if after is None:
        return {**fields, "source_user_id": owner}
    at = from_ms(after.created_ms)
    beyond = {"$or": [{moment: {"$lt": at}}, {"_id": {"$lt": after.id}}]}
    return {moment: {"$lte": at}, **fields, "$and": [beyond], "source_user_id": owner}


OWNED: Final[dict[str, CollectionName]] = {
    "sessions": "chat_sessions",
    "messages": "chat_messages",
    "profiles": "chat_profiles",
    "decisions": "chat_decisions",
}
"""What an owner can have, in the order in which it is erased: without its session no message can be written anew."""
