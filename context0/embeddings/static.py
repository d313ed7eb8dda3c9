"""The offline default: static word vectors, computed where they are asked for."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Final

from context0.embeddings.options import EmbedderOptions
from context0.embeddings.word_vectors import load_word_vectors
from context0.errors import ConfigurationError
from stores.blocking import in_thread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from context0.embeddings.protocol import FloatMatrix
    from context0.embeddings.word_vectors import WordVectors

_MODEL: Final = "wordllama-256"
# Up to about 1 ms of work stays on the event loop: a thread hop costs 30 to 80 us, more than a query itself.
_INLINE_ITEMS: Final = 64
_INLINE_CHARACTERS: Final = 4096


class StaticEmbedder:
    """256-d mean of word vectors; about 20 us a query, no network, 33 MB once loaded.

    The model is loaded on first use, once, in a thread. Reading the tokenizer (45 of its 80 ms) holds the GIL, so
    that loading is felt by the event loop all the same: `embed([])` does it at a moment of the caller's choice.
    """

    def __init__(self, options: EmbedderOptions | None = None) -> None:
        """options: only `model` is read. Raises ConfigurationError for a model that is not in the wheel."""
        named = (options or EmbedderOptions()).model or _MODEL
        if named != _MODEL:
            raise ConfigurationError(f"the static provider has one model, {_MODEL!r}, not {named!r}")
        self._vectors: WordVectors | None = None
        self._first_use = asyncio.Lock()
        self._loading = threading.Lock()

    @property
    def model(self) -> str:
        return f"static/{_MODEL}"

    @property
    def dimension(self) -> int:
        return 256

    @property
    def local(self) -> bool:
        return True

    async def embed(self, texts: Sequence[str]) -> FloatMatrix:
        """Return one unit vector per text; the whole text counts, at any length. Up to about 1 ms runs inline."""
        vectors = self._vectors or await self._load()
        if len(texts) <= _INLINE_ITEMS and sum(map(len, texts)) <= _INLINE_CHARACTERS:
            return vectors.embed(texts)
        return await in_thread(vectors.embed, texts)

    async def aclose(self) -> None:
        """Nothing is open; the vectors go with the object."""

    async def _load(self) -> WordVectors:
        async with self._first_use:
            return await in_thread(self._load_once) if self._vectors is None else self._vectors

    def _load_once(self) -> WordVectors:
        # A caller that gives up leaves its thread loading; the next one waits for that thread instead of loading again.
        with self._loading:
            if self._vectors is None:
                self._vectors = load_word_vectors()
            return self._vectors
