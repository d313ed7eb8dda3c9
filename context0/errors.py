"""What can go wrong above the stores.

Context0Error
├── InvalidInput (also a ValueError)     the caller's text, option or value is off; nothing was written
├── ConfigurationError                   a setting is wrong or an extra is not installed
├── IdempotencyMismatch                  the key was used before for another body
├── SearchUnavailable                    every arm of a search failed
├── EngineClosed                         the engine was used after it was closed
├── UnknownSearch                        feedback on a search that nobody remembers (memory/feedback.py)
├── DamagedState                         stored learning that cannot be read (memory/sealed.py)
└── EmbeddingError
    ├── EmbeddingUnavailable             the provider did not answer in time or refused
    ├── EmbeddingInvalid                 the provider answered with unusable vectors
    └── EmbeddingModelMismatch           the store holds vectors of another model

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
