"""Makes records with sensible defaults, so that a test names only what it is about."""

import re
import uuid
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from stores.protocols import DocumentStore
from stores.records import Document, FloatVector, IndexRow, IndexState, Memory, MemoryId, Point, Relation, Scope

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
PAST = NOW - timedelta(days=1)
FUTURE = NOW + timedelta(days=1)
MILLISECOND = timedelta(milliseconds=1)
ANNA = Scope(owner="anna")
BEN = Scope(owner="ben")
PENDING = IndexState(state="pending")
DIMENSION = 8


def new_id() -> MemoryId:
    return MemoryId(str(uuid.uuid4()))


def named(number: int) -> MemoryId:
    """Return an id that sorts by `number`."""
    return MemoryId(f"00000000-0000-7000-8000-{number:012d}")


def words_of(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"\w+", text.lower()))


def hashed(words: Iterable[str]) -> bytes:
    return b"".join(zlib.crc32(word.encode()).to_bytes(4, "little") for word in words)


def build_memory(
    content: str = "Anna likes Munich", *, scope: Scope = ANNA, at: datetime = PAST, **fields: Any
) -> Memory:
    """Return a memory of `scope` that was stored `at`; `fields` are any others of Memory."""
    defaults: dict[str, Any] = {
        "id": new_id(),
        "user_id": scope.owner,
        "content": content,
        "created_at": at,
        "updated_at": at,
    }
    return Memory(**defaults | fields)


def build_document(
    content: str = "Anna likes Munich",
    *,
    scope: Scope = ANNA,
    key: str | None = None,
    relations: Sequence[Relation] = (),
    embedding: FloatVector | None = None,
    traits: int = 0,
    **fields: Any,
) -> Document:
    """Return the document of `build_memory(content, scope=scope, **fields)`, with a `key` of its own."""
    memory = build_memory(content, scope=scope, **fields)
    return replace(document_of(memory, key=key, relations=relations, embedding=embedding), traits=traits)


def document_of(
    memory: Memory, *, key: str | None = None, relations: Sequence[Relation] = (), embedding: FloatVector | None = None
) -> Document:
    words = words_of(memory.content)
    return Document(
        memory=memory,
        dedupe_key=key or f"key of {memory.id}",
        keywords=words,
        terms=hashed(words),
        entity_terms=hashed(memory.entities),
        relations=tuple(relations),
        embedding=None if embedding is None else embedding.astype("<f4").tobytes(),
    )


def build_many(number: int, *, scope: Scope = ANNA, at: datetime = PAST, **fields: Any) -> list[Document]:
    """Return documents with ascending ids, each stored a millisecond after the one before."""
    return [
        build_document(f"note {n}", scope=scope, at=at + n * MILLISECOND, id=named(n), **fields) for n in range(number)
    ]


def build_relation(
    source: str, target: str, *, relation: str = "knows", at: datetime = PAST, **fields: Any
) -> Relation:
    return Relation(source=source, relation=relation, target=target, created_at=at, **fields)


def unit_vector(*numbers: float) -> FloatVector:
    """Return `numbers`, filled up with zeros to DIMENSION, at unit length."""
    vector = np.zeros(DIMENSION, dtype=np.float32)
    vector[: len(numbers)] = numbers
    return vector / np.linalg.norm(vector)


def random_points(number: int, *, seed: int = 0) -> list[Point]:
    vectors = np.random.default_rng(seed).standard_normal((number, DIMENSION)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return [Point(id=named(n), vector=vector) for n, vector in enumerate(vectors)]


def ids_of(records: Iterable[Any]) -> list[MemoryId]:
    return [record.id for record in records]


def memory_ids(documents: Iterable[Document]) -> list[MemoryId]:
    return [document.memory.id for document in documents]


async def put(store: DocumentStore, *documents: Document, scope: Scope = ANNA, now: datetime = NOW) -> list[Memory]:
    return await store.put_many(documents, scope=scope, now=now)


async def find(store: DocumentStore, memory_id: MemoryId, *, scope: Scope = ANNA, now: datetime = NOW) -> Memory | None:
    found = await store.get_many([memory_id], scope=scope, now=now)
    return found[0] if found else None


async def rows_of(
    store: DocumentStore, *, scope: Scope = ANNA, since: datetime | None = None, vectors: bool = True
) -> list[IndexRow]:
    return [row async for batch in store.scan(scope=scope, since=since, vectors=vectors) for row in batch]
