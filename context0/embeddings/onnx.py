"""Any ONNX model in a local folder, on onnxruntime, in threads; needs the extra `semantic`."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from context0.embeddings.onnx_folder import read_folder
from context0.embeddings.onnx_vectors import OnnxVectors
from context0.embeddings.options import EmbedderOptions
from context0.errors import ConfigurationError, EmbeddingUnavailable
from stores.blocking import in_thread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from context0.embeddings.onnx_folder import OnnxFolder
    from context0.embeddings.protocol import FloatMatrix

# At most 0.2 s of work (45 ms for 256 tokens): how long a query can wait when every core embeds.
_SLICE_ITEMS: Final = 4


class OnnxEmbedder:
    """Runs one model on this machine; one call uses one core, and as many run at a time as there are cores.

    `model` is a folder with `model.onnx` and `tokenizer.json`; beside them, `sentence_bert_config.json` (or
    `tokenizer_config.json`) can tell the longest text in tokens and `1_Pooling/config.json` the pooling; else 256 and
    the mean. A text that is longer counts up to there. Nothing is read before it is needed, and then once.
    """

    def __init__(self, options: EmbedderOptions | None = None) -> None:
        """options: only `model` is read. Raises ConfigurationError without it."""
        folder = (options or EmbedderOptions()).model
        if folder is None:
            raise ConfigurationError(
                'the embedding provider "onnx" has no model of its own; set embedding_model to a folder with model.onnx'
                " and tokenizer.json, made by `context0 models export SOURCE TARGET`"
            )
        self._path = Path(folder).expanduser().absolute()
        self._folder: OnnxFolder | None = None
        self._vectors: OnnxVectors | None = None
        self._closed = False
        self._reading = threading.Lock()
        self._loading = threading.Lock()
        self._cores = asyncio.Semaphore(os.cpu_count() or 1)

    @property
    def model(self) -> str:
        """The folder's name and the fingerprint of its files, which are read if `embed` did not do it before (15 ms).

        Raises ConfigurationError when they are not there.
        """
        return f"onnx/{self._path.name}-{self._folder_once().fingerprint}"

    @property
    def dimension(self) -> int | None:
        """None until the model was loaded."""
        return None if self._vectors is None else self._vectors.dimension

    @property
    def local(self) -> bool:
        return True

    async def embed(self, texts: Sequence[str]) -> FloatMatrix:
        """Return one unit vector per text, always the same for the same text; always off the event loop.

        Raises ConfigurationError when the extra is not installed or the folder holds no model.
        """
        self._check_open()
        vectors = await in_thread(self._load_once) if self._vectors is None else self._vectors
        rows = np.empty((len(texts), vectors.dimension), dtype=np.float32)
        for start in range(0, len(texts), _SLICE_ITEMS):
            async with self._cores:
                self._check_open()
                part = texts[start : start + _SLICE_ITEMS]
                rows[start : start + len(part)] = await in_thread(vectors.embed, part)
        return rows

    async def aclose(self) -> None:
        """Let the model go; a call under way ends with its present slice."""
        self._closed = True
        self._vectors = None

    def _check_open(self) -> None:
        if self._closed:
            raise EmbeddingUnavailable("the embedder was closed before all texts were embedded")

    def _folder_once(self) -> OnnxFolder:
        with self._reading:
            if self._folder is None:
                self._folder = read_folder(self._path)
            return self._folder

    def _load_once(self) -> OnnxVectors:
        # A caller that gives up leaves its thread loading; the next one waits for it here.
        with self._loading:
            if self._vectors is None:
                self._check_open()
                self._vectors = OnnxVectors(self._folder_once())
            return self._vectors
