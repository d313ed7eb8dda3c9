"""The command `reindex`: every vector anew, with the configured model."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import typer

from context0.cli.opening import open_parts, run, settings_for
from context0.cli.options import EveryoneOption, JsonOption, StoreOption, VerboseOption
from context0.cli.output import console, print_json

if TYPE_CHECKING:
    from rich.progress import Progress

    from context0.memory.parts import EngineParts
    from context0.memory.reindexing import ReindexReport
    from context0.settings import Settings

commands: Final = typer.Typer()


@commands.command()
def reindex(
    *,
    user: EveryoneOption = None,
    as_json: JsonOption = False,
    store: StoreOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Embed every memory anew: after the embedding model was changed, or to repair vectors.

    End other processes that still use the former model first. Safe to interrupt: run it again. One user alone can be
    done while the model stays the same.
    """
    with _progress_bar() as bar:
        report = run(_reindex(settings_for(store), user, bar), verbose=verbose)
    if as_json:
        print_json(report)
        return
    before = "" if report.former_model is None else f", before: {report.former_model}"
    typer.echo(
        f"{report.memories} memories of {report.owners} users embedded with {report.model}"
        f" ({report.dimension} dimensions{before}) in {report.elapsed_s:.1f} s"
    )


async def _reindex(settings: "Settings", user: str | None, bar: "Progress") -> "ReindexReport":
    from context0.memory.model_guard import ModelGuard
    from context0.memory.reindexing import reindex as reindex_store

    async with open_parts(settings) as parts:
        task = bar.add_task("embedding", total=await _size(parts, user))
        guard = ModelGuard(parts.documents, parts.embedder)
        return await reindex_store(
            parts, guard, user_id=user, progress=lambda done: bar.update(task, completed=done, refresh=True)
        )


async def _size(parts: "EngineParts", user: str | None) -> int:
    """Return how many memories there are to do, as far as the store can tell."""
    if user is not None:
        from context0.memory.inputs import check_scope

        return (await parts.documents.count(check_scope(user)))["memories"]
    facts = await parts.documents.status()
    return sum(int(number) for name, number in facts.items() if name.startswith("index_"))


@contextmanager
def _progress_bar() -> Iterator["Progress"]:
    """Yield a bar on stderr; nothing is left of it, and a file or pipe gets nothing."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    err = console(stderr=True)
    with Progress(*columns, console=err, transient=True, refresh_per_second=4, disable=not err.is_terminal) as bar:
        yield bar
