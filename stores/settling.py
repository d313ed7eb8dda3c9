"""How settled facts change where a document was not written, since another memory stands in its place: pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from stores.records import Document, Memory, MemoryId, Relation, Statement

Places = Mapping[MemoryId, MemoryId | None]
"""For each document, the id of the memory that says the same; None where the one in its place says something else."""


def places_of(documents: Sequence[Document], stored: Sequence[Memory]) -> Places:
    """stored: for each document, the memory that is now there."""
    return {
        document.memory.id: memory.id if memory.content_hash == document.memory.content_hash else None
        for document, memory in zip(documents, stored, strict=True)
    }


def as_stored(settled: Sequence[Statement], places: Places) -> list[Statement]:
    """Return `settled` with the ids of stored memories, without what would follow from what was not written."""
    renamed = []
    for one in settled:
        closers = {relation.closed_by for relation in one.relations if relation.closed_by is not None}
        is_written = places.get(one.id, one.id) == one.id
        if is_written and all(places.get(closer, closer) not in (None, one.id) for closer in closers):
            closer = one.superseded_by
            closer = None if closer is None else places.get(closer, closer)
            renamed.append(replace(one, relations=_renamed(one.relations, places), superseded_by=closer))
    return renamed


def with_places(document: Document, places: Places) -> Document:
    """Return `document` with the ids of stored memories in its relations and its validity."""
    closer = document.memory.superseded_by
    if closer is None and not any(relation.closed_by for relation in document.relations):
        return document
    memory = document.memory.evolve(superseded_by=None if closer is None else places.get(closer, closer) or closer)
    return replace(document, memory=memory, relations=_renamed(document.relations, places))


def _renamed(relations: Sequence[Relation], places: Places) -> tuple[Relation, ...]:
    return tuple(
        relation if relation.closed_by is None else replace(relation, closed_by=_name_of(relation.closed_by, places))
        for relation in relations
    )


def _name_of(closer: MemoryId, places: Places) -> MemoryId:
    return places.get(closer, closer) or closer
