"""Which route a request is for: a look into a table where the path is fixed, else the patterns of its method."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from starlette.routing import BaseRoute
from starlette.types import Scope

from context0.api.routing import JsonRoute

if TYPE_CHECKING:
    from re import Pattern


class Routes:
    """The service's own routes. FastAPI tries the pattern of every route: up to 30 us a request."""

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        self._fixed: dict[tuple[str, str], JsonRoute] = {}
        self._patterns: dict[str, list[tuple[Pattern[str], JsonRoute]]] = {}
        for route in routes:
            if isinstance(route, JsonRoute):
                for method in route.methods or ():
                    self._put(method, route)

    def find(self, scope: Scope) -> JsonRoute | None:
        """Return the route, and put it into the scope; None where no route, or one of others, takes the request."""
        method, path = scope["method"], scope["path"]
        route, told = self._fixed.get((method, path)), {}
        if route is None:
            for pattern, candidate in self._patterns.get(method, ()):
                if (match := pattern.match(path)) is not None:
                    route, told = candidate, match.groupdict()
                    break
        if route is not None:
            scope["route"], scope["path_params"] = route, told
        return route

    def methods_of(self, path: str) -> set[str]:
        """Return the methods that the path is described with; none where there is no such path."""
        if found := {method for method, fixed in self._fixed if fixed == path}:
            return found
        return {
            method
            for method, patterns in self._patterns.items()
            if any(pattern.match(path) is not None for pattern, _ in patterns)
        }

    def _put(self, method: str, route: JsonRoute) -> None:
        if route.param_convertors:
            self._patterns.setdefault(method, []).append((route.path_regex, route))
        else:
            self._fixed[method, route.path] = route
