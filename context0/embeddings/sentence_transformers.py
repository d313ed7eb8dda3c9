"""Any local sentence-transformers model, in a thread; needs the extra `torch`."""

from __future__ import annotations

import asyncio
import threading
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from context0.embeddings.options import EmbedderOptions
from context0.embeddings.texts import valid_unicode
from context0.errors import ConfigurationError
from stores.blocking import in_thread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from context0.embeddings.protocol import FloatMatrix

_MODEL: Final = "sentence-transformers/all-MiniLM-L6-v2"


class SentenceTransformersEmbedder:
    """Runs one model on this machine, one call at a time: torch spreads a single call over all cores already.

    `model` is a folder, or a name that is in the Hugging Face cache; nothing is downloaded. Loaded on first use, once.
    A text longer than the model's window (often 256 or 512 tokens) counts up to there.
    """

    def __init__(self, options: EmbedderOptions | None = None) -> None:
        """options: `model` and `max_batch_items` (texts in one forward pass) are read."""
        self._options = options or EmbedderOptions()
        self._name = self._options.model or _MODEL
        self._loaded: Any = None  # SentenceTransformer; the extra may be absent, also when types are checked
        self._dimension: int | None = None
        self._one_at_a_time = asyncio.Lock()
        self._loading = threading.Lock()

    @property
    def model(self) -> str:
        return f"sentence-transformers/{self._name.removeprefix('sentence-transformers/')}"

    @property
    def dimension(self) -> int | None:
        """None until the model was loaded."""
        return self._dimension

    @property
    def local(self) -> bool:
        return True

    async def embed(self, texts: Sequence[str]) -> FloatMatrix:
        """Return one unit vector per text; always off the event loop.

        Raises ConfigurationError when the extra is not installed or the model cannot be loaded.
        """
        async with self._one_at_a_time:
            return await in_thread(self._encode, [valid_unicode(text) for text in texts])

    async def aclose(self) -> None:
        """Let the model go."""
        self._loaded = None

    def _encode(self, texts: list[str]) -> FloatMatrix:
        model = self._load_once()
        if not texts:
            return np.empty((0, self._dimension or 0), dtype=np.float32)
        vectors = model.encode(
            texts,
            batch_size=self._options.max_batch_items,
            show_progress_bar=False,
            convert_to_numpy=True,
            normalize_embeddings=True,
        )
        return np.ascontiguousarray(vectors, dtype=np.float32)

    def _load_once(self) -> Any:
        # A caller that gives up leaves its thread loading; the next one waits for it here.
        with self._loading:
            if self._loaded is None:
                self._loaded = _load(self._name)
                renamed = getattr(self._loaded, "get_embedding_dimension", None)  # since sentence-transformers 6
                self._dimension = (renamed or self._loaded.get_sentence_embedding_dimension)()
            return self._loaded


def _load(name: str) -> Any:
    try:
        package = import_module("sentence_transformers")
    except ModuleNotFoundError as exc:
        raise ConfigurationError(
            'the embedding provider "sentence-transformers" needs an extra; run `pip install "context0[torch]"`'
        ) from exc
    try:
        return package.SentenceTransformer(name, local_files_only=True)
    except (OSError, ValueError) as exc:
        raise ConfigurationError(
            f"cannot load the embedding model {name!r} from this machine; give embedding_model the path of a"
            " sentence-transformers model folder"
        ) from exc
