"""The graph store over the relations that the reference documents keep."""

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from stores.records import Document, Hit, MemoryId, Relation, Scope
from stores.reference.documents import ReferenceDocuments


class _Edge(NamedTuple):
    """A relation and where it was read; `number` tells two equal relations of one memory apart."""

    memory_id: MemoryId
    number: int
    relation: Relation

    @property
    def ends(self) -> frozenset[str]:
        return frozenset({self.relation.source, self.relation.target})


class ReferenceGraph:
    """A GraphStore that shares the state of a ReferenceDocuments."""

    name = "reference"

    def __init__(self, documents: ReferenceDocuments) -> None:
        self._documents = documents

    async def open(self) -> None:
        """Nothing to connect to."""

    async def aclose(self) -> None:
        """Nothing to close."""

    async def put_many(self, documents: Sequence[Document], *, scope: Scope) -> None:
        relations = self._documents.relations.setdefault(scope.owner, {})
        relations.update({document.memory.id: document.relations for document in documents})

    async def delete_many(self, ids: Collection[MemoryId], *, scope: Scope) -> None:
        for memory_id in ids:
            self._documents.relations.get(scope.owner, {}).pop(memory_id, None)

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
        edges = [edge for edge in self._known(scope) if as_of is None or _is_valid(edge.relation, as_of)]
        asked = set(entities)
        first = _touching(edges, asked)
        neighbours = {end for edge in first for end in edge.ends} - asked if hops > 1 else set()
        second = set(_touching(edges, neighbours)) - set(first)
        degree = Counter(end for edge in [*first, *second] for end in edge.ends)
        scores: defaultdict[MemoryId, float] = defaultdict(float)
        for found, centres, weight in ((first, asked, 1.0), (second, neighbours, 0.5)):
            for edge in found:
                scores[edge.memory_id] += sum(weight / math.log2(2 + degree[end]) for end in edge.ends & centres)
        hits = [Hit(memory_id, score) for memory_id, score in scores.items() if among is None or memory_id in among]
        return sorted(hits, key=lambda hit: (-hit.score, hit.id))[:limit]

    async def relations(self, entity: str, *, scope: Scope, limit: int) -> list[tuple[MemoryId, str, str, str]]:
        found = _touching(self._known(scope), {entity})
        found.sort(key=lambda edge: (edge.relation.created_at, edge.memory_id), reverse=True)
        return [
            (edge.memory_id, edge.relation.source, edge.relation.relation, edge.relation.target)
            for edge in found[:limit]
        ]

    async def erase(self, scope: Scope) -> int:
        count = await self.count(scope)
        self._documents.relations.pop(scope.owner, None)
        return count

    async def count(self, scope: Scope) -> int:
        return len(self._edges(scope))

    def _edges(self, scope: Scope) -> list[_Edge]:
        by_memory = self._documents.relations.get(scope.owner, {})
        return [
            _Edge(memory_id, number, relation)
            for memory_id, relations in by_memory.items()
            for number, relation in enumerate(relations)
        ]

    def _known(self, scope: Scope) -> list[_Edge]:
        return [edge for edge in self._edges(scope) if edge.relation.retired_at is None]


def _touching(edges: Iterable[_Edge], entities: Collection[str]) -> list[_Edge]:
    return [edge for edge in edges if not edge.ends.isdisjoint(entities)]


def _is_valid(relation: Relation, moment: datetime) -> bool:
    began = relation.valid_from is None or relation.valid_from <= moment
    return began and (relation.invalid_at is None or moment < relation.invalid_at)
