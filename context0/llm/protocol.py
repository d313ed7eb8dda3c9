"""What a language model must do, and what it is asked and answers: frozen records, no provider's types."""

from collections.abc import AsyncGenerator
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

    invalid_at: since when it no longer holds, for what was superseded. answers: rules read that it states what the
    question asks for.
    """

    memory_id: str
    content: str
    score: float
    speaker: str | None = None
    said_at: datetime | None = None
    invalid_at: datetime | None = None
    answers: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What a model is asked. messages: the whole of it, for models. question, sources: the same for `extractive`.

    missing: what could not be looked up, by stable names: then an empty memory means nothing.
    own, recalled: of `messages` what the user said himself, now or as it is remembered, and all that is not of now.
    """

    messages: tuple[PromptMessage, ...]
    question: str = ""
    sources: tuple[Source, ...] = ()
    missing: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    recalled: tuple[str, ...] = ()
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
    """One model of one provider, or several behind one another. Safe for concurrent use on one event loop.

    As `registry.build_llm` gives it, every call ends by its answer or by an `LLMError` within its deadlines.
    """

    @property
    def name(self) -> str:
        """ "provider:model", for logs, metrics and answers."""

    async def warm(self) -> None:
        """Do what the first call would pay for (imports, connections), off the critical path. Never raises LLMError."""

    async def aclose(self) -> None:
        """Release what was opened. Twice is harmless."""

    def stream(self, prompt: Prompt) -> AsyncGenerator[Chunk, None]:
        """Yield the answer as it is made. One call. Closing the generator (`contextlib.aclosing`) closes it at once.

        Pieces of text, then one last chunk with `usage` and `model` and no text. From a bare provider a piece may be
        empty: a sign that the model is at work. Together the text is never empty.
        Raises LLMUnavailable, LLMTimeout, LLMRejected, LLMInvalid (it ended without a word) before the first text;
        LLMInterrupted after it, with nothing taken back.
        """

    async def complete(self, prompt: Prompt, *, schema: type[A]) -> tuple[A, Usage]:
        """Return an answer that is valid by `schema`, and what it cost. One call, and perhaps one to repair it.

        Raises LLMInvalid for an answer that is not JSON or breaks the schema: never an empty value. And as `stream`.
        """
