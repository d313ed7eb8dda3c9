"""What settled facts name when a document was not written since another memory stands in its place: pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from stores.records import Document, MemoryId, Relation, Statement

Taken = Mapping[MemoryId, MemoryId]
"""The id of each document, and that of the memory that is stored for it."""


def renamed(settled: Sequence[Statement], taken: Taken) -> list[Statement]:
    """Return `settled` with the ids of stored memories, without statements of documents that were not written."""
    return [
        replace(
            one,
            relations=_relations(one.relations, taken),
            superseded_by=None if one.superseded_by is None else taken.get(one.superseded_by, one.superseded_by),
        )
        for one in settled
        if taken.get(one.id, one.id) == one.id
    ]


def with_ids(document: Document, taken: Taken) -> Document:
    """Return `document` with the ids of stored memories in its relations and its validity."""
    closer = document.memory.superseded_by
    if not any(relation.closed_by for relation in document.relations) and closer is None:
        return document
    memory = document.memory.evolve(superseded_by=None if closer is None else taken.get(closer, closer))
    return replace(document, memory=memory, relations=_relations(document.relations, taken))


def _relations(relations: Sequence[Relation], taken: Taken) -> tuple[Relation, ...]:
    return tuple(
        relation
        if relation.closed_by is None
        else replace(relation, closed_by=taken.get(relation.closed_by, relation.closed_by))
        for relation in relations
    )
