"""The routes that speak OpenAI's API: an existing client gains memory by another base_url."""

import time
from dataclasses import replace
from functools import partial
from typing import Annotated, Final

from fastapi import Header
from starlette.responses import Response

from context0.api.encoding import answer
from context0.api.openai_compat import Asked, CompletionEncoder, StreamedCompletion, asked, completion, ends
from context0.api.routes.chat import no_key
from context0.api.routing import router, streamed, told
from context0.api.services import Call, client_gone
from context0.api.sse import EventStream
from context0.api.turns import TurnRequest
from context0.chat.service import TurnOptions
from context0.privacy.modes import keeps
from context0.wire.chat import Reply
from context0.wire.completions import Completion, CompletionRequest, Model, ModelList

routes: Final = router("openai")
_SINCE: Final = 1_767_225_600
"""When models of the service were "created", as OpenAI's list wants it: 2026-01-01."""


def _told() -> dict[int | str, dict[str, object]]:
    answers = told(Completion, 404, openai=True)
    answers[200] = {**answers[200], "content": streamed()}
    return answers


@routes.post("/v1/chat/completions", response_model=None, responses=_told())
async def create_completion(
    call: Call,
    body: CompletionRequest,
    x_context0_session: Annotated[
        str | None, Header(min_length=1, max_length=256, description="Go on with this session of the memory.")
    ] = None,
) -> Response:
    """Answer a conversation as OpenAI's API does, from memory. Whose memory, the credential says; never `user`."""
    turn = asked(body, x_context0_session)
    if turn.session_id is None:
        turn = replace(turn, session_id=call.services.threads.take(call.owner, turn.earlier))
    if body.stream:
        no_key(call)
        return _streamed(call, body, turn)
    options: TurnOptions = {**_options(turn), "turn_key": call.effect}
    reply = await call.while_connected(call.services.chat.send(turn.message, user_id=call.owner, **options))
    if reply is None:
        return client_gone()
    _remember(call, turn, reply)
    whole = completion(reply, int(time.time()))
    return answer(whole, headers=_named(reply.session_id), may_be_kept=keeps(reply.mode))


@routes.get("/v1/models", response_model=None, responses=told(ModelList, openai=True))
async def list_models(call: Call) -> Response:
    """Show the names of the models. Any name may be asked for; the service's own model answers."""
    return answer(ModelList(data=tuple(Model(id=name, created=_SINCE) for name in _models(call))))


def _models(call: Call) -> list[str]:
    return list(dict.fromkeys((call.services.model, "context0")))


def _streamed(call: Call, body: CompletionRequest, turn: Asked) -> Response:
    services, request_id = call.services, call.state.request_id
    options = body.stream_options
    common = StreamedCompletion(
        model=services.model,
        created=int(time.time()),
        request_id=request_id,
        include_usage=options is not None and options.include_usage,
        on_done=partial(_remember, call, turn),
    )
    running = services.turns.start(
        TurnRequest(
            owner=call.owner,
            events=services.chat.stream(turn.message, user_id=call.owner, **_options(turn)),
            encode=lambda: CompletionEncoder(common).encode,
            shared=False,
        )
    )
    return EventStream(
        running,
        services,
        ends=ends(request_id),
        named=lambda session: _named(None if session is None else session.session_id),
    )


def _named(session_id: str | None) -> dict[str, str]:
    """Return the header that names the session to go on with, where it can stand in a header."""
    return {"x-context0-session": session_id} if session_id is not None and session_id.isascii() else {}


def _options(turn: Asked) -> TurnOptions:
    return {"session_id": turn.session_id, "earlier": turn.earlier}


def _remember(call: Call, turn: Asked, reply: Reply) -> None:
    """Let the next request that repeats this conversation go on with its session."""
    if reply.session_id is not None and reply.state == "complete":
        said = (*turn.earlier, ("user", turn.message), ("assistant", reply.text))
        call.services.threads.put(call.owner, said, reply.session_id)
