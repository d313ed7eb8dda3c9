"""OpenAI's chat API as far as it is served: what is read of a request, and what an answer is made of."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from context0.wire.base import Record


class _Lenient(BaseModel):
    """Clients send more than is served: what has no meaning here is passed over, as other servers do."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class ContentPart(_Lenient):
    """A piece of a message; only text is served."""

    type: str
    text: str = ""


class CompletionMessage(_Lenient):
    """One message of the conversation so far."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[ContentPart] | None = None


class StreamOptions(_Lenient):
    """include_usage: count the tokens in a last piece."""

    include_usage: bool = False


class CompletionRequest(_Lenient):
    """A conversation whose last message is answered. user: never decides whose memory is used; the key does.

    metadata.session_id: continues a session of the memory, as the header X-Context0-Session does.
    """

    messages: list[CompletionMessage] = Field(
        min_length=1, max_length=2_048, examples=[[{"role": "user", "content": "Which city do I live in?"}]]
    )
    model: str = Field(default="context0", max_length=256)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: Annotated[int, Field(ge=1, le=128)] | None = None
    user: str | None = None
    tools: list[Any] | None = None
    functions: list[Any] | None = None
    response_format: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None


class CompletionUsage(Record):
    """Tokens as the provider counted them."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class AnswerMessage(Record):
    """The answer."""

    role: Literal["assistant"] = "assistant"
    content: str
    refusal: str | None = None


class Choice(Record):
    """The only one."""

    index: int = 0
    message: AnswerMessage
    logprobs: None = None
    finish_reason: Literal["stop", "length"] = "stop"


class MemoryUse(Record):
    """What OpenAI's answers lack: the session to go on with, and the memories that the answer was given."""

    session_id: str | None
    turn_id: str
    memories_used: tuple[str, ...] = ()
    degraded: Mapping[str, str] = {}


class Completion(Record):
    """A whole answer."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: tuple[Choice, ...]
    usage: CompletionUsage
    context0: MemoryUse


class Model(Record):
    """A name to give as `model`. Every name is taken; the service's own model answers."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "context0"


class ModelList(Record):
    """The models of the service."""

    object: Literal["list"] = "list"
    data: tuple[Model, ...]


class OpenAIErrorBody(Record):
    """An error in OpenAI's words."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None
    request_id: str


class OpenAIError(Record):
    """Every failure of the routes that speak OpenAI's API."""

    error: OpenAIErrorBody
