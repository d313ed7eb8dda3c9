"""The provider for local sentence-transformers models, with a stand-in for the package."""

import asyncio
import sys
import threading
from types import ModuleType

import numpy as np
import pytest

from context0.embeddings.options import EmbedderOptions
from context0.embeddings.sentence_transformers import SentenceTransformersEmbedder
from context0.errors import ConfigurationError


class StandIn:
    """As much of a SentenceTransformer as is used."""

    loaded: list[tuple[str, dict]]
    running = 0
    peak = 0

    def __init__(self, name, **options):
        if name == "/nowhere":
            raise OSError("no such model")
        self.loaded.append((name, options))

    def get_sentence_embedding_dimension(self):
        return 3

    def encode(self, texts, **options):
        assert threading.current_thread() is not threading.main_thread()
        assert options["normalize_embeddings"]
        type(self).running += 1
        type(self).peak = max(self.peak, self.running)
        rows = np.array([[len(text), 1, 0] for text in texts], dtype=np.float64)
        type(self).running -= 1
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture
def package(monkeypatch):
    module = ModuleType("sentence_transformers")
    module.SentenceTransformer = type("SentenceTransformer", (StandIn,), {"loaded": []})
    monkeypatch.setitem(sys.modules, "sentence_transformers", module)
    return module.SentenceTransformer


async def test_loads_a_local_model_once_and_embeds_in_a_thread(package):
    embedder = SentenceTransformersEmbedder(EmbedderOptions(model="/models/mine"))
    assert (embedder.model, embedder.dimension, embedder.local) == ("sentence-transformers//models/mine", None, True)
    first, second = await asyncio.gather(embedder.embed(["a", "bbb"]), embedder.embed(["a\ud800"]))
    assert first.dtype == np.float32
    assert first.flags.c_contiguous
    np.testing.assert_allclose(np.linalg.norm(np.concatenate([first, second]), axis=1), 1, atol=1e-6)
    assert (first[1] > first[0]).tolist() == [True, False, False]
    assert package.loaded == [("/models/mine", {"local_files_only": True})]
    assert package.peak == 1
    assert embedder.dimension == 3
    await embedder.aclose()
    await embedder.aclose()


async def test_no_texts_load_the_model(package):
    embedder = SentenceTransformersEmbedder(EmbedderOptions(model="/models/mine"))
    assert (await embedder.embed([])).shape == (0, 3)
    assert len(package.loaded) == 1


async def test_a_model_that_cannot_be_loaded_is_a_matter_of_configuration(package):
    with pytest.raises(ConfigurationError, match="'/nowhere'"):
        await SentenceTransformersEmbedder(EmbedderOptions(model="/nowhere")).embed(["a"])


async def test_without_the_extra_the_error_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(ConfigurationError, match=r'pip install "context0\[torch\]"'):
        await SentenceTransformersEmbedder().embed(["a"])
