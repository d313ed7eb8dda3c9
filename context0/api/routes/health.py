"""The routes for whoever watches the service: is it alive, can it serve."""

import asyncio
from typing import Final

from starlette.responses import Response

from context0 import __version__
from context0.api.encoding import answer
from context0.api.routing import router
from context0.api.services import Call
from context0.errors import Context0Error
from context0.wire.service import Health
from stores.errors import StoreError

routes: Final = router("health")
PUBLIC: Final = frozenset({"/healthz", "/readyz"})
_READY_S: Final = 2.0
_NOBODY: Final = "context0-readiness"


@routes.get("/healthz", response_model=None, responses={200: {"model": Health, "description": "It lives"}})
async def healthz(call: Call) -> Response:  # noqa: ARG001 - as all routes
    """Say that the process serves. No store is asked."""
    return answer({"status": "ok", "version": __version__})


@routes.get(
    "/readyz",
    response_model=None,
    responses={
        200: {"model": Health, "description": "It can serve"},
        503: {"model": Health, "description": "A store cannot be reached, or the service is stopping"},
    },
)
async def readyz(call: Call) -> Response:
    """Say whether requests can be served now: the store of record answers, and the service is not stopping."""
    status = "stopping" if call.services.turns.stopping else await _reached(call)
    return answer({"status": status, "version": __version__}, 200 if status == "ok" else 503)


async def _reached(call: Call) -> str:
    try:
        async with asyncio.timeout(_READY_S):
            await call.services.engine.get_many([_NOBODY], user_id=_NOBODY)
    except TimeoutError:
        return "store_timeout"
    except (StoreError, Context0Error) as failed:
        return failed.code
    return "ok"
