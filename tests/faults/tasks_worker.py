"""A worker process that can be killed in the middle of its work.

    python -m tests.faults.tasks_worker STORE TASK_URL MODE

MODE "stuck" takes work, tells "taken" on stdout and never finishes it; "dies" ends the process, as the kernel does,
when it meets a text with the word poison; "works" just works.
"""

import asyncio
import os
import sys
from typing import Any

from context0.settings import Settings
from tests.engine_bench import HashingEmbedder
from tests.tasks_bench import TaskBench


class Stuck(HashingEmbedder):
    async def embed(self, texts: Any) -> Any:
        if texts:
            sys.stdout.write("taken\n")
            sys.stdout.flush()
            await asyncio.Event().wait()
        return await super().embed(texts)


class Mortal(HashingEmbedder):
    async def embed(self, texts: Any) -> Any:
        if any("poison" in text for text in texts):
            os._exit(137)
        return await super().embed(texts)


EMBEDDERS = {"stuck": Stuck, "dies": Mortal, "works": HashingEmbedder}


async def work(store: str, task_url: str, mode: str) -> None:
    from contextlib import AsyncExitStack

    settings = Settings(
        store_url=f"sqlite:///{store}",
        task_url=task_url,
        index_interval_s=0.2,
        task_lease_s=1.0,
        embedding_deadline_s=0.5,
        metrics=False,
        _env_file=None,
    )
    async with AsyncExitStack() as stack:
        bench = TaskBench(settings=settings, stack=stack)
        await bench.worker(EMBEDDERS[mode](local=False))
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(work(*sys.argv[1:4]))
