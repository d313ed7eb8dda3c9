"""Sees to it that vectors of two models never meet in one store."""

from typing import Final

import orjson

from context0.embeddings.protocol import Embedder
from context0.errors import EmbeddingModelMismatch
from stores.protocols import DocumentStore

_KEY: Final = "embedding"


class ModelGuard:
    """Knows which model's vectors a store holds: the first that wrote one. Changed only by `adopt`, for a reindex."""

    def __init__(self, documents: DocumentStore, embedder: Embedder) -> None:
        self._documents = documents
        self._embedder = embedder
        self._stored: tuple[str, int] | None = None

    @property
    def is_settled(self) -> bool:
        """True once the store is known to have vectors: then `check` has nothing to look up any more."""
        return self._stored is not None

    async def load(self) -> None:
        """Read what the store holds. One round trip."""
        value = await self._documents.get_meta(_KEY)
        self._stored = None if value is None else _decoded(value)

    async def check(self, dimension: int | None = None) -> None:
        """Raise EmbeddingModelMismatch if the configured model is not the store's.

        dimension: of a vector that is about to be written; with the first one the model becomes the store's.
        One round trip while the store has no vector, as another process may write the first; none after that.
        """
        model = self._embedder.model
        if self._stored is None and dimension is not None:
            value = await self._documents.put_meta(_KEY, orjson.dumps([model, dimension]))
            self._stored = _decoded(value)
        if self._stored is None:
            await self.load()
        if self._stored is None:
            return
        stored_model, stored_dimension = self._stored
        given = self._embedder.dimension if dimension is None else dimension
        if stored_model != model or given not in (None, stored_dimension):
            raise EmbeddingModelMismatch(_told(stored_model, stored_dimension), _told(model, given))

    async def adopt(self, dimension: int) -> None:
        """Make the configured model the store's: only right when every vector has been made anew."""
        value = orjson.dumps([self._embedder.model, dimension])
        await self._documents.put_meta(_KEY, value, replace=True)
        self._stored = _decoded(value)


def _decoded(value: bytes) -> tuple[str, int]:
    model, dimension = orjson.loads(value)
    return str(model), int(dimension)


def _told(model: str, dimension: int | None) -> str:
    return model if dimension is None else f"{model} ({dimension} dimensions)"
