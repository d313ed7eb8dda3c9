"""What a language model must do, and what it is asked and answers: frozen records, no provider's types."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol, TypeVar

from pydantic import BaseModel

PromptRole = Literal["system", "user", "assistant"]
A = TypeVar("A", bound=BaseModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptMessage:
    """One message of a prompt."""

    role: PromptRole
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A memory that stands in the prompt, for answers that cite it. score: as the search gave it.

    invalid_at: since when it no longer holds, for what was superseded.
    """

    memory_id: str
    content: str
    score: float
    speaker: str | None = None
    said_at: datetime | None = None
    invalid_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What a model is asked. messages: the whole of it, for models. question, sources: the same for `extractive`."""

    messages: tuple[PromptMessage, ...]
    question: str = ""
    sources: tuple[Source, ...] = ()
    max_tokens: int = 1_024
    temperature: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens as the provider counted them; 0 where it did not tell."""

    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """A piece of a streamed answer. The last one has the usage, and who answered.

    model: "provider:model". fallback: why another than the configured model answered, by a stable name; None if not.
    cited: ids of the sources that the answer rests on, where the provider tells.
    """

    text: str = ""
    model: str = ""
    usage: Usage | None = None
    fallback: str | None = None
    cited: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion(Chunk):
    """A whole answer."""

    usage: Usage | None = field(default_factory=Usage)


class LLM(Protocol):
    """One model of one provider. Every call ends: by its answer, or by an `LLMError` within its deadlines."""

    @property
    def name(self) -> str:
        """ "provider:model", for logs, metrics and answers."""

    async def warm(self) -> None:
        """Do what the first call would pay for (imports, connections), off the critical path. Never raises LLMError."""

    async def aclose(self) -> None: ...

    def stream(self, prompt: Prompt) -> AsyncIterator[Chunk]:
        """Yield the answer as it is made. One call. Closing the iterator closes the call at once.

        Raises LLMUnavailable, LLMTimeout, LLMRejected; LLMInterrupted after the first piece, with nothing taken back.
        """

    async def complete(self, prompt: Prompt, *, schema: type[A]) -> tuple[A, Usage]:
        """Return an answer that is valid by `schema`. One call.

        Raises LLMInvalid for an answer that is not JSON or breaks the schema: never an empty value. And as `stream`.
        """
