"""Which figures are too high or too low, since when: rules with thresholds, raised late and cleared late."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal

from context0.clock import Clock

log = logging.getLogger(__name__)

AlertState = Literal["ok", "pending", "firing"]
_TO_RAISE: Final = 2
_TO_CLEAR: Final = 3
_CLEARANCE: Final = 0.2
"""How far beyond its threshold, as a share of it, a figure must be to count as well again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """What a rule looks at. subject: which series it is, where there are several: the worst one."""

    value: float
    subject: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRule:
    """read: the figure now, or None where too little was measured to say. threshold 0 switches the rule off."""

    name: str
    says: str
    threshold: float
    worse: Literal["above", "below"]
    read: Callable[[], Figure | None]

    def broken_by(self, value: float) -> bool:
        return value > self.threshold if self.worse == "above" else value < self.threshold

    def cleared_by(self, value: float) -> bool:
        """Say whether a figure is clearly on the right side; a share that should be high cannot be above 1."""
        if self.worse == "above":
            return value <= self.threshold * (1 - _CLEARANCE)
        return value >= min(self.threshold * (1 + _CLEARANCE), (1 + self.threshold) / 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """How a rule stands. value: None where too little was measured. pending: broken, but not for long enough."""

    name: str
    says: str
    state: AlertState
    threshold: float
    worse: Literal["above", "below"]
    value: float | None
    subject: str
    since: datetime


class AlertBoard:
    """Looks at the rules when it is told to: firing after two looks in a row that break one, ok after three that are
    clearly well. Between the two it stays as it is. No figure counts as well: there is nothing to warn of.
    """

    def __init__(self, rules: Sequence[AlertRule], clock: Clock) -> None:
        self._clock = clock
        self._rules = {rule.name: rule for rule in rules if rule.threshold > 0}
        now = clock.now()
        self._alerts = {rule.name: _unbroken(rule, now) for rule in self._rules.values()}
        self._looks = dict.fromkeys(self._rules, 0)

    @property
    def alerts(self) -> list[Alert]:
        """Return how every rule stands, those that fire first."""
        order: dict[AlertState, int] = {"firing": 0, "pending": 1, "ok": 2}
        return sorted(self._alerts.values(), key=lambda alert: (order[alert.state], alert.name))

    def look(self) -> None:
        """Read every figure once, and raise or clear."""
        for name, rule in self._rules.items():
            figure = rule.read()
            before = self._alerts[name]
            state = self._next(rule, before.state, figure)
            since = before.since if state == before.state else self._clock.now()
            value, subject = (None, "") if figure is None else (round(figure.value, 4), figure.subject)
            self._alerts[name] = replace(before, state=state, since=since, value=value, subject=subject)
            _tell(before, self._alerts[name])

    def _next(self, rule: AlertRule, state: AlertState, figure: Figure | None) -> AlertState:
        is_broken = figure is not None and rule.broken_by(figure.value)
        if state == "firing":
            is_clear = figure is None or rule.cleared_by(figure.value)
            self._looks[rule.name] = self._looks[rule.name] + 1 if is_clear else 0
            return self._after(rule.name, _TO_CLEAR, reached="ok", before="firing")
        self._looks[rule.name] = self._looks[rule.name] + 1 if is_broken else 0
        return self._after(rule.name, _TO_RAISE, reached="firing", before="pending" if is_broken else "ok")

    def _after(self, name: str, looks: int, *, reached: AlertState, before: AlertState) -> AlertState:
        if self._looks[name] < looks:
            return before
        self._looks[name] = 0
        return reached


def _unbroken(rule: AlertRule, now: datetime) -> Alert:
    return Alert(
        name=rule.name,
        says=rule.says,
        state="ok",
        threshold=rule.threshold,
        worse=rule.worse,
        value=None,
        subject="",
        since=now,
    )


def _tell(before: Alert, after: Alert) -> None:
    fields = {"alert": after.name, "value": after.value, "threshold": after.threshold, "subject": after.subject}
    if after.state == "firing" != before.state:
        log.warning("alert.raised", extra=fields)
    if before.state == "firing" != after.state:
        log.warning("alert.cleared", extra=fields)
