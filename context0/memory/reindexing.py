"""Makes every vector of a store anew with the configured model: after a change of model, or to repair vectors."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from context0.embeddings.protocol import FloatMatrix
from context0.embeddings.wrapper import Wrapper
from context0.errors import EmbeddingInvalid, EmbeddingModelMismatch, InvalidInput
from context0.memory.inputs import check_scope
from context0.memory.model_guard import ModelGuard
from context0.memory.parts import EngineParts
from context0.memory.writing import to_document
from stores.errors import Conflict
from stores.records import IndexMark, Memory, Point, Scope

BATCH: Final = 256
_MAX_PASSES: Final = 10
_SCOPES_AT_ONCE: Final = 16
_PROBE: Final = "memory"

Progress: TypeAlias = Callable[[int], None]
"""Is told, after each batch, how many memories were embedded so far."""
Owned: TypeAlias = tuple[Scope, Memory]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReindexReport:
    """What was done. former_model: whose vectors were replaced, None when the model is the one that the store had.

    memories: how many were embedded; one that somebody wrote meanwhile may count twice.
    """

    model: str
    dimension: int
    former_model: str | None
    memories: int
    owners: int
    elapsed_s: float


async def reindex(
    parts: EngineParts, guard: ModelGuard, *, user_id: str | None = None, progress: Progress | None = None
) -> ReindexReport:
    """Embed every memory of the store, or of one user, with the configured model. `parts` are open already.

    Safe to interrupt: run it again, it starts from the beginning. After a change of model the store is marked from the
    first vector to the last, so that until a run has finished nobody who opens it compares vectors of two models: such
    searches and writes raise EmbeddingModelMismatch. That is also why one user alone cannot change the model.

    Others may write meanwhile. A memory that changed under our hands is embedded again as it is now; one that was
    deleted stays deleted; what a process with the former model still writes is found by further passes. Such a process
    does not notice the change by itself, so end it before, and start it anew with the new model.

    Costs one embedding call and one write an owner for every 256 memories.
    Raises InvalidInput (one user, another model), EmbeddingInvalid naming a memory that cannot be embedded,
    EmbeddingUnavailable, Conflict when others keep writing vectors of the former model, StoreError.
    """
    scope = None if user_id is None else check_scope(user_id)
    started = time.perf_counter()
    dimension = (await parts.embedder.embed([_PROBE])).shape[1]
    former = await _former_model(guard, dimension)
    if scope is not None and former is not None:
        raise InvalidInput(
            "user_id",
            f"the store holds vectors of {former}, and vectors of two models cannot be mixed; run `context0 reindex`"
            " for all users, without naming one",
        )
    reindexer = Reindexer(parts, progress)
    if former is None:
        await reindexer.all_of(scope)
    else:
        await ModelGuard(parts.documents, _InPart(parts.embedder)).adopt(dimension)
        await reindexer.all_of(None)
        await reindexer.catch_up()
        await guard.adopt(dimension)
    await reindexer.drop_derived()
    return ReindexReport(
        model=parts.embedder.model,
        dimension=dimension,
        former_model=former,
        memories=reindexer.memories,
        owners=len(reindexer.owners),
        elapsed_s=time.perf_counter() - started,
    )


async def _former_model(guard: ModelGuard, dimension: int) -> str | None:
    """Return the store's model if it is another one; an empty store takes the configured one."""
    await guard.load()
    try:
        await guard.check(dimension)
    except EmbeddingModelMismatch as exc:
        return exc.stored
    return None


class Reindexer:
    """Goes through memories and embeds them; counts what it did."""

    def __init__(self, parts: EngineParts, progress: Progress | None = None) -> None:
        self.memories = 0
        self.owners: set[Scope] = set()
        self._parts = parts
        self._progress = progress
        self._lane = asyncio.Semaphore(_SCOPES_AT_ONCE)

    async def all_of(self, scope: Scope | None) -> None:
        """Embed every memory of `scope`, or of all owners."""
        async for found in self._parts.documents.scan_documents(scope=scope):
            await self._embed_batches(found)

    async def catch_up(self) -> None:
        """Embed what carries another model's vector, or none, until a pass over all owners finds nothing."""
        model = self._parts.embedder.model
        for _ in range(_MAX_PASSES):
            before = self.memories
            async for found in self._parts.documents.scan_documents():
                await self._embed_batches([owned for owned in found if owned[1].embedding_model != model])
            if self.memories == before:
                return
        raise Conflict("others keep writing vectors of the former model; end those processes and reindex again")

    async def drop_derived(self) -> None:
        """Let what was made of the former vectors be made anew when it is next asked for."""
        if self._parts.vectors.derived:
            for scope in self.owners:
                await self._parts.vectors.erase(scope)

    async def _embed_batches(self, found: Sequence[Owned]) -> None:
        found = [owned for owned in found if not owned[1].quarantine]
        for start in range(0, len(found), BATCH):
            batch = found[start : start + BATCH]
            vectors = await self._embed([memory for _, memory in batch])
            by_scope: defaultdict[Scope, list[tuple[Memory, bytes]]] = defaultdict(list)
            for (scope, memory), row in zip(batch, vectors, strict=True):
                by_scope[scope].append((memory, row.tobytes()))
            writes = (self._write(scope, items) for scope, items in by_scope.items())
            for outcome in await asyncio.gather(*writes, return_exceptions=True):
                if isinstance(outcome, BaseException):
                    raise outcome
            self.memories += len(batch)
            self.owners.update(by_scope)
            if self._progress is not None:
                self._progress(self.memories)

    async def _embed(self, memories: Sequence[Memory]) -> FloatMatrix:
        """Return a vector a memory, by one call; a refused batch is halved until the memory at fault is found."""
        try:
            return await self._parts.embedder.embed([memory.content for memory in memories])
        except EmbeddingInvalid as exc:
            if len(memories) == 1:
                raise EmbeddingInvalid(
                    f"memory {memories[0].id} of {memories[0].user_id!r} cannot be embedded ({exc}); shorten or delete"
                    " it, then run `context0 reindex` again"
                ) from exc
            middle = len(memories) // 2
            return np.concatenate([await self._embed(memories[:middle]), await self._embed(memories[middle:])])

    async def _write(self, scope: Scope, items: Sequence[tuple[Memory, bytes]]) -> None:
        async with self._lane:
            while items:
                await self._put(scope, items)
                model = self._parts.embedder.model
                marks = [
                    IndexMark(
                        id=memory.id,
                        generation=memory.index.generation,
                        state="done",
                        embedding=vector,
                        embedding_model=model,
                    )
                    for memory, vector in items
                ]
                if await self._parts.documents.mark(marks, scope=scope) == len(marks):
                    return
                items = await self._changed_meanwhile(scope, [memory for memory, _ in items])

    async def _put(self, scope: Scope, items: Sequence[tuple[Memory, bytes]]) -> None:
        """Fill the indexes outside the documents."""
        if not self._parts.vectors.derived:
            points = [Point(id=memory.id, vector=np.frombuffer(vector, "<f4")) for memory, vector in items]
            await self._parts.vectors.put_many(points, scope=scope)
        if "graph" not in self._parts.documents.covers:
            model = self._parts.embedder.model
            documents = [to_document(memory, "", vector, model) for memory, vector in items]
            await self._parts.graph.put_many(documents, scope=scope)

    async def _changed_meanwhile(self, scope: Scope, memories: Sequence[Memory]) -> list[tuple[Memory, bytes]]:
        """Return those of `memories` that say something else by now, with new vectors; undo what was put for the gone.

        At most one call and one read, and one deletion an index.
        """
        generations = {memory.id: memory.index.generation for memory in memories}
        now = self._parts.clock.now()
        left = await self._parts.documents.get_many(list(generations), scope=scope, now=now)
        gone = set(generations) - {memory.id for memory in left}
        if gone and not self._parts.vectors.derived:
            await self._parts.vectors.delete_many(gone, scope=scope)
        if gone and "graph" not in self._parts.documents.covers:
            await self._parts.graph.delete_many(gone, scope=scope)
        changed = [memory for memory in left if memory.index.generation != generations[memory.id]]
        vectors = await self._embed(changed) if changed else ()
        return [(memory, row.tobytes()) for memory, row in zip(changed, vectors, strict=True)]


class _InPart(Wrapper):
    """Stands for a model in a store whose vectors are not all of it yet: a name that nobody can have configured."""

    @property
    def model(self) -> str:
        return f"{self._embedder.model}, in part only,"

    async def embed(self, texts: Sequence[str]) -> FloatMatrix:
        return await self._embedder.embed(texts)
