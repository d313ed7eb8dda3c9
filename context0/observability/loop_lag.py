"""How late the event loop runs what is due: measured by being due again and again."""

import asyncio
from collections import deque
from typing import Final, Self

from context0.observability.metrics import LOOP_LAG
from context0.observability.recorder import Recorder

INTERVAL_S: Final = 0.1
_STANDING: Final = 3


class LoopLagMonitor:
    """Measures every `interval_s` while it is entered; costs 20 µs each time. For the loop that it is entered on."""

    def __init__(self, recorder: Recorder, *, interval_s: float = INTERVAL_S) -> None:
        self._recorder = recorder
        self._interval_s = interval_s
        self._timer: asyncio.TimerHandle | None = None
        self._last_ms: deque[float] = deque([0.0] * _STANDING, maxlen=_STANDING)

    @property
    def standing_ms(self) -> float:
        """How late the loop was at least, the last few times: one hiccup does not count."""
        return min(self._last_ms)

    async def __aenter__(self) -> Self:
        self._again(asyncio.get_running_loop())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _again(self, loop: asyncio.AbstractEventLoop) -> None:
        due = loop.time() + self._interval_s
        self._timer = loop.call_at(due, self._ran, loop, due)

    def _ran(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        late_ms = (loop.time() - due) * 1000
        self._last_ms.append(late_ms)
        self._recorder.observe(LOOP_LAG, late_ms)
        self._again(loop)
