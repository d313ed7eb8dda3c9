"""Which embedders there are, and how each is wrapped; the only dynamic import of this package."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Final, Literal

from context0.embeddings.options import EmbedderOptions
from context0.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from context0.embeddings.protocol import Embedder

Provider = Literal["static", "openai", "sentence-transformers", "onnx"]


@dataclass(frozen=True, slots=True)
class ProviderEntry:
    """target: "module:Class", built with the options alone.  cached: whether remembering vectors pays."""

    target: str
    cached: bool = True


# Computing a static vector costs 26 us. A cache hit would cost 2, but a miss 90 and 1.7 KB, and what is written
# always misses: for them a cache is a loss of time and of 64 MiB.
PROVIDERS: Final[Mapping[Provider, ProviderEntry]] = {
    "static": ProviderEntry("context0.embeddings.static:StaticEmbedder", cached=False),
    "openai": ProviderEntry("context0.embeddings.openai:OpenAIEmbedder"),
    "sentence-transformers": ProviderEntry("context0.embeddings.sentence_transformers:SentenceTransformersEmbedder"),
    "onnx": ProviderEntry("context0.embeddings.onnx:OnnxEmbedder"),
}


def build_embedder(provider: Provider, options: EmbedderOptions | None = None) -> Embedder:
    """Return the provider behind its wrappers: Cached(Coalesced(Validated(provider))).

    Only a remote one is coalesced; only an expensive one is cached, unless `cache_bytes` is 0. Opens nothing and
    loads no model, but imports numpy (0.1 s, once per process).
    Raises ConfigurationError for an unknown provider, or options that it cannot work with.
    """
    entry = PROVIDERS.get(provider)
    if entry is None:
        raise ConfigurationError(f"unknown embedding_provider {provider!r}; choose one of {', '.join(PROVIDERS)}")
    options = options or EmbedderOptions()
    return _wrapped(_provider(entry.target, options), provider, entry, options)


def _provider(target: str, options: EmbedderOptions) -> Embedder:
    module, _, name = target.partition(":")
    embedder: Embedder = getattr(import_module(module), name)(options)
    return embedder


def _wrapped(embedder: Embedder, provider: Provider, entry: ProviderEntry, options: EmbedderOptions) -> Embedder:
    from context0.embeddings.cached import Cached
    from context0.embeddings.coalesced import Coalesced
    from context0.embeddings.keys import VectorSource
    from context0.embeddings.validated import Validated

    wrapped: Embedder = Validated(embedder)
    if not embedder.local:
        wrapped = Coalesced(wrapped, window_ms=options.window_ms, max_batch_items=options.max_batch_items)
    if entry.cached and options.cache_bytes:
        source = VectorSource(
            provider=f"{provider} {options.base_url or ''}",
            model=options.model or embedder.model,  # that of onnx reads files, and nothing is opened here
            dimension=options.dimensions or 0,
        )
        wrapped = Cached(wrapped, source, max_bytes=options.cache_bytes, ttl=options.cache_ttl)
    return wrapped
