"""The routes of a chat's turns: ask, as JSON or as a stream; follow a turn again."""

from typing import Annotated, Any, Final

from fastapi import Header
from starlette.responses import Response

from context0.api.encoding import answer
from context0.api.errors import Refused
from context0.api.routing import router, streamed, told
from context0.api.services import Call, client_gone
from context0.api.sse import MEDIA_TYPE, EventStream, events_encoded, resume_position
from context0.api.turns import TurnRequest
from context0.chat.service import TurnOptions
from context0.privacy.modes import keeps
from context0.wire import ChatReply, ChatRequest

routes: Final = router("chat")
_STREAM: Final = streamed("session", "privacy", "memories", "token", "done", "memory_written", "error", "shutdown")


def _told(*more: int) -> dict[int | str, dict[str, Any]]:
    answers = told(ChatReply, 404, *more)
    answers[200] = {**answers[200], "content": _STREAM}
    return answers


@routes.post("/v1/chat", response_model=None, responses=_told())
async def chat(
    call: Call, body: ChatRequest, accept: Annotated[str | None, Header(include_in_schema=False)] = None
) -> Response:
    """Answer a message from memory, and remember what it told.

    As one JSON answer; or, with `"stream": true` or `Accept: text/event-stream`, as events: session, privacy, memories,
    token…, done, memory_written. A stream that breaks ends its turn, unless `"resumable": true` was sent.
    """
    if body.stream or MEDIA_TYPE in (accept or ""):
        no_key(call)
        return _streamed(call, body)
    options: TurnOptions = {**_options(body), "turn_key": call.effect}
    reply = await call.while_connected(call.services.chat.send(body.message, user_id=call.owner, **options))
    return client_gone() if reply is None else answer(reply, may_be_kept=keeps(reply.mode))


@routes.get(
    "/v1/chat/turns/{turn_id}",
    response_model=None,
    responses={**told(None, 404), 200: {"description": "The events", "content": _STREAM}},
)
async def follow_turn(
    call: Call,
    turn_id: str,
    last_event_id: Annotated[str | None, Header(description="Go on behind this event.")] = None,
) -> Response:
    """Follow a streamed turn that runs or has ended a short while ago, from its first event or behind `Last-Event-ID`.

    Off-the-record turns can be followed only while they run.
    """
    services = call.services
    turn = services.turns.find(turn_id, call.owner)
    if turn is None:
        raise Refused(404, "not_found", "no such turn here: it may have ended a while ago; read the session's messages")
    after = resume_position(last_event_id, turn_id)
    if after is None:
        raise Refused(400, "invalid_event_id", "Last-Event-ID is not of this turn; send an id of its events, or none")
    return EventStream(turn, services, after=after)


def no_key(call: Call) -> None:
    """Raises Refused for a stream with a key: nobody could read it again under that."""
    if call.effect is not None:
        told = 'Idempotency-Key: a stream has none; send "resumable": true, and take it up by its Last-Event-ID'
        raise Refused(422, "invalid_input", told)


def _streamed(call: Call, body: ChatRequest) -> Response:
    services = call.services
    turn = services.turns.start(
        TurnRequest(
            owner=call.owner,
            events=services.chat.stream(body.message, user_id=call.owner, **_options(body)),
            encode=events_encoded,
            resumable=body.resumable,
        )
    )
    return EventStream(turn, services)


def _options(body: ChatRequest) -> TurnOptions:
    return {
        "session_id": body.session_id,
        "mode": body.mode,
        "project": body.project,
        "reference_time": body.reference_time,
    }
