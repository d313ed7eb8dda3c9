"""Redis killed, hung and flushed under the load of several processes: errors, and what a search costs meanwhile."""

import asyncio
from pathlib import Path
from typing import Any

from load_tests.cluster.load import Ledger, Users, audited
from load_tests.cluster.processes import Fleet
from tests.redis_server import RedisServer


async def troubled(fleet: Fleet, folder: Path, redis: RedisServer, *, each_s: float, users: int) -> dict[str, Any]:
    ledger = Ledger(folder / "troubles.ledger")
    load = Users(fleet, ledger, users=users)
    states = ("all up", "flushed each second", "hung", "up again", "killed", "started again")
    async with load.at_work() as outcome:
        for state in states:
            outcome.state = state
            match state:
                case "flushed each second":
                    for _ in range(max(1, round(each_s))):
                        await asyncio.to_thread(redis.command, "FLUSHALL")
                        await asyncio.sleep(1.0)
                case "hung":
                    redis.hang()
                case "up again":
                    redis.go_on()
                case "killed":
                    await asyncio.to_thread(redis.kill)
                case "started again":
                    await asyncio.to_thread(redis.start)
            if state != "flushed each second":
                await asyncio.sleep(each_s)
    told = await audited(fleet, ledger, folder)
    ledger.close()
    return {
        "requests": outcome.requests.total(),
        "failed": len(outcome.failed),
        "failures": outcome.failed[:10],
        "stale": outcome.stale,
        **told,
        "search_p50_ms": {state: round(outcome.median_ms(state), 2) for state in states},
    }
