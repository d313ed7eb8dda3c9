"""How routes are made here: requests as `Call`s, plain JSON only, no unknown parameter, the failures in the docs."""

from collections.abc import Callable, Coroutine, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

from fastapi import APIRouter
from fastapi.dependencies.utils import request_params_to_args
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from context0.api.body import LINES, decode
from context0.api.errors import Refused
from context0.api.services import Call
from context0.api.sse import MEDIA_TYPE
from context0.wire.completions import OpenAIError
from context0.wire.service import ErrorReply
from stores.blocking import in_thread_if

if TYPE_CHECKING:
    from fastapi._compat import ModelField

Responses = dict[int | str, dict[str, Any]]

_READING: Final = frozenset({"/v1/memories/search", "/v1/chat", "/v1/chat/completions"})
FAILURES: Final[Mapping[int, str]] = {
    400: "Not plain JSON, a wrong cursor, or a credential in the address",
    401: "No credential, or one that opens nothing",
    408: "The request took too long to arrive",
    413: "The request is too large",
    415: "The body is no application/json",
    422: "A value is off; the message says which, and what to do",
    429: "Too many requests; wait as Retry-After says",
    431: "The head of the request is too large",
    500: "The service failed",
    503: "Overloaded, stopping, or a store cannot be reached; wait as Retry-After says",
    504: "A store or the model did not answer in time",
}

_INLINE_BYTES: Final = 65_536
"""Up to so many are read, and compared with what a route takes, in about a millisecond."""
_CHANGING: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_UNCHANGING: Final = frozenset({"/v1/memories/search"})
"""Paths of routes that take a body and change nothing."""

ANYWHERE: Final = (400, 401, 408, 413, 415, 429, 431, 503)
"""What stands before the routes refuses with these."""


def is_keyed(path: str, methods: Iterable[str], *, takes_lines: bool) -> bool:
    """Say whether requests may have an Idempotency-Key. Lines need none: each is there once, however often it comes."""
    return not takes_lines and path not in _UNCHANGING and not _CHANGING.isdisjoint(methods)


class JsonRoute(APIRoute):
    """Hands a `Call` to its function, with the parameters and the JSON that it takes; unknown parameters are refused.

    FastAPI reads the signature and describes it. What it does for each request (stacks for dependencies, which there
    are none of here) takes 60 us more than this, with the same outcome.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        one_body = len(self.dependant.body_params) <= 1
        if self.dependant.dependencies or not one_body or self.dependant.request_param_name != "call":
            raise ValueError(f"{path}: a route takes its call first, parameters, and one body at most")
        places = {
            "path_params": self.dependant.path_params,
            "query_params": self.dependant.query_params,
            "headers": self.dependant.header_params,
        }
        self._parameters = [(fields, of) for of, fields in places.items() if fields]
        self.header_names = frozenset(field.alias.encode() for field in self.dependant.header_params)
        """The headers that its function takes, and that so are a part of what is asked."""
        self.takes_lines = LINES in str(self.openapi_extra)
        """Whether its function reads the body by itself, as it arrives."""
        self.is_changing = is_keyed(path, self.methods or (), takes_lines=self.takes_lines)
        self.reads = path in _READING or "GET" in (self.methods or ())
        """Whether its function reads memories, which then are as new as the request asks for."""
        self._query = frozenset(field.alias for field in self.dependant.query_params)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers where FastAPI's own router has found this."""

        async def handle(request: Request) -> Response:
            return await self.answer(Call(request.scope, request.receive, await request.body()))

        return handle

    async def answer(self, call: Call) -> Response:
        """Answer a call. Raises Refused, RequestValidationError, and what the function raises."""
        values: dict[str, Any] = {}
        errors: list[Any] = []
        if call.scope["query_string"]:
            self._refuse_unknown(call)
        for fields, of in self._parameters:
            read, faults = request_params_to_args(fields, getattr(call, of))
            values |= read
            errors += faults
        for field in self.dependant.body_params:
            reading = partial(_body, field, call.content)
            values[field.name], faults = await in_thread_if(len(call.content) > _INLINE_BYTES, reading)
            errors += faults
        if errors:
            raise RequestValidationError(errors)
        return cast("Response", await self.endpoint(call, **values))

    def _refuse_unknown(self, call: Call) -> None:
        unknown = sorted(call.query_params.keys() - self._query)
        if unknown:
            told = ", ".join(sorted(self._query)) or "none"
            raise Refused(422, "invalid_input", f"{unknown[0][:80]}: unknown; known parameters are {told}")


def _body(field: "ModelField", content: bytes) -> tuple[Any, list[Any]]:
    """Return what was sent as the model of the route, and the faults in it. Raises Refused for what is no JSON."""
    if not content:
        return None, [{"type": "missing", "loc": ("body",), "msg": "Field required", "input": None}]
    told: tuple[Any, list[Any]] = field.validate(decode(content), {}, loc=("body",))
    return told


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
    """Return what a route answers with, for the docs: its model, and its failures; `more` are 403, 404, 409."""
    failure = {"model": OpenAIError if openai else ErrorReply}
    extra = {
        403: "The credential is no operator's",
        404: "Unknown, or another user's",
        409: "Somebody else was first; read, and try again",
    }
    answers: Responses = {code: {**failure, "description": text} for code, text in FAILURES.items()}
    answers |= {code: {**failure, "description": extra[code]} for code in more}
    answers[status] = {"description": "Done"} if model is None else {"model": model, "description": "Done"}
    return answers
