"""The application: routes, what stands before them, and what it says of itself (OpenAPI). It opens nothing."""

from collections.abc import Sequence
from typing import Any, Final

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from context0 import __version__
from context0.api.auth import Gate
from context0.api.body import LINES, BodyReader
from context0.api.encoding import answer
from context0.api.entry import Checks, Entry
from context0.api.fairness import FairGate
from context0.api.finding import Routes
from context0.api.limits import Admission, OwnerLimits
from context0.api.repeats import LONGEST_KEY, REPLAYED, Repeats
from context0.api.routes import ROUTERS
from context0.api.routes.health import PUBLIC
from context0.api.routing import ANYWHERE, FAILURES, is_keyed
from context0.api.services import Services
from context0.observability.metrics import OPEN_STREAMS
from stores.blocking import in_thread

_ABOUT: Final = (
    "A memory that any assistant can have. Send an API key or a token as `Authorization: Bearer …` or `X-API-Key: …`;"
    " whose memory a request is about, the credential says. Every failure is"
    ' `{"error": {"code", "message", "request_id"}}`.'
)
_SCHEMES: Final = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key (c0_…) or a token (JWT)."},
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "An API key."},
}
_KEY: Final[dict[str, Any]] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST_KEY, "pattern": "^[!-~]+$"},
    "description": "The same request again under the same key has no second effect, and gets the same reply, with the"
    f" header `{REPLAYED}: true`; 409 while it is under way, 422 for another request.",
}
_DOCS: Final = "/openapi.json"
_LINKS: Final = (
    ("/v1/memories", "201", "memory_id", "$response.body#/id"),
    ("/v1/chat", "200", "session_id", "$response.body#/session_id"),
)
"""What a POST makes, and the path parameter that takes its id."""


class ServiceApp(FastAPI):
    """FastAPI with our description: every route needs a credential that is not public."""

    def __init__(self, *, public: frozenset[str], **options: Any) -> None:
        super().__init__(**options)
        self._public = public

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Without FastAPI's telemetry, which costs 10 us a request: `observe` is told of each."""
        if self.middleware_stack is None or scope["type"] == "lifespan":
            await super().__call__(scope, receive, send)
        else:
            scope["app"] = self
            await self.middleware_stack(scope, receive, send)

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            schema = super().openapi()
            schema.setdefault("components", {})["securitySchemes"] = _SCHEMES
            schema["security"] = [{name: []} for name in _SCHEMES]
            for path, operations in schema["paths"].items():
                for method, operation in operations.items():
                    if path in self._public:
                        operation["security"] = []
                    elif is_keyed(path, (method.upper(),), takes_lines=LINES in str(operation.get("requestBody"))):
                        _take_key(operation)
                    _tell_failures(operation["responses"])
            _link(schema["paths"])
            self.openapi_schema = schema
        return self.openapi_schema


def create_app(
    services: Services, *, routers: Sequence[APIRouter] = (), public: frozenset[str] = frozenset()
) -> ServiceApp:
    """Return the application over services that are open. routers: more routes; public: paths of them without a key."""
    open_to_all = PUBLIC | {_DOCS} | public
    app = ServiceApp(
        public=open_to_all,
        title="Context0",
        version=__version__,
        description=_ABOUT,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        generate_unique_id_function=_operation_id,
    )
    app.add_route(_DOCS, _described, include_in_schema=False)
    app.state.services = services
    for routes in (*ROUTERS, *routers):
        app.router.routes.extend(routes.routes)  # an included router is searched as one of its own: 40 us a request
    checks = Checks(
        admission=Admission(
            services.requests,
            always=open_to_all,
            stopping=lambda: services.turns.stopping,
            lag_ms=services.loop_lag_ms,
        ),
        fair=FairGate(services.requests),
        gate=Gate(services.authenticator, public=open_to_all),
        owners=OwnerLimits(services.requests),
        bodies=BodyReader(services.bodies),
        engine=services.engine,
        repeats=Repeats(services.engine, kept_s=services.replies_s),
    )
    entry = Entry(checks, Routes(app.router.routes), app.router, observe=services.observe)
    services.engine.recorder.watch_gauge(OPEN_STREAMS, lambda: entry.streams.count)
    app.middleware_stack = entry
    return app


async def _described(request: Request) -> Response:
    """Tell of the routes; made when first asked for, which takes 100 ms."""
    return answer(await in_thread(request.app.openapi))


def _tell_failures(responses: dict[str, Any]) -> None:
    """Add what any request may be refused with; in place of FastAPI's own words for what does not fit."""
    failure = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorReply"}}}}
    responses["422"] = responses.get("422", {})
    if "ValidationError" in str(responses["422"].get("content", "ValidationError")):
        responses["422"] = {**failure, "description": FAILURES[422]}
    for status in ANYWHERE:
        responses.setdefault(str(status), {**failure, "description": FAILURES[status]})


def _link(paths: dict[str, Any]) -> None:
    """Say which routes go on with what another one made."""
    for made_by, status, name, where in _LINKS:
        paths[made_by]["post"]["responses"][status]["links"] = {
            operation["operationId"]: {"operationId": operation["operationId"], "parameters": {name: where}}
            for path, operations in paths.items()
            if f"{{{name}}}" in path
            for operation in operations.values()
        }


def _take_key(operation: dict[str, Any]) -> None:
    """Add the header that makes a request safe to repeat, and what it may be refused with."""
    others = [one for one in operation.get("parameters", ()) if one["name"].lower() != _KEY["name"].lower()]
    operation["parameters"] = [*others, _KEY]
    failure = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorReply"}}}}
    operation["responses"].setdefault("409", {**failure, "description": "The same request is under way"})


def _operation_id(route: APIRoute) -> str:
    return route.name
