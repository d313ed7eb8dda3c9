"""What both clients need of httpx: how they are set up, how a request is dressed, what its errors mean. No I/O."""

import re
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import httpx

from context0.retry_budget import RetryBudget
from context0.sdk.addresses import Addresses, addresses_of
from context0.sdk.consistency import SeenWrites
from context0.sdk.errors import InvalidInput, NoAnswer, Unreachable, Unreadable
from context0.sdk.requests import Answer, Request
from context0.sdk.retrying import Failure, Outcome, Pace, RetryRule, Send, was_taken

LOCAL: Final = "http://127.0.0.1:8000"
LIMITS: Final = httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=15.0)
"""Idle connections are given up before the service does so, after 20 s: what is sent on one that closes may be lost."""
_CONNECT_S: Final = 5.0
_KEY: Final = re.compile(r"[\x21-\x7e]{1,8192}")
BROKEN: Final = (httpx.TransportError, httpx.DecodingError, httpx.StreamError, TimeoutError)
"""What httpx raises in place of an answer."""
_NEVER_LEFT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


class Bearer(httpx.Auth):
    """Adds the key to each request; shows it nowhere."""

    def __init__(self, key: str) -> None:
        self._header = f"Bearer {key}"

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["authorization"] = self._header
        yield request

    def __repr__(self) -> str:
        return "Bearer(…)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """One client's addresses, key and pace."""

    addresses: Addresses
    auth: httpx.Auth
    pace: Pace
    seen: SeenWrites = field(default_factory=SeenWrites)


def set_up(
    base_url: str | Sequence[str], api_key: str | None, timeout_s: float, retries: int | RetryRule, *, sticky: bool
) -> Setup:
    """Check the arguments of a client. Raises InvalidInput, which never repeats the key."""
    rule = retries if isinstance(retries, RetryRule) else RetryRule(retries=retries)
    if isinstance(timeout_s, bool) or not isinstance(timeout_s, int | float) or not 0 < timeout_s <= 3_600:
        raise InvalidInput("give seconds, more than 0 and at most 3600", field="timeout_s")
    if api_key is not None and (not isinstance(api_key, str) or not _KEY.fullmatch(api_key)):
        raise InvalidInput("is no key: give the text that `context0 keys create` printed", field="api_key")
    budget = RetryBudget(share=rule.share, reserve=rule.reserve)
    addresses = addresses_of(base_url, api_key or "", sticky=sticky)
    return Setup(
        addresses=addresses,
        auth=httpx.Auth() if api_key is None else Bearer(api_key),
        pace=Pace(timeout_s=float(timeout_s), rule=rule, budget=budget, addresses=len(addresses)),
    )


def dressed(http: httpx.Client | httpx.AsyncClient, setup: Setup, step: Send, address: str) -> httpx.Request:
    """Return the request as httpx sends it; the key is added when it is sent."""
    request, timeout_s = step.request, step.timeout_s
    headers = {"accept": "application/json", **setup.seen.headers(), **request.headers}
    if request.body is not None:
        headers.setdefault("content-type", "application/json")
    return http.build_request(
        request.method,
        f"{address}{request.path}",
        params=dict(request.query) or None,
        content=request.body,
        headers=headers,
        timeout=httpx.Timeout(timeout_s, connect=min(timeout_s, _CONNECT_S)),
    )


def noted(setup: Setup, outcome: Outcome, address: str) -> Outcome:
    """Return what came of an attempt, with where it came from, when note was taken of what it tells."""
    if isinstance(outcome, Answer):
        setup.seen.take(outcome)
    setup.addresses.note(address, took=was_taken(outcome))
    return replace(outcome, address=address)


def let_be_silent(response: httpx.Response, silence_s: float) -> None:
    """Give the rest of a stream its own limit; that of the request was for the head.

    httpcore looks the limit up when the body is first read.
    """
    response.request.extensions["timeout"] = {**response.request.extensions["timeout"], "read": silence_s}


def whole(response: httpx.Response, pieces: list[bytes]) -> Answer:
    """Return an answer that was read to its end."""
    return Answer(status=response.status_code, headers=dict(response.headers), body=b"".join(pieces))


def failure_of(exc: Exception, request: Request | None = None) -> Failure:
    """Return what one of BROKEN means for a request."""
    request_id = None if request is None else request.headers.get("x-request-id")
    if isinstance(exc, _NEVER_LEFT):
        told = f"the service cannot be reached ({type(exc).__name__}); is it running at base_url?"
        return Failure(error=_because(Unreachable(told, request_id=request_id), exc), left=False)
    if isinstance(exc, httpx.DecodingError):
        return Failure(error=_because(Unreadable("the answer is not what its head says", request_id=request_id), exc))
    late = isinstance(exc, httpx.TimeoutException | TimeoutError)
    told = "no answer came in time" if late else f"the connection broke ({type(exc).__name__})"
    return Failure(error=_because(NoAnswer(f"{told}; it may have been done", request_id=request_id), exc))


def _because(error: NoAnswer | Unreachable | Unreadable, exc: Exception) -> NoAnswer | Unreachable | Unreadable:
    error.__cause__ = exc
    return error
