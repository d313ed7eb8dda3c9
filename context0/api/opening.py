"""From settings to a service that runs: who may use it, its parts opened and closed in order, within the grace."""

import asyncio
import contextlib
import ipaddress
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from fastapi import APIRouter

from context0.api.app import create_app
from context0.api.audit import AuditTrail
from context0.api.auth import Authenticator, Credentials, LocalDeveloper
from context0.api.body import BodyLimits
from context0.api.collector import seldom_collected
from context0.api.envelope import Observe
from context0.api.keys import KeyRing
from context0.api.limits import RequestLimits
from context0.api.server import ServerTimes, address_of, listening, server_for
from context0.api.services import Services, nobody
from context0.api.sse import StreamTimes
from context0.api.tokens import TokenRules, Tokens
from context0.api.turns import Turns
from context0.chat.service import ChatService
from context0.errors import ConfigurationError
from context0.memory.engine import MemoryEngine
from context0.observability.loop_lag import LoopLagMonitor
from context0.observability.recorder import SILENT
from context0.settings import Settings
from stores.key_protocol import KeyStore

log = logging.getLogger(__name__)

_PAGE: Final = 1_000
_LAST_S: Final = 0.5
_DRAIN_SHARE: Final = 0.5
"""Of the grace: for requests that run; the rest is for what was written in the background, and for the stores."""


def check_dev(host: str) -> None:
    """Raises ConfigurationError for an address that others can reach: --dev asks for no credential."""
    try:
        is_local = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_local = False
    if not is_local:
        raise ConfigurationError(
            f"--dev serves everybody without a key, so only on 127.0.0.1, not on {host}; leave out --dev, or --host"
        )


async def authenticator_for(settings: Settings, keys: KeyStore, *, dev: bool) -> Authenticator:
    """Return who checks credentials. Raises ConfigurationError when nobody could use the service."""
    if dev:
        check_dev(settings.host)
        return LocalDeveloper()
    rules = TokenRules(
        secret=settings.jwt_secret.get_secret_value(),
        jwks_url=settings.jwt_jwks_url,
        issuer=settings.jwt_issuer or None,
        audience=settings.jwt_audience or None,
        leeway_s=settings.jwt_leeway_s,
    )
    has_tokens = bool(rules.secret or rules.jwks_url)
    if not has_tokens and not await _has_key(keys):
        raise ConfigurationError(
            "nobody could use this service: make an API key with `context0 keys create --user NAME`, or set"
            " CONTEXT0_JWT_SECRET or CONTEXT0_JWT_JWKS_URL, or try it on this machine with `context0 serve --dev`"
        )
    return Credentials(KeyRing(keys, cache_s=settings.key_cache_s), Tokens(rules) if has_tokens else None)


@asynccontextmanager
async def open_services(
    settings: Settings, engine: MemoryEngine, authenticator: Authenticator, *, observe: Observe = nobody
) -> AsyncIterator[Services]:
    """Open what routes work with on an engine, which the caller closes."""
    turns = Turns(kept_s=settings.turn_log_s, max_bytes=settings.turn_log_max_bytes)
    async with AsyncExitStack() as stack, ChatService(engine) as chat, LoopLagMonitor(SILENT) as lag:
        trail = None
        if settings.audit != "off":
            store, key = await engine.audit_trail()
            trail = AuditTrail(store, key, level=settings.audit)
            stack.push_async_callback(trail.aclose)
        try:
            yield Services(
                engine=engine,
                chat=chat,
                authenticator=authenticator,
                turns=turns,
                model=settings.llm_model or settings.llm_provider,
                requests=RequestLimits(
                    max_requests=settings.max_requests,
                    owner_max_requests=settings.owner_max_requests,
                    owner_rate_per_s=settings.owner_rate_per_s,
                    owner_rate_burst=settings.owner_rate_burst,
                    at_work=settings.requests_at_work,
                    owner_max_waiting=settings.owner_max_waiting,
                    max_loop_lag_ms=settings.max_loop_lag_ms,
                ),
                bodies=BodyLimits(
                    max_bytes=settings.max_body_bytes,
                    max_import_bytes=settings.max_import_bytes,
                    deadline_s=settings.receive_deadline_s,
                ),
                times=StreamTimes(ping_s=settings.sse_ping_s, send_deadline_s=settings.send_deadline_s),
                observe=observe,
                loop_lag_ms=lambda: lag.standing_ms,
                replies_s=settings.idempotency_kept_s,
                audit=trail,
            )
        finally:
            await turns.aclose()
            await authenticator.aclose()


async def serve(
    settings: Settings,
    engine: MemoryEngine,
    authenticator: Authenticator,
    *,
    on_start: Callable[[str], None],
    observe: Observe = nobody,
    routers: Sequence[APIRouter] = (),
) -> None:
    """Serve until SIGINT or SIGTERM; everything is closed when this returns, `shutdown_grace_s` later at most.

    on_start: is told the address. routers: more routes. Raises OSError when the address cannot be had.
    """
    bound = listening(settings.host, settings.port)
    with contextlib.closing(bound):
        stack = AsyncExitStack()
        services = await stack.enter_async_context(open_services(settings, engine, authenticator, observe=observe))
        end = _End(settings.shutdown_grace_s, services.turns)
        server = server_for(
            create_app(services, routers=routers),
            ServerTimes(
                head_deadline_s=settings.receive_deadline_s,
                stall_s=settings.send_deadline_s,
                drain_s=settings.shutdown_grace_s * _DRAIN_SHARE,
            ),
            stop_streams=end.begin,
            on_start=lambda: on_start(address_of(bound)),
        )
        try:
            with seldom_collected():
                await server.serve(sockets=[bound])
        finally:
            await end.close(stack, engine)


class _End:
    """The end of a service: streams are told, then everything is closed, within the grace counted from the signal."""

    def __init__(self, grace_s: float, turns: Turns) -> None:
        self._grace_s = grace_s
        self._turns = turns
        self._until: float | None = None

    def begin(self) -> None:
        self._until = time.monotonic() + self._grace_s - _LAST_S
        self._turns.stop()

    async def close(self, stack: AsyncExitStack, engine: MemoryEngine) -> None:
        left_s = self._grace_s if self._until is None else max(_LAST_S, self._until - time.monotonic())
        try:
            async with asyncio.timeout(left_s):
                await stack.aclose()
                await engine.aclose()
        except TimeoutError:  # what was acknowledged is durable; the rest is taken up at the next start
            log.warning("api.closed_late", extra={"left_s": round(left_s, 1)})


async def _has_key(keys: KeyStore) -> bool:
    after = ""
    while page := await keys.list_page(owner=None, limit=_PAGE, after=after):
        if any(key.revoked_at is None for key in page):
            return True
        after = page[-1].id
    return False
