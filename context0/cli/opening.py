"""From the command line to settings, an engine, a running event loop."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from context0.cli.logs import keep_structlog_off_stdout, logs_to_stderr
from context0.errors import ConfigurationError

if TYPE_CHECKING:
    from context0.memory.engine import MemoryEngine
    from context0.memory.parts import EngineParts
    from context0.settings import Settings

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T], *, verbose: bool) -> T:
    """Run `work` on an event loop of its own, with the log on stderr; Ctrl-C cancels it, and it closes its stores."""
    with logs_to_stderr(verbose=verbose):
        return asyncio.run(work)


def settings_for(store: str | None, **changed: Any) -> "Settings":
    """Return the settings of the environment with another store and other values. Raises ConfigurationError."""
    from pydantic import ValidationError

    from context0.settings import Settings

    try:
        return Settings(**changed) if store is None else Settings(store_url=store, **changed)
    except ValidationError as exc:
        faults = "; ".join(
            f"CONTEXT0_{'_'.join(map(str, fault['loc'])).upper()}: {fault['msg']}"
            for fault in exc.errors(include_url=False, include_input=False, include_context=False)
        )
        raise ConfigurationError(faults) from None


def engine_for(settings: "Settings") -> "MemoryEngine":
    """Return an engine, which opens nothing yet. Raises ConfigurationError."""
    from context0.memory.engine import MemoryEngine

    engine = MemoryEngine(settings)
    keep_structlog_off_stdout()
    return engine


@asynccontextmanager
async def open_parts(settings: "Settings") -> AsyncIterator["EngineParts"]:
    """Open the stores alone, without the work in the background that an engine does, and close them at the end."""
    from context0.runtime import build_parts

    parts = build_parts(settings)
    keep_structlog_off_stdout()
    try:
        await parts.documents.open()
        await parts.graph.open()
        yield parts
    finally:
        for part in (parts.vectors, parts.graph, parts.documents, parts.embedder):
            await part.aclose()
