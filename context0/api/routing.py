"""How routes are made here: requests as `Call`s, plain JSON only, no unknown parameter, the failures in the docs."""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

from fastapi import APIRouter
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from context0.api.errors import Refused
from context0.api.services import Call
from context0.api.sse import MEDIA_TYPE
from context0.wire.completions import OpenAIError
from context0.wire.service import ErrorReply

Responses = dict[int | str, dict[str, Any]]

FAILURES: Final[Mapping[int, str]] = {
    400: "Not plain JSON, a wrong cursor, or a credential in the address",
    401: "No credential, or one that opens nothing",
    408: "The request took too long to arrive",
    413: "The request is too large",
    415: "The body is no application/json",
    422: "A value is off; the message says which, and what to do",
    429: "Too many requests; wait as Retry-After says",
    500: "The service failed",
    503: "Overloaded, stopping, or a store cannot be reached; wait as Retry-After says",
    504: "A store or the model did not answer in time",
}

ANYWHERE: Final = (400, 401, 408, 413, 415, 429, 503)
"""What stands before the routes refuses with these."""


class JsonRoute(APIRoute):
    """Hands a `Call` to its function, and refuses parameters in the address that the route does not know."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        known = frozenset(field.alias for field in self.dependant.query_params)

        async def handle_call(request: Request) -> Response:
            if request.scope["query_string"]:
                unknown = sorted(request.query_params.keys() - known)
                if unknown:
                    told = ", ".join(sorted(known)) or "none"
                    raise Refused(422, "invalid_input", f"{unknown[0][:80]}: unknown; known parameters are {told}")
            return await handle(Call(request.scope, request.receive))

        return handle_call


def streamed(*types: str) -> dict[str, Any]:
    """Return how a stream of events is described: the schema is of one event; `types` are those of its data."""
    event: dict[str, Any] = {
        "type": "object",
        "required": ["data"],
        "properties": {
            "id": {"type": "string", "description": "What Last-Event-ID names: turn:number."},
            "event": {"type": "string"},
            "data": {"type": "string", "description": "JSON, whose `type` is the event's."},
            "retry": {"type": "integer", "description": "Milliseconds to wait before connecting again."},
        },
    }
    if types:
        event["properties"]["event"]["enum"] = list(types)
    return {MEDIA_TYPE: {"schema": event}}


def router(*tags: str) -> APIRouter:
    return APIRouter(route_class=JsonRoute, tags=list(tags))


def told(model: type[BaseModel] | None, *more: int, status: int = 200, openai: bool = False) -> Responses:
    """Return what a route answers with, for the docs: its model, and its failures; `more` are 404, 409."""
    failure = {"model": OpenAIError if openai else ErrorReply}
    extra = {404: "Unknown, or another user's", 409: "Somebody else was first; read, and try again"}
    answers: Responses = {code: {**failure, "description": text} for code, text in FAILURES.items()}
    answers |= {code: {**failure, "description": extra[code]} for code in more}
    answers[status] = {"description": "Done"} if model is None else {"model": model, "description": "Done"}
    return answers
