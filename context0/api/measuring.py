"""Measures requests, and opens what reads the measurements of a service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter

from context0.api.envelope import CLIENT_GONE, Observe, RequestOutcome
from context0.observability.metrics import FIRST_BYTE, REQUEST, RESPONSES
from context0.observability.recorder import Recorder
from context0.settings import Settings

_UNKNOWN_ROUTE: Final = "none"
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SERVER_ERROR: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceMeasuring:
    """What a service is given to be measured: who is told of each request, and the routes that tell of all of it."""

    observe: Observe
    routers: tuple[APIRouter, ...]


@asynccontextmanager
async def open_measuring(settings: Settings, recorder: Recorder) -> AsyncIterator[ServiceMeasuring]:
    """Watch the event loop and the alerts while a service runs; with `metrics` off there are no routes of metrics.

    recorder: the engine's.
    """
    from context0.api.routes.metrics import metrics_routes
    from context0.runtime import build_performance

    performance = build_performance(settings, recorder)
    observe = request_observer(recorder)
    if performance is None:
        yield ServiceMeasuring(observe=observe, routers=())
        return
    routes = metrics_routes(performance, for_all=settings.metrics_access == "any")
    async with performance:
        yield ServiceMeasuring(observe=observe, routers=(routes,))


def request_observer(recorder: Recorder) -> Observe:
    """Return what `Services.observe` takes: each request by method and route template, never by its path."""

    def observe(outcome: RequestOutcome) -> None:
        method = outcome.method if outcome.method in _METHODS else "other"
        route = outcome.route or _UNKNOWN_ROUTE
        failed = outcome.status >= _SERVER_ERROR
        recorder.observe(REQUEST, outcome.seconds * 1000, failed=failed, method=method, route=route)
        if outcome.first_byte_s is not None:
            recorder.observe(FIRST_BYTE, outcome.first_byte_s * 1000, failed=failed, method=method, route=route)
        status = "gone" if outcome.status == CLIENT_GONE else f"{outcome.status // 100}xx"
        recorder.count(RESPONSES, method=method, route=route, status=status)

    return observe
