"""Decides whether a provider that keeps failing is called at all: a pure state machine on a clock that is handed in."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

BreakerState = Literal["closed", "open", "half_open"]


class CircuitBreaker:
    """Closed: calls pass. Open, after `failures` among the last `2 × failures` outcomes: none does, for `open_s`.
    Half open: one call tries; its success closes, its failure opens again.

    A call that was admitted before the state last changed tells nothing about the new state, and is ignored.
    """

    def __init__(self, *, failures: int, open_s: float, clock: Callable[[], float]) -> None:
        """clock: monotonic seconds."""
        self._failures = failures
        self._open_s = open_s
        self._clock = clock
        self._outcomes: deque[bool] = deque(maxlen=2 * failures)
        self._state: BreakerState = "closed"
        self._opened_at = 0.0
        self._term = 0

    @property
    def state(self) -> BreakerState:
        return self._state

    @property
    def retry_in_s(self) -> float:
        """Seconds until the next call may try; 0 when closed."""
        return max(0.0, self._opened_at + self._open_s - self._clock()) if self._state == "open" else 0.0

    def admit(self) -> int | None:
        """Return the ticket with which the call reports back, exactly once or never, or None: do not call."""
        if self._state == "open" and self._clock() - self._opened_at >= self._open_s:
            self._enter("half_open")
            return self._term
        return self._term if self._state == "closed" else None

    def succeeded(self, ticket: int) -> None:
        if ticket != self._term:
            return
        if self._state == "half_open":
            self._enter("closed")
        self._outcomes.append(True)

    def failed(self, ticket: int) -> None:
        if ticket != self._term:
            return
        self._outcomes.append(False)
        if self._state == "half_open" or self._outcomes.count(False) >= self._failures:
            self._opened_at = self._clock()
            self._enter("open")

    def dropped(self, ticket: int) -> None:
        """The call was given up by its caller before it told anything; another may try in its place, at once."""
        if ticket == self._term and self._state == "half_open":
            self._enter("open")  # since the former moment: it is due

    def _enter(self, state: BreakerState) -> None:
        self._state = state
        self._term += 1
        self._outcomes.clear()
