"""The commands `import` and `export`: memories as lines of JSON, from a file or into one."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from context0.cli.line_files import STANDARD, opened, pieces_of, whole_file
from context0.cli.opening import engine_for, run, settings_for
from context0.cli.options import JsonOption, StoreOption, UserOption, VerboseOption
from context0.cli.output import console, one_line, print_error, print_json
from context0.errors import InvalidInput

if TYPE_CHECKING:
    from context0.memory.importing import LineReading
    from context0.memory.ingest import IngestCount
    from context0.settings import Settings

MOST_TOLD: Final = 100
"""So many bad lines are shown; all are counted."""
FAILED: Final = 1

commands: Final = typer.Typer()


@commands.command(name="import")
def import_memories(
    file: Annotated[str, typer.Argument(help="A file of lines, or - for stdin.")],
    *,
    user: UserOption,
    file_format: Annotated[Literal["ndjson"], typer.Option("--format", help="One JSON object a line.")] = "ndjson",
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first line that cannot be taken.")] = False,
    as_json: JsonOption = False,
    store: StoreOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Add the memories of a file: of `context0 export`, or lines such as {"content": "…", "speaker": "Anna"}.

    What is there already is not added again, so after a failure just start again. Exit code 1 when lines were left
    out: each is told with its number, and the others are added.
    """
    del file_format  # there is one
    from context0.memory.importing import LineReading

    reading = LineReading(None if strict else _BadLines())
    with _progress(file) as progress:
        count = run(_import(settings_for(store), file, user, reading, progress), verbose=verbose)
    _check_end(reading)
    if as_json:
        print_json({**asdict(count), "refused": reading.refused, "passed_over": reading.passed_over})
    else:
        typer.echo(
            f"{count.added} memories added, {count.known} known already, {reading.refused} lines left out,"
            f" in {count.elapsed_s:.1f} s"
        )
    raise typer.Exit(FAILED if reading.refused else 0)


@commands.command()
def export(
    *,
    user: UserOption,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write to this file; default: stdout.")] = None,
    store: StoreOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Write all memories of a user, in the order in which they came, with former versions: one JSON object a line.

    The last line has the kind `end` and the number of memories; without it, it is not whole.
    """
    number = run(_export(settings_for(store), user, out), verbose=verbose)
    if out is not None:
        typer.echo(f"{number} memories written to {out}")


def _check_end(reading: "LineReading") -> None:
    """Warn if an export ended before its last line, or holds another number of memories than that says."""
    if reading.told is not None and reading.told != reading.items:
        print_error(f"warning: the export says that it holds {reading.told} memories, but it holds {reading.items}")
    elif reading.whole is False:
        print_error("warning: the last line of the export is missing; it may not be whole")


class _BadLines:
    """Shows lines that cannot be taken, up to a number."""

    def __init__(self) -> None:
        self._count = 0

    def __call__(self, number: int, reason: Exception) -> None:
        self._count += 1
        if self._count <= MOST_TOLD:
            print_error(one_line(f"line {number}: {reason}"))
        if self._count == MOST_TOLD + 1:
            print_error("more lines were left out; they are counted, and not shown")


async def _import(
    settings: "Settings", name: str, user: str, reading: "LineReading", progress: Callable[["IngestCount", int], None]
) -> "IngestCount":
    from context0.errors import IdempotencyMismatch
    from context0.memory.importing import lines_in
    from context0.memory.ingest import IngestStopped
    from context0.memory.transfer import MAX_LINE_BYTES
    from context0.tasks.brokers import is_in_process

    read_bytes = 0

    async def counted(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        nonlocal read_bytes
        async for piece in pieces:
            read_bytes += len(piece)
            yield piece

    async with opened(name) as file, engine_for(settings) as engine:
        try:
            return await reading.take(
                engine,
                lines_in(counted(pieces_of(file)), max_bytes=MAX_LINE_BYTES),
                user_id=user,
                on_progress=lambda count: progress(count, read_bytes),
                wait=is_in_process(settings.task_url),
            )
        except IngestStopped as exc:
            cause, line = exc.__cause__, reading.line_of(exc.count.read + 1)
            if not isinstance(cause, InvalidInput | IdempotencyMismatch):
                raise
            raise InvalidInput(f"line {line}", f"{cause}; what stands before it is added") from exc


async def _export(settings: "Settings", user: str, path: Path | None) -> int:
    from context0.memory.transfer import END, MEMORY, line, memory_line

    number = 0
    async with engine_for(settings) as engine, whole_file(path) as out:
        async for memory, former in engine.export(user_id=user):
            await out.put(memory_line(memory, former))
            number += 1
        await out.put(line(END, {MEMORY: number}))
    return number


@contextmanager
def _progress(name: str) -> Iterator[Callable[["IngestCount", int], None]]:
    """Yield what moves a bar on stderr; nothing is left of it, and a file or pipe gets nothing."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    err = console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    size = None if name == STANDARD or not Path(name).is_file() else Path(name).stat().st_size
    with Progress(*columns, console=err, transient=True, refresh_per_second=4, disable=not err.is_terminal) as bar:
        task = bar.add_task("importing", total=size)

        def move(count: "IngestCount", read_bytes: int) -> None:
            rate = count.read / max(count.elapsed_s, 1e-9)
            bar.update(task, completed=read_bytes, description=f"{count.read} memories, {rate:,.0f} a second")

        yield move
