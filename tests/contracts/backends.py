"""Which backends the contract suites run on: a new store is one line of a table, and a function that opens it.

`open(folder)` is an async context manager around stores that keep everything in `folder` (or under its name, on a
server). What a backend honestly cannot do is missing from its capabilities: the suites then assert the difference, or
do not ask this backend at all; they never skip in silence.
"""

import importlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from stores.local.vectors import LocalVectors
from stores.protocols import DocumentStore, GraphStore, VectorStore
from stores.records import Document, Memory, MemoryId, Point, Scope
from stores.reference.documents import ReferenceDocuments
from stores.reference.graph import ReferenceGraph
from stores.reference.vectors import ReferenceVectors
from stores.sqlite.database import SqliteDatabase
from stores.sqlite.documents import SqliteDocuments
from stores.sqlite.graph import SqliteGraph
from tests.contracts.builders import NOW, build_document, find

BenchT = TypeVar("BenchT")


class Capability(StrEnum):
    """A difference between backends that the protocols allow."""

    DURABLE = "durable"
    """What was acknowledged is seen by another store on the same folder, at once and after closing."""
    ATOMIC_BATCH = "atomic_batch"
    """put_many writes all of its documents or none; without it, each document whole."""
    OWN_FILES = "own_files"
    """The store writes its files itself, into the folder: an erasure leaves no byte in them."""
    ACCEPTS_POINTS = "accepts_points"
    """Vectors come through put_many; without it, the store is derived and follows the documents."""
    TIES_BEFORE_CUT = "ties_before_cut"
    """Equal scores are ordered by id before the limit applies; without it, only within the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentBench:
    """A document store, with the graph store beside it."""

    documents: DocumentStore
    graph: GraphStore

    async def put(self, documents: Sequence[Document], scope: Scope) -> list[Memory]:
        """Write documents so that the graph has their relations too."""
        stored = await self.documents.put_many(documents, scope=scope, now=NOW)
        if "graph" not in self.documents.covers:
            await self.graph.put_many(documents, scope=scope)
        return stored


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorBench:
    """A vector store, with the way in which points get into it and out of it; both return when queries see it."""

    store: VectorStore
    put: Callable[[Sequence[Point], Scope], Awaitable[None]]
    delete: Callable[[Collection[MemoryId], Scope], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend(Generic[BenchT]):
    """One line of a table. stride: of the many combinations of filters, ask every n-th, where each one is slow."""

    open: Callable[[Path], AbstractAsyncContextManager[BenchT]]
    capabilities: frozenset[Capability]
    stride: int = 1


@asynccontextmanager
async def _reference(_folder: Path) -> AsyncIterator[DocumentBench]:
    documents = ReferenceDocuments()
    yield DocumentBench(documents=documents, graph=ReferenceGraph(documents))


@asynccontextmanager
async def _sqlite(folder: Path) -> AsyncIterator[DocumentBench]:
    database = SqliteDatabase(folder / "context0.db")
    documents = SqliteDocuments(database)
    try:
        await documents.open()
        yield DocumentBench(documents=documents, graph=SqliteGraph(database))
    finally:
        await documents.aclose()


@asynccontextmanager
async def _reference_vectors(_folder: Path) -> AsyncIterator[VectorBench]:
    yield writable(ReferenceVectors())


@asynccontextmanager
async def _local_vectors(_folder: Path) -> AsyncIterator[VectorBench]:
    documents = ReferenceDocuments()
    store = LocalVectors(documents, staleness_s=0)
    try:
        await store.open()
        yield derived(store, documents)
    finally:
        await store.aclose()


def writable(store: VectorStore) -> VectorBench:
    """Return the bench of a store that is written to directly and shows it at once."""

    async def write(points: Sequence[Point], scope: Scope) -> None:
        await store.put_many(points, scope=scope)

    async def remove(ids: Collection[MemoryId], scope: Scope) -> None:
        await store.delete_many(ids, scope=scope)

    return VectorBench(store=store, put=write, delete=remove)


def derived(store: VectorStore, documents: DocumentStore) -> VectorBench:
    """Return the bench of a store that follows `documents`: points get into it as the embeddings of memories."""

    async def write(points: Sequence[Point], scope: Scope) -> None:
        for point in points:
            held = await find(documents, point.id, scope=scope)
            version = held.version + 1 if held else 1
            document = build_document(
                f"memory of {point.id}", scope=scope, id=point.id, embedding=point.vector, version=version, at=NOW
            )
            if held:
                await documents.update(document, scope=scope, expected_version=held.version, now=NOW)
            else:
                await documents.put_many([document], scope=scope, now=NOW)

    async def remove(ids: Collection[MemoryId], scope: Scope) -> None:
        for memory_id in ids:
            await documents.delete(memory_id, scope=scope, now=NOW)

    return VectorBench(store=store, put=write, delete=remove)


def imported(place: str) -> Callable[[Path], AbstractAsyncContextManager[Any]]:
    """Return the function at "module:name", imported when it is first called."""
    module, name = place.split(":")
    return lambda folder: getattr(importlib.import_module(module), name)(folder)


_ALL: Final = frozenset(Capability)

DOCUMENT_BACKENDS: Final[Mapping[str, Backend[DocumentBench]]] = {
    "reference": Backend(open=_reference, capabilities=frozenset({Capability.ATOMIC_BATCH})),
    "sqlite": Backend(open=_sqlite, capabilities=_ALL),
    "mongodb": Backend(
        open=imported("tests.mongo_server:open_bench"),
        capabilities=frozenset({Capability.DURABLE}),
        stride=1 if "CONTEXT0_TEST_MONGODB_URI" in os.environ else 4,
    ),
}
VECTOR_BACKENDS: Final[Mapping[str, Backend[VectorBench]]] = {
    "reference": Backend(open=_reference_vectors, capabilities=_ALL),
    "local": Backend(open=_local_vectors, capabilities=_ALL - {Capability.ACCEPTS_POINTS}),
    "pinecone": Backend(
        open=imported("tests.loopback_pinecone:open_bench"), capabilities=_ALL - {Capability.TIES_BEFORE_CUT}
    ),
}
