"""The requests about conversations, and how their answers are read. No I/O."""

from typing import Final

from context0.sdk.answers import nothing, reading
from context0.sdk.options import TurnOptions
from context0.sdk.paging import Listed, PageOf
from context0.sdk.requests import Call, Request, json_of, query_of, segment
from context0.wire.chat import ChatDecision, ChatReply, Mode, Ruling
from context0.wire.sessions import (
    DecisionList,
    MessageList,
    MessageRecord,
    ModeRecord,
    SessionList,
    SessionRecord,
)

_CHAT: Final = "/v1/chat"
_SESSIONS: Final = "/v1/sessions"
_DECISIONS: Final = "/v1/decisions"
_MODE: Final = "/v1/mode"
_STREAM: Final = "text/event-stream"
_PAGE: Final = 100


def send(message: str, options: TurnOptions) -> Call[ChatReply]:
    """Sent again only if it never left: a turn costs a call of the model, and is kept."""
    body = json_of({"message": message, **_given(options)})
    return Call(request=Request(method="POST", path=_CHAT, body=body, repeat="unsent"), read=reading(ChatReply))


def stream(message: str, options: TurnOptions, *, resumable: bool) -> Request:
    body = json_of({"message": message, **_given(options), "stream": True, "resumable": resumable})
    return Request(method="POST", path=_CHAT, body=body, headers={"accept": _STREAM}, repeat="unsent")


def follow(turn_id: str, last_event_id: str | None) -> Request:
    """Go on with a turn behind an event; None is from its first."""
    headers = {"accept": _STREAM} | ({} if last_event_id is None else {"last-event-id": last_event_id})
    return Request(method="GET", path=f"{_CHAT}/turns/{segment('turn_id', turn_id)}", headers=headers, hunts=True)


def sessions(limit: int, cursor: str | None) -> Call[SessionList]:
    query = query_of(limit=limit, cursor=cursor)
    return Call(request=Request(method="GET", path=_SESSIONS, query=query), read=reading(SessionList))


def all_sessions(cursor: str | None) -> Call[Listed[SessionRecord]]:
    call = sessions(_PAGE, cursor)
    return Call(request=call.request, read=call.read)


def session(session_id: str) -> Call[SessionRecord]:
    return Call(request=Request(method="GET", path=_session(session_id)), read=reading(SessionRecord))


def rename(session_id: str, title: str) -> Call[SessionRecord]:
    request = Request(method="PATCH", path=_session(session_id), body=json_of({"title": title}))
    return Call(request=request, read=reading(SessionRecord))


def delete_session(session_id: str) -> Call[None]:
    return Call(request=Request(method="DELETE", path=_session(session_id)), read=nothing)


def messages(session_id: str, limit: int, cursor: str | None) -> Call[MessageList]:
    request = Request(method="GET", path=f"{_session(session_id)}/messages", query=query_of(limit=limit, cursor=cursor))
    return Call(request=request, read=reading(MessageList))


def all_messages(session_id: str) -> PageOf[MessageRecord]:
    """Return what makes the request for each page of a session's messages: the newest first, throughout."""

    def page_of(cursor: str | None) -> Call[Listed[MessageRecord]]:
        call = messages(session_id, _PAGE, cursor)
        return Call(request=call.request, read=lambda answer: _newest_first(call.read(answer)))

    return page_of


def decisions(limit: int, cursor: str | None, *, pending: bool) -> Call[DecisionList]:
    query = query_of(limit=limit, cursor=cursor, pending=pending)
    return Call(request=Request(method="GET", path=_DECISIONS, query=query), read=reading(DecisionList))


def all_decisions(*, pending: bool) -> PageOf[ChatDecision]:
    """Return what makes the request for each page of the contradictions."""

    def page_of(cursor: str | None) -> Call[Listed[ChatDecision]]:
        call = decisions(_PAGE, cursor, pending=pending)
        return Call(request=call.request, read=call.read)

    return page_of


def decide(decision_id: str, ruling: Ruling) -> Call[ChatDecision]:
    """Not repeated without an answer: the second time it would be settled already."""
    path = f"{_DECISIONS}/{segment('decision_id', decision_id)}"
    request = Request(method="POST", path=path, body=json_of({"ruling": ruling}), repeat="refused")
    return Call(request=request, read=reading(ChatDecision))


def get_mode(session_id: str | None) -> Call[ModeRecord]:
    request = Request(method="GET", path=_MODE, query=query_of(session_id=session_id))
    return Call(request=request, read=reading(ModeRecord))


def set_mode(mode: Mode | None, session_id: str | None) -> Call[ModeRecord]:
    body = json_of({"mode": mode, "session_id": session_id})
    return Call(request=Request(method="PUT", path=_MODE, body=body), read=reading(ModeRecord))


def _session(session_id: str) -> str:
    return f"{_SESSIONS}/{segment('session_id', session_id)}"


def _given(options: TurnOptions) -> dict[str, object]:
    return {name: value for name, value in options.items() if value is not None}


def _newest_first(page: MessageList) -> MessageList:
    return page.model_copy(update={"items": page.items[::-1]})
