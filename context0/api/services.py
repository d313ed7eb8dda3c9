"""What the routes work with, and a request as they see it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope

from context0.api.audit import AuditTrail
from context0.api.auth import Authenticator
from context0.api.body import BodyLimits
from context0.api.caller import Caller
from context0.api.encoding import EncodedMemories
from context0.api.envelope import Observe, RequestOutcome
from context0.api.limits import RequestLimits
from context0.api.sse import StreamTimes
from context0.api.threads import Threads
from context0.api.turns import Turns
from context0.chat.service import ChatService
from context0.memory.engine import MemoryEngine

T = TypeVar("T")

_CLIENT_GONE: Final = 499


def nobody(_: RequestOutcome) -> None:
    """For a service that nobody measures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The parts of the service, opened and closed by who made them. model: the name that OpenAI's clients see.

    observe: is told of each request when it has ended. loop_lag_ms: how late the event loop is, all the time.
    replies_s: how long replies to requests with a key are kept.
    audit: notes what was done; None: nobody does.
    """

    engine: MemoryEngine
    chat: ChatService
    authenticator: Authenticator
    turns: Turns
    model: str = "context0"
    encoded: EncodedMemories = field(default_factory=EncodedMemories)
    threads: Threads = field(default_factory=Threads)
    requests: RequestLimits = field(default_factory=RequestLimits)
    bodies: BodyLimits = field(default_factory=BodyLimits)
    times: StreamTimes = field(default_factory=StreamTimes)
    observe: Observe = nobody
    loop_lag_ms: Callable[[], float] = lambda: 0.0
    replies_s: float = 86_400.0
    audit: AuditTrail | None = None


class Call(Request):
    """A request whose owner is known. content: its body, read and within the limits.

    effect: the name of what it does, where the client gave it a key: the same again must have no other effect.
    """

    def __init__(self, scope: Scope, receive: Receive, content: bytes, *, effect: str | None = None) -> None:
        super().__init__(scope, receive)
        self.content = content
        self.effect = effect

    @property
    def owner(self) -> str:
        """Whose memory this is about: from the credential, and from nothing else."""
        return self.caller.owner

    @property
    def caller(self) -> Caller:
        caller: Caller = self.scope["state"]["caller"]
        return caller

    @property
    def services(self) -> Services:
        services: Services = self.app.state.services
        return services

    async def while_connected(self, work: Awaitable[T]) -> T | None:
        """Await `work`; when the client goes away it is cancelled, and this returns None."""
        running = asyncio.ensure_future(work)
        watch = asyncio.create_task(self._gone(), name="context0-disconnect")
        try:
            await asyncio.wait((running, watch), return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                return await running
            return None
        finally:
            watch.cancel()
            running.cancel()
            await asyncio.wait((running, watch))

    async def _gone(self) -> None:
        while (await self.receive())["type"] != "http.disconnect":
            pass


def client_gone() -> Response:
    """What is answered where nobody is left to hear it."""
    return Response(status_code=_CLIENT_GONE)
