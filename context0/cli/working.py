"""The command `worker`: a process that does the index work of the others."""

import asyncio
import signal
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from context0.cli.opening import settings_for
from context0.cli.options import StoreOption, VerboseOption
from context0.errors import ConfigurationError

if TYPE_CHECKING:
    from context0.settings import Settings
    from context0.tasks.worker import Worker

commands: Final = typer.Typer()


@commands.command()
def worker(
    *,
    concurrency: Annotated[
        int | None, typer.Option(help="Messages at the same time; default: CONTEXT0_TASK_CONCURRENCY.")
    ] = None,
    store: StoreOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Index what other processes have written, until Ctrl-C: as many of these as you like, on as many machines.

    Writers tell of their work over CONTEXT0_TASK_URL (redis:// or amqp://); without a broker, and while it is down,
    the store is looked into every few seconds. The log goes to stderr, a line of JSON for each event.
    """
    changed: dict[str, Any] = {} if concurrency is None else {"task_concurrency": concurrency}
    settings = settings_for(store, **changed)
    from context0.observability.logs import structured_logs

    with structured_logs(level="DEBUG" if verbose else settings.log_level):
        asyncio.run(_work(settings))


async def _work(settings: "Settings") -> None:
    from context0.memory.engine import MemoryEngine
    from context0.runtime import build_parts, build_task_broker
    from context0.tasks.brokers import is_in_process
    from context0.tasks.worker import Worker

    in_process = is_in_process(settings.task_url)
    if in_process and settings.resolved_store_url.startswith("sqlite:"):
        raise ConfigurationError(
            "with memory:// the process that writes to a file does its work itself; to have workers for it, set"
            " CONTEXT0_TASK_URL to redis://host or amqp://host for all processes"
        )
    parts = build_parts(settings)
    parts = replace(parts, announcer=None, is_worker=True)
    async with MemoryEngine(settings, parts=parts) as engine:
        worker = Worker(
            engine,
            None if in_process else partial(build_task_broker, settings),
            concurrency=settings.task_concurrency,
            grace_s=settings.task_grace_s,
        )
        await _run(worker, "the store" if in_process else settings.task_url.partition("://")[0])


async def _run(worker: "Worker", source: str) -> None:
    """Run until SIGTERM or Ctrl-C; a second one ends it at once."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def ask() -> None:
        stop.set()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(name)

    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, ask)
    typer.echo(f"context0 worker takes its work from {source}")
    await worker.run(stop)
