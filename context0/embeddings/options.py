"""What a provider and its wrappers may be told; values only, never Settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from context0.errors import ConfigurationError

EncodingFormat = Literal["base64", "float"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedderOptions:
    """Options of one embedder; each provider takes what concerns it and ignores the rest.

    model: the provider's own name or path; None is the provider's default.
    base_url: the root of an OpenAI-compatible API; None is OpenAI's own.
    api_key: None is right for a local server that asks for none.
    dimensions: asked of the provider, for models that can shorten their vectors; None is the model's own.
    encoding_format: how vectors travel; base64 is a third of the bytes, a few servers know only float.
    deadline_s: of one provider request with all its retries, from the moment it has a slot; > 0.
    attempt_timeout_s: of a single attempt, so that a hanging one leaves time for another; > 0.
    max_batch_items: texts in one provider request; 1..2048, OpenAI's ceiling.
    window_ms: how long a request waits for others to join it; >= 0.
    cache_bytes, cache_ttl: bounds of the cache of vectors; 0 bytes switch it off.
    """

    model: str | None = None
    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    dimensions: int | None = None
    encoding_format: EncodingFormat = "base64"
    deadline_s: float = 30.0
    attempt_timeout_s: float = 10.0
    max_batch_items: int = 256
    window_ms: float = 2.0
    cache_bytes: int = 64 * 1024 * 1024
    cache_ttl: timedelta = timedelta(hours=24)

    def __post_init__(self) -> None:
        for name, holds, wanted in (
            ("dimensions", self.dimensions is None or self.dimensions > 0, "above 0"),
            ("deadline_s", self.deadline_s > 0, "above 0"),
            ("attempt_timeout_s", self.attempt_timeout_s > 0, "above 0"),
            ("max_batch_items", 1 <= self.max_batch_items <= 2048, "between 1 and 2048"),
            ("window_ms", self.window_ms >= 0, "0 or above"),
            ("cache_bytes", self.cache_bytes >= 0, "0 or above"),
            ("cache_ttl", self.cache_ttl > timedelta(0), "above 0"),
        ):
            if not holds:
                raise ConfigurationError(f"embedding option {name} must be {wanted}")
