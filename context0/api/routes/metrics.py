"""The routes for what was measured: a page for Prometheus, and everything as JSON."""

from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from context0.api.encoding import answer
from context0.api.routing import router
from context0.api.services import Call
from context0.observability.performance import PerformanceService
from context0.observability.prometheus import CONTENT_TYPE

METRICS_PATHS: Final = frozenset({"/metrics", "/api/performance/metrics"})


def metrics_routes(performance: PerformanceService) -> APIRouter:
    """Return the routes over a performance service that is entered. Nothing that they tell is about one user."""
    routes = router("metrics")

    @routes.get(
        "/metrics",
        response_model=None,
        responses={200: {"content": {"text/plain": {}}, "description": "What is measured, as Prometheus reads it"}},
    )
    async def metrics(call: Call) -> Response:  # noqa: ARG001 - as all routes
        """Tell what was measured since the start, for Prometheus."""
        return Response(await performance.prometheus(), media_type=CONTENT_TYPE)

    @routes.get(
        "/api/performance/metrics",
        response_model=None,
        responses={200: {"content": {"application/json": {}}, "description": "What is measured, and the alerts"}},
    )
    async def performance_metrics(call: Call, *, sketches: bool = False) -> Response:  # noqa: ARG001 - as all routes
        """Tell counts and durations of everything measured, over the window and since the start, and the alerts.

        sketches: with all buckets, so that scripts/performance_report.py can tell what lies between two of these.
        """
        return answer(await performance.snapshot(sketches=sketches))

    return routes
