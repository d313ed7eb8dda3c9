"""Reindexing: every vector anew, through interruptions and beside others who write."""

from collections.abc import Awaitable, Callable, Sequence
from hashlib import sha256

import numpy as np
import pytest

from context0.embeddings.protocol import FloatMatrix
from context0.errors import EmbeddingInvalid, EmbeddingModelMismatch, EmbeddingUnavailable, InvalidInput
from context0.memory.engine import MemoryEngine
from context0.memory.model_guard import ModelGuard
from context0.memory.parts import EngineParts
from context0.memory.reindexing import ReindexReport, reindex
from stores.errors import Conflict, NotFound
from stores.local.vectors import LocalVectors
from stores.records import IndexMark, IndexName, MemoryId, Scope
from stores.reference.chats import ReferenceChats
from stores.reference.documents import ReferenceDocuments
from stores.reference.graph import ReferenceGraph
from stores.reference.vectors import ReferenceVectors

ANNA, BEN = Scope(owner="anna"), Scope(owner="ben")


class Model:
    """A local embedder under a name; `before` is awaited with the texts of every call."""

    local = True

    def __init__(self, model: str, dimension: int = 8) -> None:
        self.model = model
        self.dimension = dimension
        self.calls: list[list[str]] = []
        self.before: Callable[[Sequence[str]], Awaitable[None]] | None = None

    def vector(self, text: str) -> bytes:
        digest = sha256(f"{self.model} {text}".encode()).digest()
        centred = np.frombuffer(digest[: self.dimension], np.uint8).astype(np.float32) - 127.5
        return (centred / np.linalg.norm(centred)).astype("<f4").tobytes()

    async def embed(self, texts: Sequence[str]) -> FloatMatrix:
        self.calls.append(list(texts))
        if self.before is not None:
            await self.before(texts)
        rows = b"".join(map(self.vector, texts))
        return np.frombuffer(rows, "<f4").reshape(len(texts), self.dimension)

    async def aclose(self) -> None:
        """Nothing is open."""


class Shelf:
    """One store, seen by processes with several models."""

    def __init__(self, *, separate: bool = False) -> None:
        self.documents = SeparateDocuments() if separate else ReferenceDocuments()
        self.graph = ReferenceGraph(self.documents)
        self.vectors: ReferenceVectors | LocalVectors = ReferenceVectors() if separate else LocalVectors(self.documents)

    def parts(self, model: Model) -> EngineParts:
        return EngineParts(
            documents=self.documents, vectors=self.vectors, graph=self.graph, chats=ReferenceChats(), embedder=model
        )

    def engine(self, model: Model) -> MemoryEngine:
        return MemoryEngine(parts=self.parts(model))

    async def reindex(self, model: Model, user_id: str | None = None) -> ReindexReport:
        parts = self.parts(model)
        return await reindex(parts, ModelGuard(parts.documents, model), user_id=user_id)

    async def vectors_of(self, scope: Scope) -> dict[str, bytes | None]:
        """Return the vector of each memory, by its content."""
        found = [memory async for rows in self.documents.scan_documents(scope=scope) for _, memory in rows]
        rows = {row.id: row.embedding async for batch in self.documents.scan(scope=scope) for row in batch}
        return {memory.content: rows[memory.id] for memory in found}


class SeparateDocuments(ReferenceDocuments):
    """Documents that leave the graph to others."""

    covers: frozenset[IndexName] = frozenset({"keyword"})


OLD, NEW = "test/old", "test/new"


async def filled(shelf: Shelf, model: Model, *contents: str, user_id: str = "anna") -> list[MemoryId]:
    async with shelf.engine(model) as engine:
        memories = await engine.add_many([{"content": content} for content in contents], user_id=user_id, wait=True)
    return [memory.id for memory in memories]


async def test_every_vector_is_made_anew_with_the_same_model() -> None:
    shelf, model = Shelf(), Model(OLD)
    ids = await filled(shelf, model, "a", "b")
    await filled(shelf, model, "c", user_id="ben")
    spoilt = [IndexMark(memory_id, 1, "failed", embedding=b"\0" * 32, embedding_model=OLD) for memory_id in ids]
    await shelf.documents.mark(spoilt, scope=ANNA)
    report = await shelf.reindex(model)
    assert (report.memories, report.owners, report.former_model) == (3, 2, None)
    assert await shelf.vectors_of(ANNA) == {text: model.vector(text) for text in "ab"}
    memory = shelf.documents.rows["anna"][ids[0]].memory
    assert (memory.index.state, memory.index.generation, memory.version) == ("done", 1, 1)


async def test_one_user_is_done_alone() -> None:
    shelf, model = Shelf(), Model(OLD)
    await filled(shelf, model, "a")
    await filled(shelf, model, "b", user_id="ben")
    model.calls.clear()
    report = await shelf.reindex(model, "ben")
    assert (report.memories, report.owners) == (1, 1)
    assert model.calls[1:] == [["b"]]


async def test_another_model_is_refused_before_and_serves_after() -> None:
    shelf, old, new = Shelf(), Model(OLD), Model(NEW, 16)
    await filled(shelf, old, "a", "b")
    async with shelf.engine(new) as engine:
        with pytest.raises(EmbeddingModelMismatch, match="context0 reindex"):
            await engine.search("a", user_id="anna")
    report = await shelf.reindex(new)
    assert (report.model, report.dimension, report.former_model) == (NEW, 16, "test/old (8 dimensions)")
    assert await shelf.vectors_of(ANNA) == {text: new.vector(text) for text in "ab"}
    async with shelf.engine(new) as engine:
        found = await engine.search("a", user_id="anna", strategies=["semantic"])
        assert found.items[0].arms["semantic"] == pytest.approx(1)
    async with shelf.engine(old) as engine:
        with pytest.raises(EmbeddingModelMismatch, match="test/new"):
            await engine.search("a", user_id="anna")


async def test_one_user_cannot_change_the_model() -> None:
    shelf, old = Shelf(), Model(OLD)
    await filled(shelf, old, "a")
    with pytest.raises(InvalidInput, match="two models cannot be mixed"):
        await shelf.reindex(Model(NEW), "anna")
    assert await shelf.vectors_of(ANNA) == {"a": old.vector("a")}
    async with shelf.engine(old) as engine:
        assert (await engine.search("a", user_id="anna")).items


async def test_a_store_without_memories_takes_the_new_model() -> None:
    shelf, old = Shelf(), Model(OLD)
    (memory_id,) = await filled(shelf, old, "a")
    async with shelf.engine(old) as engine:
        await engine.delete(memory_id, user_id="anna")
    assert (await shelf.reindex(Model(NEW))).memories == 0
    await filled(shelf, Model(NEW), "b")


async def test_256_memories_of_all_owners_share_a_call() -> None:
    shelf, model = Shelf(), Model(OLD)
    for number in range(3):
        contents = [f"{number} {item}" for item in range(200)]
        await filled(shelf, model, *contents, user_id=f"user {number}")
    model.calls.clear()
    told: list[int] = []
    parts = shelf.parts(model)
    await reindex(parts, ModelGuard(parts.documents, model), progress=told.append)
    assert [len(call) for call in model.calls] == [1, 256, 256, 88]
    assert told == [256, 512, 600]


async def test_an_interrupted_run_leaves_a_store_that_nobody_mixes_and_the_next_run_ends_it() -> None:
    shelf, old, new = Shelf(), Model(OLD), Model(NEW)
    await filled(shelf, old, *map(str, range(300)))

    async def fail_at_the_second_batch(texts: Sequence[str]) -> None:
        if len(texts) == 44:
            raise EmbeddingUnavailable("no answer")

    new.before = fail_at_the_second_batch
    with pytest.raises(EmbeddingUnavailable):
        await shelf.reindex(new)
    new.before = None
    for model in (old, new):
        async with shelf.engine(model) as engine:
            with pytest.raises(EmbeddingModelMismatch, match="test/new, in part only"):
                await engine.search("a", user_id="anna")
            with pytest.raises(EmbeddingModelMismatch):
                await engine.add("x", user_id="anna")
    with pytest.raises(InvalidInput):
        await shelf.reindex(new, "anna")
    assert (await shelf.reindex(new)).memories == 300
    assert await shelf.vectors_of(ANNA) == {str(number): new.vector(str(number)) for number in range(300)}
    async with shelf.engine(new) as engine:
        assert (await engine.search("7", user_id="anna", strategies=["semantic"])).items[0].memory.content == "7"


async def test_a_memory_that_changes_meanwhile_is_embedded_as_it_is_then() -> None:
    shelf, old, new = Shelf(), Model(OLD), Model(NEW)
    first, second = await filled(shelf, old, "a", "b")
    async with shelf.engine(old) as engine:
        await engine.search("a", user_id="anna")

        async def change(texts: Sequence[str]) -> None:
            if "a" in texts:
                await engine.update(first, user_id="anna", content="changed")
                await engine.delete(second, user_id="anna")

        new.before = change
        await shelf.reindex(new)
        assert await shelf.vectors_of(ANNA) == {"changed": new.vector("changed")}
        with pytest.raises(NotFound):
            await engine.get(second, user_id="anna")


async def test_what_others_write_meanwhile_with_the_former_model_is_found() -> None:
    shelf, old, new = Shelf(), Model(OLD), Model(NEW)
    await filled(shelf, old, "a")
    async with shelf.engine(old) as engine:
        await engine.search("a", user_id="anna")

        async def write(texts: Sequence[str]) -> None:
            if "a" in texts:
                await engine.add("b", user_id="ben")

        new.before = write
        report = await shelf.reindex(new)
    assert (report.memories, report.owners) == (2, 2)
    assert await shelf.vectors_of(BEN) == {"b": new.vector("b")}


async def test_writers_that_never_stop_are_told_of_and_the_model_is_not_taken() -> None:
    shelf, old, new = Shelf(), Model(OLD), Model(NEW)
    await filled(shelf, old, "a")
    async with shelf.engine(old) as engine:
        await engine.search("a", user_id="anna")

        async def write(texts: Sequence[str]) -> None:
            await engine.add(f"after {len(new.calls)}", user_id="anna")

        new.before = write
        with pytest.raises(Conflict, match="former model"):
            await shelf.reindex(new)
    new.before = None
    async with shelf.engine(new) as engine:
        with pytest.raises(EmbeddingModelMismatch):
            await engine.search("a", user_id="anna")


async def test_a_memory_that_cannot_be_embedded_is_named() -> None:
    shelf, model = Shelf(), Model(OLD)
    ids = await filled(shelf, model, *map(str, range(100)))

    async def refuse(texts: Sequence[str]) -> None:
        if "63" in texts:
            raise EmbeddingInvalid("too long")

    model.before = refuse
    with pytest.raises(EmbeddingInvalid, match=rf"{ids[63]} of 'anna' cannot be embedded \(too long\)"):
        await shelf.reindex(model)
    assert len(model.calls) < 20


async def test_indexes_outside_the_documents_are_filled_too() -> None:
    shelf, model = Shelf(separate=True), Model(OLD)
    kept, deleted = await filled(shelf, model, "Mia met Jonas Weber in Graz", "b")
    await shelf.vectors.erase(ANNA)
    shelf.documents.relations.clear()

    async def delete(texts: Sequence[str]) -> None:
        if "b" in texts:
            await shelf.documents.delete(deleted, scope=ANNA, now=shelf.parts(model).clock.now())

    model.before = delete
    await shelf.reindex(model)
    query = np.frombuffer(model.vector("Mia met Jonas Weber in Graz"), "<f4")
    assert [hit.id for hit in await shelf.vectors.query(query, scope=ANNA, limit=5)] == [kept]
    assert [hit.id for hit in await shelf.graph.search(["jonas weber"], scope=ANNA, limit=5)] == [kept]
    assert deleted not in shelf.documents.relations["anna"]
