"""Does one part of a turn within its deadline or says, by a stable name, why there is none."""

import asyncio
import logging
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Final, TypeVar

from context0.agents.base import Agent, Turn
from context0.errors import Context0Error
from stores.errors import StoreError

log: Final = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Missed:
    """Why a part was not done: the code of the error, "deadline", "cancelled", or "error" for one that is a fault."""

    reason: str
    cause: Exception | None = None


async def attempt(part: str, work: Awaitable[T], *, deadline_s: float) -> T | Missed:
    """Return what `work` gives. Raises nothing but the cancellation of the caller's own task.

    That of something that `work` waited for is a failure like others. part: the name under which a fault is logged.
    """
    try:
        async with asyncio.timeout(deadline_s):
            return await work
    except asyncio.CancelledError:
        if is_cancelled():
            raise
        return Missed("cancelled")
    except TimeoutError as late:
        return Missed("deadline", late)
    except (Context0Error, StoreError) as failed:
        return Missed(failed.code, failed)
    except Exception as fault:  # noqa: BLE001 - the edge between agents: one that is broken leaves the turn to its fallback
        log_fault(part, fault)
        return Missed("error", fault)


def is_cancelled() -> bool:
    """Tell whether the running task itself was cancelled, rather than something that it waits for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def log_fault(part: str, fault: BaseException) -> None:
    """Log an error that is none of ours by its kind and its place: its text may hold what a person said."""
    at = fault.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    place = "" if at is None else f"{at.tb_frame.f_globals.get('__name__', '?')}:{at.tb_lineno}"
    log.error("chat.fault", extra={"part": part, "error": type(fault).__name__, "place": place})


async def guarded(agent: Agent, turn: Turn, work: Awaitable[Turn]) -> Turn:
    """Return the turn with the agent's part done by `work` within its deadline; else its fallback."""
    done = await attempt(agent.name, work, deadline_s=agent.deadline_s)
    if not isinstance(done, Missed):
        return done
    log.warning("chat.agent_fell_back", extra={"agent": agent.name, "reason": done.reason})
    return agent.fallback(turn, done.reason)
