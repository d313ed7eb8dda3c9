"""What a provider and its wrappers may be told; values only, never Settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from context0.errors import ConfigurationError

_ABOVE_ZERO: Final = (
    *("max_tokens", "connect_s", "first_token_s", "between_tokens_s", "deadline_s", "max_connections"),
    *("attempts", "breaker_failures", "breaker_open_s"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmOptions:
    """Options of one language model; each provider takes what concerns it and ignores the rest.

    model, fallback_model: the provider's own names; None is its default, and no fallback.
    base_url: the root of an OpenAI-compatible API; None is OpenAI's own.
    api_key: None is right for a local server that asks for none.
    max_tokens: the longest answer, whatever the prompt allows.
    connect_s, first_token_s, between_tokens_s: of each attempt.  deadline_s: of a call with all its attempts.
    max_connections: answers at the same time; more wait.
    attempts: at one model.  retry_share: retries that each call pays for, 0..1.
    breaker_failures: among the last twice as many calls, to stop calling.  breaker_open_s: for how long.
    """

    model: str | None = None
    fallback_model: str | None = None
    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    max_tokens: int = 1_024
    connect_s: float = 5.0
    first_token_s: float = 10.0
    between_tokens_s: float = 10.0
    deadline_s: float = 30.0
    max_connections: int = 100
    attempts: int = 3
    retry_share: float = 0.1
    breaker_failures: int = 5
    breaker_open_s: float = 10.0

    def __post_init__(self) -> None:
        for name in _ABOVE_ZERO:
            if not getattr(self, name) > 0:
                raise ConfigurationError(f"llm option {name} must be above 0")
        if not 0 <= self.retry_share <= 1:
            raise ConfigurationError("llm option retry_share must be between 0 and 1")
