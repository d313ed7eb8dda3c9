"""Which embedders there are, and how each is wrapped; the only dynamic import of this package."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Final, Literal

from context0.embeddings.options import EmbedderOptions
from context0.errors import ConfigurationError
from context0.observability.recorder import CacheReading

if TYPE_CHECKING:
    from collections.abc import Mapping

    from context0.cache.shared import SharedCache
    from context0.embeddings.cached import Cached
    from context0.embeddings.keys import VectorSource
    from context0.embeddings.protocol import Embedder
    from context0.observability.recorder import Recorder

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


def build_embedder(
    provider: Provider,
    options: EmbedderOptions | None = None,
    recorder: Recorder | None = None,
    shared: SharedCache | None = None,
) -> Embedder:
    """Return the provider behind its wrappers: Cached(SharedVectors(Coalesced(Measured(Validated(provider))))).

    Only with a recorder is it measured, only a remote one is coalesced; only an expensive one is cached, in memory and
    in `shared`, unless `cache_bytes` is 0. Whoever made `shared` closes it. Opens nothing and loads no model, but
    imports numpy (0.1 s, once per process).
    Raises ConfigurationError for an unknown provider, or options that it cannot work with.
    """
    entry = PROVIDERS.get(provider)
    if entry is None:
        raise ConfigurationError(f"unknown embedding_provider {provider!r}; choose one of {', '.join(PROVIDERS)}")
    options = options or EmbedderOptions()
    from context0.embeddings.coalesced import Coalesced
    from context0.embeddings.measured import Measured
    from context0.embeddings.validated import Validated

    embedder: Embedder = Validated(_provider(entry.target, options))
    if recorder is not None:
        embedder = Measured(embedder, recorder)
    wrapped = embedder
    if not embedder.local:
        wrapped = Coalesced(wrapped, window_ms=options.window_ms, max_batch_items=options.max_batch_items)
    if entry.cached and options.cache_bytes:
        return _cached(wrapped, _source(embedder, provider, options), options, recorder, shared)
    return wrapped


def _provider(target: str, options: EmbedderOptions) -> Embedder:
    module, _, name = target.partition(":")
    embedder: Embedder = getattr(import_module(module), name)(options)
    return embedder


def _source(embedder: Embedder, provider: Provider, options: EmbedderOptions) -> VectorSource:
    from context0.embeddings.keys import VectorSource

    return VectorSource(
        provider=f"{provider} {options.base_url or ''}",
        model=options.model or embedder.model,  # that of onnx reads files, and nothing is opened here
        dimension=options.dimensions or 0,
    )


def _cached(
    embedder: Embedder,
    source: VectorSource,
    options: EmbedderOptions,
    recorder: Recorder | None,
    shared: SharedCache | None,
) -> Embedder:
    from context0.embeddings.cached import Cached
    from context0.embeddings.shared import SharedVectors

    if shared is not None:
        embedder = SharedVectors(embedder, source, shared, ttl=options.cache_ttl)
    cached = Cached(embedder, source, max_bytes=options.cache_bytes, ttl=options.cache_ttl)
    if recorder is not None:
        recorder.watch_cache("embeddings", lambda: _reading(cached))
    return cached


def _reading(cached: Cached) -> CacheReading:
    told = cached.statistics()
    return CacheReading(
        hits=told.hits, misses=told.misses, entries=told.entries, bytes=told.bytes, evictions=told.evictions
    )
