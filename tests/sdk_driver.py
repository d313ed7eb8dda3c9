"""Drives the core of the client in tests: outcomes in, steps out; no I/O and no clock."""

import json
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from context0.retry_budget import RetryBudget
from context0.sdk.errors import NoAnswer, Unreachable
from context0.sdk.requests import Answer
from context0.sdk.retrying import Failure, Pace, RetryRule, Send, Steps, Wait
from context0.sdk.streaming import Following, Read, Told

T = TypeVar("T")
E = TypeVar("E")


class FakeTime:
    """Moves on by what is waited for, and by `attempt_s` for each attempt."""

    def __init__(self, attempt_s: float = 0.0) -> None:
        self.now = 1_000.0
        self.attempt_s = attempt_s

    def read(self) -> float:
        return self.now


def pace(
    time: FakeTime | None = None, *, timeout_s: float = 60.0, draw: Callable[[], float] = lambda: 1.0, **rule: Any
) -> Pace:
    made = RetryRule(**rule)
    budget = RetryBudget(share=made.share, reserve=made.reserve)
    clock = time or FakeTime()
    return Pace(timeout_s=timeout_s, rule=made, budget=budget, now=clock.read, draw=draw, new_id=lambda: "call-1")


def answer(status: int = 200, body: object = None, **headers: str) -> Answer:
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status=status, headers=told, body=b"" if body is None else json.dumps(body).encode())


def failure(status: int, code: str, message: str = "no", **headers: str) -> Answer:
    return answer(status, {"error": {"code": code, "message": message, "request_id": "r-1"}}, **headers)


def unsent() -> Failure:
    return Failure(error=Unreachable("no connection"), left=False)


def lost() -> Failure:
    return Failure(error=NoAnswer("no answer"))


class Driven:
    """What was asked for while steps were driven."""

    def __init__(self) -> None:
        self.sent: list[Send] = []
        self.waits: list[float] = []

    def run(self, steps: Steps[T], outcomes: Iterable[Answer | Failure], time: FakeTime | None = None) -> T:
        """Return what the steps return; every outcome must have been used."""
        left = iter(outcomes)
        outcome: Answer | Failure | None = None
        while True:
            try:
                step = steps.send(outcome)
            except StopIteration as end:
                assert next(left, None) is None, "asked for less than expected"
                told: T = end.value
                return told
            outcome = self._took(step, left, time)

    def _took(self, step: Send | Wait, left: Any, time: FakeTime | None) -> Answer | Failure | None:
        if isinstance(step, Wait):
            self.waits.append(step.seconds)
            if time is not None:
                time.now += step.seconds
            return None
        self.sent.append(step)
        if time is not None:
            time.now += time.attempt_s
        outcome: Answer | Failure = next(left)
        return outcome


def heard(steps: Following[E], on_send: Callable[[Send], Any], on_read: Callable[[], Any]) -> list[E]:
    """Return all that a stream tells."""
    told: list[E] = []
    outcome: Any = None
    while True:
        try:
            step = steps.send(outcome)
        except StopIteration:
            return told
        match step:
            case Told(event=event):
                told.append(event)
                outcome = None
            case Send():
                outcome = on_send(step)
            case Read():
                outcome = on_read()
            case Wait():
                outcome = None
