"""Writers and workers on one store file and one broker, each with an embedder that counts, fails or stands still."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from context0.memory.engine import MemoryEngine
from context0.memory.parts import EngineParts
from context0.runtime import build_parts, build_task_broker
from context0.settings import Settings
from context0.tasks.worker import Worker
from tests.engine_bench import HashingEmbedder

SETTLE_S: Final = 30.0
USER: Final = "anna"


@dataclass
class TaskBench:
    """Everything is closed at the end. interval_s: how often workers look into the store by themselves."""

    settings: Settings
    stack: AsyncExitStack
    embedders: list[HashingEmbedder] = field(default_factory=list)

    def parts(self, embedder: Any = None, **limits: Any) -> EngineParts:
        made = build_parts(self.settings)
        chosen = HashingEmbedder(local=False) if embedder is None else embedder
        self.embedders.append(chosen)
        return replace(made, embedder=chosen, limits=replace(made.limits, **limits))

    async def writer(self, embedder: Any = None, **limits: Any) -> MemoryEngine:
        engine = MemoryEngine(self.settings, parts=self.parts(embedder, **limits))
        return await self.stack.enter_async_context(engine)

    async def worker(self, embedder: Any = None, **limits: Any) -> tuple[Worker, asyncio.Event]:
        """Return a worker that runs, and what stops it. It runs when this returns: its presence stands in the store."""
        parts = replace(self.parts(embedder, **limits), announcer=None, is_worker=True)
        engine = await self.stack.enter_async_context(MemoryEngine(self.settings, parts=parts))
        await engine.flush()
        await engine._indexer._look_around()
        worker = Worker(engine, partial(build_task_broker, self.settings), concurrency=4, grace_s=2)
        stop = asyncio.Event()
        running = asyncio.create_task(worker.run(stop))

        async def ended() -> None:
            stop.set()
            await running

        self.stack.push_async_callback(ended)
        return worker, stop

    @property
    def texts(self) -> list[str]:
        """Every text that was embedded, as often as it was."""
        return [text for embedder in self.embedders for call in embedder.calls for text in call]


@asynccontextmanager
async def task_bench(folder: Path, task_url: str, **settings: Any) -> AsyncIterator[TaskBench]:
    given = {"index_interval_s": 0.3, "task_lease_s": 1.0, "embedding_deadline_s": 0.5}
    store = {"store_url": f"sqlite:///{folder / 'context0.db'}"}
    chosen = Settings(task_url=task_url, _env_file=None, metrics=False, **(given | store | settings))
    async with AsyncExitStack() as stack:
        yield TaskBench(settings=chosen, stack=stack)


async def until_indexed(engine: MemoryEngine, number: int, user_id: str = USER) -> None:
    """Return when so many memories of the user are there, and all are indexed. Raises TimeoutError after 30 s."""
    async with asyncio.timeout(SETTLE_S):
        while True:
            states = [memory.index.state async for memory, _ in engine.export(user_id=user_id)]
            if len(states) == number and set(states) == {"done"}:
                return
            await asyncio.sleep(0.02)


def repeated(texts: Sequence[str]) -> list[str]:
    """Return the texts that are there more than once."""
    return sorted({text for text in texts if texts.count(text) > 1})
