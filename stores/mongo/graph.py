"""The graph on MongoDB: relations lie inside their memories, and a hop is one query on two multikey indexes."""

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from pymongo import UpdateOne

from stores.mongo import queries
from stores.mongo.client import MongoDatabase, Row
from stores.mongo.codec import encode_relation, moment
from stores.mongo.reading import find
from stores.mongo.upkeep import aggregate
from stores.records import Document, Hit, MemoryId, Scope


class Edge(NamedTuple):
    """A relation and where it was read; `number` tells two equal relations of one memory apart."""

    memory_id: MemoryId
    number: int
    source: str
    relation: str
    target: str

    @property
    def ends(self) -> frozenset[str]:
        return frozenset((self.source, self.target))


class MongoGraph:
    """See `stores.protocols.GraphStore`. What MongoDocuments writes is here at once: it is the same document."""

    name = "mongodb-graph"

    def __init__(self, database: MongoDatabase) -> None:
        self._database = database

    async def open(self) -> None:
        await self._database.open(self)

    async def aclose(self) -> None:
        await self._database.aclose(self)

    async def put_many(self, documents: Sequence[Document], *, scope: Scope) -> None:
        """One command; a memory that is gone gets nothing."""
        writes = [
            UpdateOne(
                {"_id": document.memory.id, "deleted_at": {"$exists": False}, "source_user_id": scope.owner},
                {"$set": {"relations": [encode_relation(relation) for relation in document.relations]}},
            )
            for document in documents
        ]
        if writes:
            with self._database.calls():
                await self._database.collection("memories").bulk_write(writes, ordered=False)

    async def delete_many(self, ids: Collection[MemoryId], *, scope: Scope) -> None:
        if ids:
            await self._remove({"_id": {"$in": list(ids)}, "source_user_id": scope.owner})

    async def search(
        self,
        entities: Collection[str],
        *,
        scope: Scope,
        hops: int = 1,
        limit: int,
        as_of: datetime | None = None,
        among: Collection[MemoryId] | None = None,
    ) -> list[Hit]:
        asked = set(entities)
        if not asked:
            return []
        first = await self._touching(asked, scope, as_of)
        neighbours = {end for edge in first for end in edge.ends} - asked if hops > 1 else set()
        second = await self._touching(neighbours, scope, as_of) - first if neighbours else set()
        scores = score_edges(first, second, asked, neighbours)
        allowed = None if among is None else set(among)
        hits = [Hit(memory_id, score) for memory_id, score in scores.items() if allowed is None or memory_id in allowed]
        return sorted(hits, key=lambda hit: (-hit.score, hit.id))[:limit]

    async def relations(self, entity: str, *, scope: Scope, limit: int) -> list[tuple[MemoryId, str, str, str]]:
        rows = await find(queries.touching_newest(entity, scope.owner, limit), self._database)
        edges = [edge for row in rows for edge in known_edges(row, as_of=None) if entity in edge.ends]
        return [(edge.memory_id, edge.source, edge.relation, edge.target) for edge in edges[:limit]]

    async def erase(self, scope: Scope) -> int:
        removed = await self.count(scope)
        if removed:
            await self._remove({"source_user_id": scope.owner})
        return removed

    async def count(self, scope: Scope) -> int:
        size = {"$sum": {"$size": {"$ifNull": ["$relations", []]}}}
        pipeline: list[Row] = [
            {"$match": {"source_user_id": scope.owner}},
            {"$group": {"_id": None, "relations": size}},
        ]
        found = await aggregate("memories", pipeline, self._database)
        return int(found[0]["relations"]) if found else 0

    async def _touching(self, entities: Collection[str], scope: Scope, as_of: datetime | None) -> set[Edge]:
        """One hop: one round trip. Relations beside the ones that touch, in the same memory, are left out."""
        rows = await find(queries.touching(entities, scope.owner), self._database)
        edges = (edge for row in rows for edge in known_edges(row, as_of))
        return {edge for edge in edges if not edge.ends.isdisjoint(entities)}

    async def _remove(self, where: dict[str, Any]) -> None:
        with self._database.calls():
            await self._database.collection("memories").update_many(where, {"$unset": {"relations": ""}})


def known_edges(row: Mapping[str, Any], as_of: datetime | None) -> Iterable[Edge]:
    """Yield the relations of a memory that are not retired, and valid at `as_of` if that is given."""
    for number, relation in enumerate(row.get("relations", ())):
        if "retired_at" not in relation and (as_of is None or _is_valid(relation, as_of)):
            yield Edge(row["_id"], number, relation["source"], relation["relation"], relation["target"])


def score_edges(
    first: Collection[Edge], second: Collection[Edge], asked: Collection[str], neighbours: Collection[str]
) -> Mapping[MemoryId, float]:
    """Return each memory's score: 1 / log2(2 + degree) for each asked end of a relation, half in the second hop."""
    degree = Counter(end for edge in (*first, *second) for end in edge.ends)
    scores: defaultdict[MemoryId, float] = defaultdict(float)
    for edges, centres, weight in ((first, set(asked), 1.0), (second, set(neighbours), 0.5)):
        for edge in edges:
            scores[edge.memory_id] += sum(weight / math.log2(2 + degree[end]) for end in edge.ends & centres)
    return scores


def _is_valid(relation: Mapping[str, Any], at: datetime) -> bool:
    began = "valid_from" not in relation or moment(relation["valid_from"]) <= at
    return began and ("invalid_at" not in relation or at < moment(relation["invalid_at"]))
