"""Decides when a request is sent, waited for and sent again: the one place that retries for the client. No I/O."""

import random
import time
import uuid
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from context0.retry_budget import RetryBudget
from context0.sdk.answers import error_of, is_success, retry_after_s
from context0.sdk.errors import ClientError, InvalidInput
from context0.sdk.requests import Answer, Call, Request

T = TypeVar("T")

_DONE: Final = 204
_GONE: Final = "not_found"
_TOO_MANY: Final = 429
_NOT_BEGUN: Final = frozenset({"overloaded", "stopping", "auth_unavailable"})
"""Codes of a 503 that stands before every route: nothing was done."""
_PASSING: Final = frozenset({408, _TOO_MANY, 502, 503, 504})


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryRule:
    """How a call is tried again.

    retries: attempts after the first. Waits are between zero and `first_wait_s`, doubled each time, and at least what
    the service asks for; if that is more than `longest_wait_s`, the error is raised at once. share, reserve: how many
    retries all calls together may make, see RetryBudget. resumes: how often in a row a stream is taken up again
    without anything new. silence_s: a stream that says nothing for so long, not even a ping, counts as broken.
    """

    retries: int = 2
    first_wait_s: float = 0.2
    longest_wait_s: float = 10.0
    share: float = 0.1
    reserve: float = 5.0
    resumes: int = 5
    silence_s: float = 45.0

    def __post_init__(self) -> None:
        for name in ("retries", "resumes"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 100:
                raise InvalidInput("give a whole number from 0 to 100", field=name)
        for name in ("first_wait_s", "longest_wait_s", "share", "reserve", "silence_s"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 86_400:
                raise InvalidInput("give a number from 0 to 86400", field=name)


def _new_id() -> str:
    return uuid.uuid4().hex


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """The time that calls have, and how they retry. timeout_s: for one call with all its attempts.

    addresses: how many there are of the service; where one did not begin with a request, the next is asked at once.
    now: monotonic seconds. draw: a number in [0, 1). new_id: names a call in the service's logs.
    """

    timeout_s: float
    rule: RetryRule
    budget: RetryBudget
    addresses: int = 1
    now: Callable[[], float] = time.monotonic
    draw: Callable[[], float] = random.random
    new_id: Callable[[], str] = _new_id

    def named(self, request: Request) -> Request:
        """Return the request with an id of its own, so that a failure without an answer can be found in the logs."""
        return replace(request, headers={**request.headers, "x-request-id": self.new_id()})

    def wait_s(self, retry: int, asked_s: float | None) -> float:
        """Return how long to wait before the `retry`-th retry (from 0)."""
        backoff = self.draw() * min(self.rule.longest_wait_s, self.rule.first_wait_s * 2.0**retry)
        return backoff if asked_s is None else asked_s + backoff / 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """Send it, and tell what came: an Answer, or a Failure. tried: addresses that should not be asked again."""

    request: Request
    timeout_s: float
    tried: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Let this time pass."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """No answer came. left: whether something of the request may have left. address: where it was to go."""

    error: ClientError
    left: bool = True
    address: str = ""


Step = Send | Wait
Outcome = Answer | Failure
Steps = Generator[Step, Outcome | None, T]
"""Yields what is to be done; what came of it is sent back in (None after a Wait). Returns what all of it was for."""


def carried_out(call: Call[T], pace: Pace) -> Steps[T]:
    """Yield what is to be done for a call. Returns what its answer says.

    Raises ClientError: that of the last attempt.
    """
    answer = yield from answered(call.request, pace)
    if not is_success(answer) and answer.status not in call.also:
        raise error_of(answer)
    return call.read(answer)


def answered(request: Request, pace: Pace) -> Steps[Answer]:
    """As `carried_out`, but returns the answer as it is, also that of a failure that is not tried again."""
    pace.budget.deposit()
    ends_at = pace.now() + pace.timeout_s
    doubtful, tried, retry = False, frozenset[str](), 0
    while True:
        left_s = max(0.001, ends_at - pace.now())
        told = yield Send(request=pace.named(request), timeout_s=left_s, tried=tried)
        if told is None:
            raise AssertionError("nobody said what came of the request")
        outcome, tried = told, tried | {told.address}
        if len(tried) < pace.addresses and pace.now() < ends_at and _may_be_elsewhere(request, outcome):
            continue  # at once, and not out of the budget: nothing was done
        if doubtful and request.method == "DELETE" and _is_gone(outcome):
            return Answer(status=_DONE)  # by the attempt that had no answer
        wait_s = _next_wait_s(request, outcome, retry, pace, left_s=ends_at - pace.now())
        if wait_s is None:
            break
        doubtful = doubtful or _may_be_done(outcome)
        yield Wait(seconds=wait_s)
        retry += 1
    if isinstance(outcome, Failure):
        raise outcome.error
    return outcome


def _next_wait_s(request: Request, outcome: Outcome, retry: int, pace: Pace, *, left_s: float) -> float | None:
    """Return how long to wait before another attempt; None if there is none, whatever the reason."""
    if retry >= pace.rule.retries or not _may_repeat(request, outcome):
        return None
    asked_s = retry_after_s(outcome.headers) if isinstance(outcome, Answer) else None
    wait_s = pace.wait_s(retry, asked_s)
    if (asked_s or 0.0) > pace.rule.longest_wait_s or wait_s >= left_s or not pace.budget.withdraw():
        return None
    return wait_s


def _may_be_elsewhere(request: Request, outcome: Outcome) -> bool:
    return not was_taken(outcome) or (request.hunts and _is_gone(outcome))


def was_taken(outcome: Outcome) -> bool:
    """Say whether the address is up and takes requests, for all that is known."""
    if isinstance(outcome, Failure):
        return outcome.left
    return outcome.status != 503 or error_of(outcome).code not in _NOT_BEGUN


def _may_repeat(request: Request, outcome: Outcome) -> bool:
    if isinstance(outcome, Failure):
        return not outcome.left or request.repeat == "always"
    if outcome.status not in _PASSING or request.repeat == "unsent":
        return False
    return request.repeat == "always" or not _may_be_done(outcome)


def _may_be_done(outcome: Outcome) -> bool:
    """Say whether an attempt that gave no result may have had one, for all that is known."""
    if isinstance(outcome, Failure):
        return outcome.left
    return outcome.status != _TOO_MANY and error_of(outcome).code not in _NOT_BEGUN


def _is_gone(outcome: Outcome) -> bool:
    return isinstance(outcome, Answer) and outcome.status == 404 and error_of(outcome).code == _GONE
