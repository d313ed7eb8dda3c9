"""Building embedders by name."""

import subprocess
import sys
from datetime import timedelta

import pytest

from context0.embeddings.cached import Cached
from context0.embeddings.coalesced import Coalesced
from context0.embeddings.onnx import OnnxEmbedder
from context0.embeddings.openai import OpenAIEmbedder
from context0.embeddings.options import EmbedderOptions
from context0.embeddings.registry import PROVIDERS, build_embedder
from context0.embeddings.sentence_transformers import SentenceTransformersEmbedder
from context0.embeddings.static import StaticEmbedder
from context0.embeddings.validated import Validated
from context0.embeddings.wrapper import Wrapper
from context0.errors import ConfigurationError
from tests.tiny_onnx import write_folder


def layers(embedder) -> list[type]:
    found = [type(embedder)]
    while isinstance(embedder, Wrapper):
        embedder = embedder._embedder
        found.append(type(embedder))
    return found


@pytest.mark.parametrize(
    ("provider", "stack"),
    [
        ("static", [Validated, StaticEmbedder]),
        ("openai", [Cached, Coalesced, Validated, OpenAIEmbedder]),
        ("sentence-transformers", [Cached, Validated, SentenceTransformersEmbedder]),
        ("onnx", [Cached, Validated, OnnxEmbedder]),
    ],
)
def test_every_provider_comes_in_the_wrappers_that_it_needs(provider, stack):
    model = "/models/mine" if provider == "onnx" else None
    assert layers(build_embedder(provider, EmbedderOptions(api_key="k", model=model))) == stack


def test_every_provider_of_the_table_can_be_built(tmp_path):
    for provider in PROVIDERS:
        model = str(write_folder(tmp_path)) if provider == "onnx" else None
        assert build_embedder(provider, EmbedderOptions(api_key="k", model=model)).model.startswith(f"{provider}/")


def test_the_cache_can_be_switched_off():
    assert layers(build_embedder("openai", EmbedderOptions(api_key="k", cache_bytes=0)))[0] is Coalesced


def test_an_unknown_provider_is_refused_with_the_names_of_the_known():
    with pytest.raises(ConfigurationError, match="static, openai, sentence-transformers, onnx"):
        build_embedder("cohere")


@pytest.mark.parametrize(
    "wrong",
    [
        {"dimensions": 0},
        {"deadline_s": 0},
        {"attempt_timeout_s": -1},
        {"max_batch_items": 0},
        {"max_batch_items": 2049},
        {"window_ms": -1},
        {"cache_bytes": -1},
        {"cache_ttl": timedelta(0)},
    ],
)
def test_options_out_of_range_are_refused_by_name(wrong):
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        EmbedderOptions(**wrong)


def test_the_key_does_not_show_in_the_options():
    assert "sk-canary" not in repr(EmbedderOptions(api_key="sk-canary"))


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("context0.embeddings.registry", ["numpy", "openai", "tokenizers", "wordllama", "stamina"]),
        ("context0.embeddings.protocol", ["numpy"]),
        ("context0.embeddings.openai", ["openai", "httpx"]),
        ("context0.embeddings.static", ["tokenizers", "wordllama"]),
        ("context0.embeddings.onnx", ["tokenizers", "onnxruntime"]),
    ],
)
def test_importing_stays_light(module, heavy):
    program = f"import sys, {module}; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_static_provider_never_imports_wordllama_itself():
    program = """
import asyncio, logging, sys
from context0.embeddings.registry import build_embedder
asyncio.run(build_embedder("static").embed(["text"]))
print([name for name in ("wordllama", "safetensors", "requests") if name in sys.modules], logging.root.handlers)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] []"
