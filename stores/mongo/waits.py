"""How PyMongo waits for a server, or for a place in its pool, on Python 3.11.

It waits by `asyncio.wait_for(condition.wait())`, which before Python 3.12 runs the wait in a task of its own. When its
time is over and the caller is cancelled in the same moment, as by the deadline of a search, that task takes the lock
after the caller has left it. Nobody releases it then, and every later call waits for ever, past all deadlines.
"""

import asyncio
import logging
import sys
from typing import Any, Final

from pymongo.asynchronous import pool, topology

log = logging.getLogger(__name__)

_NAME: Final = "_async_cond_wait"


async def wait_in_this_task(condition: Any, within_s: float | None) -> bool:
    """Wait for `condition`, whose lock is held, and hold it again whatever happens. False when the time is over."""
    try:
        async with asyncio.timeout(within_s):
            return bool(await condition.wait())
    except TimeoutError:
        return False


def mend_waits() -> None:
    """Let the driver wait in the caller's own task, as it does by itself from Python 3.12 on. Again is harmless."""
    if sys.version_info >= (3, 12):
        return
    for module in (pool, topology):
        if hasattr(module, _NAME):
            setattr(module, _NAME, wait_in_this_task)
        else:
            log.warning("mongo.driver_waits_stay", extra={"reason": module.__name__})
