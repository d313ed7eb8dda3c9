"""The routes for what was measured: a page for Prometheus, and everything as JSON."""

from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from context0.api.encoding import answer
from context0.api.errors import Refused
from context0.api.routing import router, told
from context0.api.services import Call
from context0.observability.performance import PerformanceService
from context0.observability.prometheus import CONTENT_TYPE

METRICS_PATHS: Final = frozenset({"/metrics", "/api/performance/metrics"})
_WHO: Final = (
    "only an operator reads this: make a key with `context0 keys create --operator`, put `operator` into the token's"
    " scope, or set CONTEXT0_METRICS_ACCESS=any"
)
_REFUSED: Final = told(None, 403)


def metrics_routes(performance: PerformanceService, *, for_all: bool) -> APIRouter:
    """Return the routes over a performance service that is entered. What they tell is about all users together.

    for_all: any credential reads them, not only an operator's.
    """
    routes = router("metrics")

    def allow(call: Call) -> None:
        if not (for_all or call.caller.operator):
            raise Refused(403, "operator_only", _WHO)

    @routes.get(
        "/metrics",
        response_model=None,
        responses={
            **_REFUSED,
            200: {"content": {"text/plain": {}}, "description": "What is measured, as Prometheus reads it"},
        },
    )
    async def metrics(call: Call) -> Response:
        """Tell what was measured since the start, for Prometheus."""
        allow(call)
        return Response(await performance.prometheus(), media_type=CONTENT_TYPE)

    @routes.get(
        "/api/performance/metrics",
        response_model=None,
        responses={
            **_REFUSED,
            200: {"content": {"application/json": {}}, "description": "What is measured, and the alerts"},
        },
    )
    async def performance_metrics(call: Call, *, sketches: bool = False) -> Response:
        """Tell counts and durations of everything measured, over the window and since the start, and the alerts.

        sketches: with all buckets, so that scripts/performance_report.py can tell what lies between two of these.
        """
        allow(call)
        return answer(await performance.snapshot(sketches=sketches))

    return routes
