"""How often the driver tries again: once in a call, and only as far as an allowance for all calls goes.

PyMongo repeats what fails in passing, under a deadline until the deadline: 8 times in 3 s where a server hangs up on
everything. Its retries stay its own, because a repeated write carries the number of the first (`txnNumber`) and has
one effect, `$inc` and compare-and-set included; none of ours could promise that. A listener takes the rest of its time
away in place of the second one, and the driver then raises what it met.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

import pymongo
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from stores.retrying import RetryAllowance

_AT_ONCE_S: Final = 1e-9
"""PyMongo takes 0 for no deadline."""


@dataclass(slots=True)
class _Call:
    """What goes on between `one_call`'s beginning and end."""

    is_repeated: bool = False


_CALL: Final[ContextVar[_Call | None]] = ContextVar("context0-mongo-call", default=None)


class OneRetry(CommandListener):
    """Ends a call's time with its second failure, or its first where `allowance` is spent. Listens to one client.

    The driver tells of a failure in the task that waits for the command, before it decides about a retry.
    """

    def __init__(self, allowance: RetryAllowance | None) -> None:
        self._allowance = allowance

    @contextmanager
    def one_call(self) -> Iterator[None]:
        """All inside is one call. It belongs into a `pymongo.timeout`, whose end gives the time back."""
        if self._allowance is not None:
            self._allowance.deposit()
        token = _CALL.set(_Call())
        try:
            yield
        finally:
            _CALL.reset(token)

    def started(self, event: CommandStartedEvent) -> None:
        """Nothing has failed."""

    def succeeded(self, event: CommandSucceededEvent) -> None:
        if "writeConcernError" in event.reply:
            self._failed()

    def failed(self, _: CommandFailedEvent) -> None:
        self._failed()

    def _failed(self) -> None:
        call = _CALL.get()
        if call is None:
            return
        if not call.is_repeated and (self._allowance is None or self._allowance.withdraw()):
            call.is_repeated = True
        else:
            pymongo.timeout(_AT_ONCE_S).__enter__()  # the timeout around the call ends this one too
