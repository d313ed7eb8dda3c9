"""The routes about conversations: sessions, messages, decisions, the mode of privacy."""

from typing import Annotated, Final

from fastapi import Query
from starlette.responses import Response

from context0.api.encoding import answer, listed
from context0.api.routing import router, told
from context0.api.services import Call
from context0.wire import ChatDecision
from context0.wire.sessions import (
    ChangeSession,
    Decide,
    DecisionList,
    MessageList,
    ModeRecord,
    ModeRequest,
    SessionList,
    SessionRecord,
)

routes: Final = router("conversations")
Limit = Annotated[int, Query(ge=1, le=1_000)]
Cursor = Annotated[str | None, Query(max_length=2_048)]


@routes.get("/v1/sessions", response_model=None, responses=told(SessionList))
async def list_sessions(call: Call, limit: Limit = 20, cursor: Cursor = None) -> Response:
    """Show conversations page by page, the latest first."""
    page = await call.services.chat.sessions(user_id=call.owner, limit=limit, cursor=cursor)
    return listed(page.items, page.next_cursor)


@routes.get("/v1/sessions/{session_id}", response_model=None, responses=told(SessionRecord, 404))
async def get_session(call: Call, session_id: str) -> Response:
    """Show one conversation, with its summary."""
    return answer(await call.services.chat.session(session_id, user_id=call.owner))


@routes.patch("/v1/sessions/{session_id}", response_model=None, responses=told(SessionRecord, 404))
async def change_session(call: Call, session_id: str, body: ChangeSession) -> Response:
    """Give a conversation another title."""
    return answer(await call.services.chat.rename(session_id, user_id=call.owner, title=body.title))


@routes.delete("/v1/sessions/{session_id}", status_code=204, response_model=None, responses=told(None, 404, status=204))
async def delete_session(call: Call, session_id: str) -> Response:
    """Erase a conversation with its messages; memories stay."""
    call.services.threads.forget(call.owner, session_id)
    await call.services.chat.delete_session(session_id, user_id=call.owner)
    return Response(status_code=204)


@routes.get("/v1/sessions/{session_id}/messages", response_model=None, responses=told(MessageList, 404))
async def list_messages(call: Call, session_id: str, limit: Limit = 50, cursor: Cursor = None) -> Response:
    """Show messages, ascending, the newest page first; the cursor leads to older ones."""
    page = await call.services.chat.messages(session_id, user_id=call.owner, limit=limit, cursor=cursor)
    return listed(page.items, page.next_cursor)


@routes.get("/v1/decisions", response_model=None, responses=told(DecisionList))
async def list_decisions(
    call: Call,
    *,
    limit: Limit = 20,
    cursor: Cursor = None,
    pending: Annotated[bool, Query(description="Only those that wait for the user.")] = True,
) -> Response:
    """Show contradictions between memories, newest first."""
    page = await call.services.chat.decisions(user_id=call.owner, limit=limit, cursor=cursor, pending=pending)
    return listed(page.items, page.next_cursor)


@routes.post("/v1/decisions/{decision_id}", response_model=None, responses=told(ChatDecision, 404, 409))
async def decide(call: Call, decision_id: str, body: Decide) -> Response:
    """Settle a contradiction."""
    return answer(await call.services.chat.decide(decision_id, body.ruling, user_id=call.owner))


@routes.get("/v1/mode", response_model=None, responses=told(ModeRecord, 404))
async def get_mode(
    call: Call, session_id: Annotated[str | None, Query(min_length=1, max_length=256)] = None
) -> Response:
    """Show the mode of privacy that holds for the next turn."""
    return await _mode(call, session_id)


@routes.put("/v1/mode", response_model=None, responses=told(ModeRecord, 404))
async def set_mode(call: Call, body: ModeRequest) -> Response:
    """Set the mode of privacy of a session, or of all that the user says."""
    await call.services.chat.set_mode(body.mode, user_id=call.owner, session_id=body.session_id)
    return await _mode(call, body.session_id)


async def _mode(call: Call, session_id: str | None) -> Response:
    mode = await call.services.chat.mode(user_id=call.owner, session_id=session_id)
    return answer({"mode": mode, "session_id": session_id})
