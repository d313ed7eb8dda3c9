"""Every read that the stores make, as data: pure. `indexes` declares an index for each, and a test compares the two.

The owner's clause is written last and on the server's side: nothing that a caller sends can stand in its place.
"""

import unicodedata
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from stores.filters import Filter
from stores.mongo.client import CollectionName, Row
from stores.mongo.codec import WITHOUT_INDEXES, from_ms
from stores.mongo.filters import compile_filter
from stores.records import EdgePattern, Keyset, MemoryId, TimeWindow

ONE_REPLY: Final = 100_000
"""A batch size that a reply of 16 MB decides about, instead of MongoDB's first batch of 101."""

MAX_SEARCH_WORDS: Final = 64

_ID: Final[Row] = {"_id": 1}
_LIVE: Final[Row] = {"deleted_at": {"$exists": False}}
_SEARCHED: Final[Row] = {**_LIVE, "quarantine": {"$exists": False}}
_SCANNED: Final = (
    "version", "deleted_at", "updated_at", "created_at", "occurred_at", "expires_at", "session_id", "session_seq",
    "speaker", "memory_type", "terms", "entity_terms", "traits", "valid_from", "invalid_at", "superseded_by",
    "quarantine",
)  # fmt: skip

_WORK: Final[Row] = dict.fromkeys(("source_user_id", "input", "index", "deleted_at", "embedding"), 1)
_OLDEST: Final = (("updated_at", 1), ("_id", 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One find: limit 0 is no limit."""

    filter: Row
    projection: Row
    sort: tuple[tuple[str, Any], ...] = ()
    limit: int = 0
    collection: CollectionName = "memories"
    batch: int = field(default=ONE_REPLY)


def by_ids(ids: Sequence[MemoryId], owner: str) -> Query:
    return Query(filter={"_id": {"$in": list(ids)}, **_LIVE, "source_user_id": owner}, projection=WITHOUT_INDEXES)


def by_keys(keys: Collection[str], owner: str) -> Query:
    """The memories that hold these dedupe keys, expired ones included."""
    return Query(filter={"dedupe_key": {"$in": list(keys)}, "source_user_id": owner}, projection=WITHOUT_INDEXES)


def version_of(memory_id: MemoryId, owner: str) -> Query:
    """One memory's content, version and embedded history."""
    projection = dict.fromkeys(("input", "version", "updated_at", "expires_at", "history", "quarantine"), 1)
    return Query(filter={"_id": memory_id, **_LIVE, "source_user_id": owner}, projection=projection, limit=1)


def moved_history(memory_id: MemoryId, below: int, owner: str) -> Query:
    """The versions that no longer fit inside the memory, oldest first."""
    return Query(
        filter={"memory_id": memory_id, "version": {"$lt": below}, "source_user_id": owner},
        projection={"_id": 0, "source_user_id": 0},
        sort=(("version", 1),),
        collection="memory_history",
    )


def newest(owner: str, limit: int, after: Keyset | None, where: Filter | None, now: datetime) -> Query:
    conditions = [*_behind(after), _not_expired(now)]
    if where is not None:
        conditions.append(compile_filter(where))
    return Query(
        filter=_scoped(owner, _bounds("created_at", "$lte", after), *conditions),
        projection=WITHOUT_INDEXES,
        sort=(("created_at", -1), ("_id", -1)),
        limit=limit,
        batch=limit,
    )


def kept_back(owner: str, limit: int, after: Keyset | None, now: datetime) -> Query:
    """The memories in quarantine, newest first."""
    fields = {"quarantine": {"$exists": True}, **_bounds("created_at", "$lte", after)}
    return Query(
        filter=_scoped(owner, fields, *_behind(after), _not_expired(now), live=_LIVE),
        projection=WITHOUT_INDEXES,
        sort=(("created_at", -1), ("_id", -1)),
        limit=limit,
        batch=limit,
    )


def passing(where: Filter, owner: str, now: datetime) -> Query:
    return Query(filter=_scoped(owner, {}, _not_expired(now), compile_filter(where)), projection=_ID)


def any_word(text: str, owner: str, limit: int, among: Collection[MemoryId] | None, now: datetime) -> Query | None:
    """Return a text search for any of the words of `text`, or None if it has no word."""
    search = searchable(text)
    if not search:
        return None
    score = {"$meta": "textScore"}
    return Query(
        filter=_scoped(owner, {"$text": {"$search": search}, **_among(among)}, _not_expired(now)),
        projection={"_id": 1, "score": score},
        sort=(("score", score), ("_id", 1)),
        limit=limit,
        batch=limit,
    )


def happened(window: TimeWindow, owner: str, limit: int, among: Collection[MemoryId] | None, now: datetime) -> Query:
    bounds = {"$gte": window.since, "$lt": window.until}
    told = {sign: bound for sign, bound in bounds.items() if bound is not None}
    return Query(
        filter=_scoped(owner, {**({"event_at": told} if told else {}), **_among(among)}, _not_expired(now)),
        projection=_ID,
        sort=(("event_at", -1), ("_id", -1)),
        limit=limit,
        batch=limit,
    )


def arrived(owner: str, after: Keyset | None, limit: int, *, vectors: bool) -> Query:
    """One batch of the rows that an index in memory is made of, in order of arrival."""
    return Query(
        filter=_scoped(owner, _bounds("created_at", "$gte", after), *_later("created_at", after)),
        projection=_index_row(vectors=vectors),
        sort=(("created_at", 1), ("_id", 1)),
        limit=limit,
        batch=limit,
    )


def changed(owner: str, since: datetime, after: Keyset | None, limit: int, *, vectors: bool) -> Query:
    """One batch of the rows that changed at or after `since`, tombstones too, in order of their change."""
    start = {"updated_at": {"$gte": since if after is None else from_ms(after.created_ms)}}
    conditions = _later("updated_at", after)
    return Query(
        filter={**start, **({"$and": conditions} if conditions else {}), "source_user_id": owner},
        projection=_index_row(vectors=vectors),
        sort=(("updated_at", 1), ("_id", 1)),
        limit=limit,
        batch=limit,
    )


def index_rows(ids: Collection[MemoryId], owner: str) -> Query:
    """The rows of an index in memory, without vectors."""
    return Query(
        filter={"_id": {"$in": list(ids)}, **_SEARCHED, "source_user_id": owner}, projection=_index_row(vectors=False)
    )


def documents_of(owner: str, after: Keyset | None, limit: int) -> Query:
    return Query(
        filter=_scoped(owner, _bounds("created_at", "$gte", after), *_later("created_at", after), live=_LIVE),
        projection=WITHOUT_INDEXES,
        sort=(("created_at", 1), ("_id", 1)),
        limit=limit,
        batch=limit,
    )


def documents_of_all(after: str | None, limit: int) -> Query:
    start = {} if after is None else {"_id": {"$gt": after}}
    return Query(filter={**start, **_LIVE}, projection=WITHOUT_INDEXES, sort=(("_id", 1),), limit=limit, batch=limit)


def due(limit: int, now: datetime) -> Query:
    """Index work of all owners, oldest first."""
    waiting = {"$or": [{"index.next_attempt_at": {"$exists": False}}, {"index.next_attempt_at": {"$lte": now}}]}
    return Query(
        filter={"index.state": "pending", "$and": [waiting, _not_expired(now)]},
        projection=_WORK,
        sort=_OLDEST,
        limit=limit,
        batch=limit,
    )


def due_ids(limit: int, now: datetime, among: tuple[str, Collection[MemoryId]] | None = None) -> Query:
    """The ids of index work that may be claimed: of all owners, or among some of one owner's memories."""
    query = due(limit, now)
    if among is not None:
        owner, ids = among
        query = replace(query, filter={"_id": {"$in": list(ids)}, **query.filter, "source_user_id": owner})
    return replace(query, projection=_ID)


def claimable(ids: Collection[MemoryId], now: datetime) -> Row:
    """What `due_ids` found and nobody has claimed since."""
    return {"_id": {"$in": list(ids)}, **due(0, now).filter}


def claimed(ids: Collection[MemoryId], token: str) -> Query:
    """The work that was claimed with a token, oldest first."""
    found = {"_id": {"$in": list(ids)}, "index.state": "pending", "index.claim": token}
    return Query(filter=found, projection=_WORK, sort=_OLDEST)


def given_up(limit: int, owner: str | None, after: MemoryId | None) -> Query:
    """Index work that failed for good, of one owner or of all, in order of ids."""
    behind: Row = {} if after is None else {"_id": {"$gt": after}}
    whose: Row = {} if owner is None else {"source_user_id": owner}
    return Query(
        filter={"index.state": "failed", **behind, **_LIVE, **whose},
        projection={"source_user_id": 1, "index": 1},
        sort=(("index.state", 1), ("_id", 1)),  # as the index has it: by _id alone the whole collection would be read
        limit=limit,
        batch=limit,
    )


def over(limit: int, now: datetime) -> Query:
    """Memories of all owners whose time is over."""
    return Query(
        filter={"expires_at": {"$lte": now}, **_LIVE},
        projection={"source_user_id": 1},
        sort=(("expires_at", 1),),
        limit=limit,
        batch=limit,
    )


def buried(ids: Collection[MemoryId], owner: str) -> Query:
    return Query(
        filter={"_id": {"$in": list(ids)}, "deleted_at": {"$exists": True}, "source_user_id": owner}, projection=_ID
    )


def stated(patterns: Collection[EdgePattern], closed_by: MemoryId | None, owner: str) -> Query:
    """The memories with an edge that one of the patterns means, or that were ended by `closed_by`.

    Patterns with the same parts are one: any of their sources, names and targets.
    """
    alike: defaultdict[tuple[bool, ...], list[EdgePattern]] = defaultdict(list)
    for one in patterns:
        alike[one.relation is None, one.target is None, one.over].append(one)
    edges = [_any_of(some) for some in alike.values()]
    branches: list[Row] = []
    if edges:
        sources = {"$in": sorted({one.source for one in patterns})}
        edge = {"$elemMatch": {"source": sources, "stated": True, "$or": edges}}
        branches.append({"relations": edge, "source_user_id": owner})
    if closed_by is not None:
        branches.append({"relations.closed_by": closed_by, "source_user_id": owner})
    return Query(
        filter={"$or": branches, **_LIVE, "source_user_id": owner},
        projection=dict.fromkeys(("event_at", "traits", "relations", "valid_from", "invalid_at", "superseded_by"), 1),
        sort=(("event_at", 1), ("_id", 1)),
    )


def _any_of(patterns: Collection[EdgePattern]) -> Row:
    """What edges are that are meant by patterns with the same parts."""
    edge: Row = {"invalid_at": {"$exists": True}} if any(one.over for one in patterns) else {}
    for name, values in (("source", 0), ("relation", 1), ("target", 2)):
        given = {one[values] for one in patterns}
        if None not in given:
            edge[name] = {"$in": sorted(given)}
    return edge


def touching(entities: Collection[str], owner: str) -> Query:
    """The memories with a relation, retired or not, that starts or ends at one of the entities."""
    return _touching({"$in": sorted(entities)}, {}, owner)


def _touching(wanted: Row, also: Row, owner: str) -> Query:
    ends = [
        {"relations": {"$elemMatch": {end: wanted, **also}}, "source_user_id": owner} for end in ("source", "target")
    ]  # the owner stands in each branch too: so each can seek in its own index
    return Query(filter={"$or": ends, **_LIVE, "source_user_id": owner}, projection={"relations": 1, "created_at": 1})


def touching_newest(entity: str, owner: str, limit: int) -> Query:
    """The newest memories with a relation of the entity that is not retired: each has one to return."""
    query = _touching({"$in": [entity]}, {"retired_at": {"$exists": False}}, owner)
    return Query(
        filter=query.filter,
        projection=query.projection,
        sort=(("created_at", -1), ("_id", -1)),
        limit=limit,
        batch=limit,
    )


def searchable(text: str) -> str:
    """Return the words of `text` with nothing that `$text` reads as an operator: no quotes, no minus, no symbols."""
    kept = "".join(character if unicodedata.category(character)[0] in "LMN" else " " for character in text)
    return " ".join(list(dict.fromkeys(kept.split()))[:MAX_SEARCH_WORDS])


def _index_row(*, vectors: bool) -> Row:
    return dict.fromkeys((*_SCANNED, "embedding") if vectors else _SCANNED, 1)


def _scoped(owner: str, fields: Mapping[str, Any], *conditions: Row, live: Row = _SEARCHED) -> Row:
    """Return a filter for memories of the owner; live: without it, only those that are searched."""
    together = {"$and": list(conditions)} if conditions else {}
    return {**fields, **live, **together, "source_user_id": owner}


def _not_expired(now: datetime) -> Row:
    return {"$or": [{"expires_at": {"$exists": False}}, {"expires_at": {"$gt": now}}]}


def _among(ids: Collection[MemoryId] | None) -> Row:
    return {} if ids is None else {"_id": {"$in": list(ids)}}


def _bounds(name: str, sign: str, after: Keyset | None) -> Row:
    """Return a bound that an index can seek to; by `_beyond` alone the pages before would be read again."""
    return {} if after is None else {name: {sign: from_ms(after.created_ms)}}


def _beyond(name: str, sign: str, after: Keyset) -> Row:
    """Return what, inside `_bounds`, leaves out the rows up to the keyset that share its time."""
    return {"$or": [{name: {sign: from_ms(after.created_ms)}}, {"_id": {sign: after.id}}]}


def _behind(after: Keyset | None) -> list[Row]:
    return [] if after is None else [_beyond("created_at", "$lt", after)]


def _later(name: str, after: Keyset | None) -> list[Row]:
    return [] if after is None else [_beyond(name, "$gt", after)]
