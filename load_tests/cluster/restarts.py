"""A rolling restart under load: each process in turn is ended by SIGTERM and started again; the client goes round."""

import asyncio
from pathlib import Path
from typing import Any

from load_tests.cluster.load import Ledger, Users, audited
from load_tests.cluster.processes import Fleet


async def restarted(fleet: Fleet, folder: Path, *, rounds: int, users: int) -> dict[str, Any]:
    ledger = Ledger(folder / "restarts.ledger")
    load = Users(fleet, ledger, users=users)
    async with load.at_work() as outcome:
        for _ in range(rounds):
            for process in fleet.processes:
                await asyncio.sleep(1.0)
                await asyncio.to_thread(process.stop)
                await asyncio.to_thread(process.start)
        await asyncio.sleep(1.0)
    told = await audited(fleet, ledger, folder)
    ledger.close()
    return {
        "restarts": rounds * len(fleet.processes),
        "requests": outcome.requests.total(),
        "failed": len(outcome.failed),
        "failures": outcome.failed[:10],
        "stale": outcome.stale,
        **told,
        "end_s_max": round(max(taken for one in fleet.processes for taken in one.end_s), 2),
    }
