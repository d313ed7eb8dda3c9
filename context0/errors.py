"""What can go wrong above the stores.

Context0Error
├── InvalidInput (also a ValueError)     the caller's text, option or value is off; nothing was written
├── ConfigurationError                   a setting is wrong or an extra is not installed
├── IdempotencyMismatch                  the key was used before for another body
├── InvalidConsistencyToken              a token of a write that was changed, or is of another owner or store
├── SearchUnavailable                    every arm of a search failed
├── EngineClosed                         the engine was used after it was closed
├── UnknownSearch                        feedback on a search that nobody remembers (memory/feedback.py)
├── DamagedState                         stored learning that cannot be read (memory/sealed.py)
├── EmbeddingError
│   ├── EmbeddingUnavailable             the provider did not answer in time or refused
│   ├── EmbeddingInvalid                 the provider answered with unusable vectors
│   └── EmbeddingModelMismatch           the store holds vectors of another model
└── LLMError
    ├── LLMUnavailable                   the model cannot be reached, is overloaded or broken; later it may answer
    ├── LLMTimeout                       it said nothing within a deadline
    ├── LLMRejected                      it refuses this request or this key: another attempt cannot mend that
    ├── LLMInterrupted                   it broke off after the first piece of its answer
    └── LLMInvalid                       it answered, but not usably: no text, no JSON, not by the schema

Errors of the stores are a tree of their own: `stores.errors.StoreError`.
"""

from typing import ClassVar


class Context0Error(Exception):
    """The root. `code` is stable and meant for programs; the message says what to do next."""

    code: ClassVar[str] = "context0_error"


class InvalidInput(Context0Error, ValueError):
    code = "invalid_input"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field


class ConfigurationError(Context0Error):
    code = "configuration"


class IdempotencyMismatch(Context0Error):
    code = "idempotency_mismatch"


class InvalidConsistencyToken(Context0Error):
    code = "invalid_consistency_token"


class SearchUnavailable(Context0Error):
    """Every arm failed; `failures` maps the arm's name to what happened."""

    code = "search_unavailable"

    def __init__(self, failures: dict[str, str]) -> None:
        told = "; ".join(f"{arm}: {reason}" for arm, reason in sorted(failures.items()))
        super().__init__(f"no search arm could answer ({told}); try again, or look at `context0 doctor`")
        self.failures = failures


class EngineClosed(Context0Error):
    code = "engine_closed"


class EmbeddingError(Context0Error):
    code = "embedding"


class EmbeddingUnavailable(EmbeddingError):
    code = "embedding_unavailable"


class EmbeddingInvalid(EmbeddingError):
    code = "embedding_invalid"


class EmbeddingModelMismatch(EmbeddingError):
    code = "embedding_model_mismatch"

    def __init__(self, stored: str, configured: str) -> None:
        super().__init__(
            f"the store holds vectors of {stored}, but {configured} is configured and vectors of two models cannot be"
            " compared; set the former model again, or run `context0 reindex` to embed every memory anew"
        )
        self.stored = stored
        self.configured = configured


class LLMError(Context0Error):
    code = "llm"


class LLMUnavailable(LLMError):
    """passing: another attempt may do. retry_after_s: when the provider asked for it, None when it did not say."""

    code = "llm_unavailable"

    def __init__(self, message: str, *, passing: bool = True, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.passing = passing
        self.retry_after_s = retry_after_s


class LLMTimeout(LLMError):
    code = "llm_timeout"


class LLMRejected(LLMError):
    """status: the HTTP status of the refusal, None where there is none."""

    code = "llm_rejected"

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class LLMInterrupted(LLMError):
    code = "llm_interrupted"


class LLMInvalid(LLMError):
    """answer: what the model said, to have it repaired; it is in no message, so that no log holds it."""

    code = "llm_invalid"

    def __init__(self, message: str, *, answer: str = "") -> None:
        super().__init__(message)
        self.answer = answer
