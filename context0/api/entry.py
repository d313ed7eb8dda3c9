"""The way in: what every request passes before its route, in order, and what becomes of it when it fails.

One function in place of a middleware for each check: six of them took 60 us a request, and a step of each for every
message of a stream.
"""

import logging
from dataclasses import dataclass
from functools import partial

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from context0.api.audit import AuditEvent, AuditTrail
from context0.api.auth import Gate
from context0.api.body import BodyReader
from context0.api.encoding import Answer
from context0.api.envelope import TOKEN_HEADER, Envelope, Observe, OpenStreams
from context0.api.errors import INTERNAL, failure_of, invalid
from context0.api.fairness import FairGate
from context0.api.finding import Routes
from context0.api.limits import Admission, OwnerLimits
from context0.api.repeats import Repeats, key_of
from context0.api.routing import JsonRoute
from context0.api.services import Call
from context0.errors import Context0Error
from context0.memory.core import EngineCore
from stores.errors import StoreError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checks:
    """What stands before the routes, in this order."""

    admission: Admission
    gate: Gate
    owners: OwnerLimits
    fair: FairGate
    bodies: BodyReader
    engine: EngineCore
    repeats: Repeats


class Entry:
    """Goes around the whole application. observe: is told of each request when it has ended; must not block.

    fallback: answers what `routes` do not find.
    """

    def __init__(self, checks: Checks, routes: Routes, fallback: ASGIApp, *, observe: Observe) -> None:
        self._checks = checks
        self._routes = routes
        self._fallback = fallback
        self._observe = observe
        self.streams = OpenStreams()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._fallback(scope, receive, send)
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)
        else:  # no WebSockets here
            await send({"type": "websocket.close", "code": 1008})

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        envelope = Envelope(scope, send, self.streams)
        scope.setdefault("state", {})["request_id"] = envelope.request_id
        try:
            await self._admitted(scope, receive, envelope)
        except (HTTPException, Context0Error, StoreError, RequestValidationError) as refused:
            if envelope.first_byte_s is not None:
                raise
            told = invalid(refused.errors()) if isinstance(refused, RequestValidationError) else failure_of(refused)
            await envelope.send_failure(told)
        except Exception:
            log.exception("api.request_failed", extra={"request_id": envelope.request_id})
            if envelope.first_byte_s is not None:
                raise  # the server breaks the connection: a cut answer must not look like a whole one
            await envelope.send_failure(INTERNAL)
        finally:
            envelope.close()
            self._observe(envelope.outcome())

    async def _admitted(self, scope: Scope, receive: Receive, envelope: Envelope) -> None:
        checks, owner = self._checks, None
        counts = checks.admission.enter(scope["path"])
        try:
            caller = await checks.gate.caller_of(scope)
            if caller is not None:
                scope["state"]["caller"] = caller
                checks.owners.enter(caller.owner)
                owner = caller.owner
                envelope.token = partial(checks.engine.consistency_token, user_id=owner)
            await self._routed(scope, receive, envelope)
        finally:
            if owner is not None:
                checks.owners.leave(owner)
            if counts:
                checks.admission.leave()

    async def _routed(self, scope: Scope, receive: Receive, envelope: Envelope) -> None:
        route = self._routes.find(scope)
        if route is None and (methods := self._routes.methods_of(scope["path"])):
            raise HTTPException(405, headers={"allow": ", ".join(sorted(methods))})
        takes_lines = route is not None and route.takes_lines
        body = None if takes_lines else await self._checks.bodies.read(scope, receive)
        if route is None:
            await self._fallback(scope, receive if body is None else _replayed(body, receive), envelope.send)
            return
        call = Call(scope, receive, body or b"")
        if "caller" not in scope["state"]:
            await self._answered(route, call, envelope)
            return
        place = await self._checks.fair.enter(call.owner)
        try:
            if route.reads:
                await self._caught_up(scope)
            await self._answered(route, call, envelope)
        finally:
            place.leave()

    async def _answered(self, route: JsonRoute, call: Call, envelope: Envelope) -> None:
        if route.is_changing and key_of(call.scope["headers"]) is not None:
            response = await self._checks.repeats.answer(call, route)
        else:
            response = await route.answer(call)
        if (trail := call.services.audit) is not None and "caller" in call.scope["state"]:
            await _noted(trail, call, route, response)
        if isinstance(response, Answer):
            await envelope.send_whole(response)
        else:
            await response(call.scope, call.receive, envelope.send)

    async def _caught_up(self, scope: Scope) -> None:
        """See to it that what is read now is as new as the request asks for. Raises InvalidConsistencyToken."""
        for name, value in scope["headers"]:
            if name == TOKEN_HEADER:
                await self._checks.engine.catch_up(value.decode("latin-1"), user_id=scope["state"]["caller"].owner)


async def _noted(trail: AuditTrail, call: Call, route: JsonRoute, response: Response) -> None:
    """Note what was done, before it is acknowledged; reading may be noted a moment later. Raises StoreError."""
    is_read = call.method == "GET" or route.path == "/v1/memories/search"
    if is_read and trail.level == "writes":
        return
    made = response.headers.get("location", "").rpartition("/")[2]
    event = AuditEvent(
        owner=call.owner,
        at=call.services.engine.clock.now(),
        actor=call.scope["state"]["caller"].credential,
        action=f"{call.method} {route.path}",
        targets=[str(value)[:64] for value in call.path_params.values()] + ([made] if made else []),
        outcome=str(response.status_code),
        request_id=call.scope["state"]["request_id"],
    )
    await (trail.read(event) if is_read else trail.write(event))


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Return what hands out a body that was read already, and then goes on as before."""
    told = iter((body,))

    async def replay() -> Message:
        for whole in told:
            return {"type": "http.request", "body": whole, "more_body": False}
        return await receive()

    return replay
