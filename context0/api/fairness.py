"""Whose turn it is: so many requests are worked on at once, the others wait, and are taken from their users in turn."""

import asyncio
from collections import OrderedDict, deque

from context0.api.limits import RequestLimits, refused_for_now


class Place:
    """The right to be worked on. Given back when the work is done, or after a while by itself."""

    __slots__ = ("_gate", "_timer")

    def __init__(self, gate: "FairGate", hold_s: float) -> None:
        self._gate: FairGate | None = gate
        self._timer = asyncio.get_running_loop().call_later(hold_s, self.leave)

    def leave(self) -> None:
        """Let the next one in; twice is harmless."""
        gate, self._gate = self._gate, None
        if gate is not None:
            self._timer.cancel()
            gate.pass_on()


class FairGate:
    """Lets `at_work` requests in at once. One that waits, for a model or a slow store, keeps its place for
    `place_hold_s` only: it takes no time of this process, and others need not wait for it.

    So a user with a thousand requests holds up another one's by one request for each place, not by a thousand.
    """

    def __init__(self, limits: RequestLimits) -> None:
        self._limits = limits
        self._free = limits.at_work
        self._lines: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    async def enter(self, owner: str) -> Place:
        """Return when it is the owner's turn. Raises Refused when too many of the owner's requests wait."""
        if self._free and not self._lines:
            self._free -= 1
        else:
            await self._called(owner)
        return Place(self, self._limits.place_hold_s)

    def pass_on(self) -> None:
        """Give a place that is free to the first of the user who has waited longest for a turn."""
        while self._lines:
            owner, line = self._lines.popitem(last=False)
            first = line.popleft()
            if line:
                self._lines[owner] = line
            if not first.done():
                first.set_result(None)
                return
        self._free += 1

    async def _called(self, owner: str) -> None:
        line = self._lines.setdefault(owner, deque())
        if len(line) >= self._limits.owner_max_waiting:
            raise refused_for_now(429, "too_many_waiting", f"{len(line)} requests wait already; wait for their answers")
        call: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        line.append(call)
        try:
            await call
        except asyncio.CancelledError:
            if call.done() and not call.cancelled():
                self.pass_on()
            raise
