"""OpenAI's chat API on a memory: a conversation to a turn, a turn's events to pieces of a completion. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import orjson

from context0.api.sse import StreamEnds
from context0.errors import InvalidInput
from context0.wire import ChatEvent, ChatReply, DoneEvent, ErrorEvent, SessionEvent, ShutdownEvent, TokenEvent
from context0.wire.chat import Reply
from context0.wire.completions import (
    AnswerMessage,
    Choice,
    Completion,
    CompletionMessage,
    CompletionRequest,
    CompletionUsage,
    MemoryUse,
    OpenAIError,
    OpenAIErrorBody,
)

if TYPE_CHECKING:
    from stores.records import Role

DONE: Final = b"data: [DONE]\n\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a completion request asks. earlier: (role, text) of the user and the assistant before, ascending."""

    message: str
    earlier: "tuple[tuple[Role, str], ...]"
    session_id: str | None


def asked(body: CompletionRequest, session_header: str | None) -> Asked:
    """Return the turn of a request: its last message, which is the user's. Raises InvalidInput for what is not served.

    Messages of the system are not taken over: what the model is told stands in the service.
    """
    for field, refused in (("n", (body.n or 1) > 1), ("tools", body.tools), ("functions", body.functions)):
        if refused:
            raise InvalidInput(field, "is not served here; leave it out")
    if body.response_format not in (None, {"type": "text"}):
        raise InvalidInput("response_format", "only text is served; leave it out")
    if body.messages[-1].role != "user":
        raise InvalidInput("messages", "the last one must be the user's: it is what is answered")
    told = (body.metadata or {}).get("session_id")
    if told is not None and not isinstance(told, str):
        raise InvalidInput("metadata.session_id", f"give a text, not {type(told).__name__}")
    return Asked(
        message=_text(body.messages[-1]), earlier=tuple(_spoken(body.messages[:-1])), session_id=session_header or told
    )


def completion(reply: ChatReply, created: int) -> Completion:
    """Return a whole answer."""
    return Completion(
        id=f"chatcmpl-{reply.turn_id}",
        created=created,
        model=reply.model or "context0",
        choices=(Choice(message=AnswerMessage(content=reply.text), finish_reason=_finish(reply)),),
        usage=_usage(reply),
        context0=_use(reply),
    )


def ends(request_id: str) -> StreamEnds:
    """Return how a stream of pieces begins, and what it says when the service stops."""
    stopped = ShutdownEvent()
    return StreamEnds(beginning=b"", shutdown=_error("stopping", stopped.message, request_id))


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamedCompletion:
    """What the pieces of one completion have in common. on_done: is told of the whole reply."""

    model: str
    created: int
    request_id: str
    include_usage: bool
    on_done: Callable[[Reply], None]


class CompletionEncoder:
    """Makes the pieces of one streamed completion."""

    def __init__(self, common: StreamedCompletion) -> None:
        self._common = common
        self._id = ""
        self._failed = False

    def encode(self, event: ChatEvent, number: int) -> bytes | None:  # noqa: ARG002 - as Encode has it
        match event:
            case SessionEvent():
                self._id = f"chatcmpl-{event.turn_id}"
                return self._piece([_choice({"role": "assistant", "content": ""})])
            case TokenEvent():
                return self._piece([_choice({"content": event.text})])
            case ErrorEvent():
                self._failed = True
                return _error(event.code, event.message, self._common.request_id)
            case DoneEvent():
                self._common.on_done(event)
                return None if self._failed else self._end(event)
        return None

    def _end(self, done: DoneEvent) -> bytes:
        last = self._piece([_choice({}, _finish(done))], context0=_use(done).model_dump())
        if self._common.include_usage:
            last += self._piece([], usage=_usage(done).model_dump())
        return last + DONE

    def _piece(self, choices: Sequence[Mapping[str, object]], **more: object) -> bytes:
        """Return a `chat.completion.chunk`, without the fields that it lacks: some clients take null for a value."""
        head = {
            "id": self._id,
            "object": "chat.completion.chunk",
            "created": self._common.created,
            "model": self._common.model,
        }
        return b"data: " + orjson.dumps({**head, "choices": choices, **more}, default=list) + b"\n\n"


def _choice(delta: Mapping[str, str], finish_reason: str | None = None) -> Mapping[str, object]:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}


def _error(code: str, message: str, request_id: str) -> bytes:
    told = OpenAIError(error=OpenAIErrorBody(message=message, type="server_error", code=code, request_id=request_id))
    return f"data: {told.model_dump_json()}\n\n".encode()


def _spoken(messages: Sequence[CompletionMessage]) -> "Iterator[tuple[Role, str]]":
    for one in messages:
        if one.role in ("user", "assistant") and (text := _text(one)):
            yield one.role, text


def _text(message: CompletionMessage) -> str:
    if message.content is None or isinstance(message.content, str):
        return message.content or ""
    if any(part.type != "text" for part in message.content):
        raise InvalidInput("messages", "only text is served; leave out images, audio and files")
    return "\n".join(part.text for part in message.content)


def _finish(reply: Reply) -> Literal["stop", "length"]:
    return "length" if reply.state == "partial" else "stop"


def _usage(reply: Reply) -> CompletionUsage:
    counted = reply.usage
    return CompletionUsage(
        prompt_tokens=counted.prompt_tokens,
        completion_tokens=counted.completion_tokens,
        total_tokens=counted.prompt_tokens + counted.completion_tokens,
    )


def _use(reply: Reply) -> MemoryUse:
    return MemoryUse(
        session_id=reply.session_id,
        turn_id=reply.turn_id,
        memories_used=reply.memories_used,
        degraded=dict(reply.degraded),
    )
