"""Walks through a listing page by page. No I/O."""

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from context0.sdk.errors import Unreadable
from context0.sdk.requests import Call

X = TypeVar("X")
X_co = TypeVar("X_co", covariant=True)


class Listed(Protocol[X_co]):
    """One page, and the cursor of the next or None at the end."""

    @property
    def items(self) -> tuple[X_co, ...]: ...

    @property
    def next_cursor(self) -> str | None: ...


PageOf = Callable[[str | None], Call[Listed[X]]]
"""Makes the request for the page behind a cursor; None is the first."""


class Pages(Generic[X]):
    """Where a walk stands: `next_call` until it is None, `take` what it brought."""

    def __init__(self, page_of: PageOf[X]) -> None:
        self._page_of = page_of
        self._cursor: str | None = None
        self._is_over = False

    def next_call(self) -> Call[Listed[X]] | None:
        return None if self._is_over else self._page_of(self._cursor)

    def take(self, page: Listed[X]) -> tuple[X, ...]:
        """Return the page's items. Raises Unreadable for a service that would have one walk in circles."""
        if page.next_cursor is not None and page.next_cursor == self._cursor:
            raise Unreadable("the service gave the same cursor twice")
        self._cursor = page.next_cursor
        self._is_over = self._cursor is None
        return page.items
