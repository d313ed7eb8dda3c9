"""The commands `import` and `export`: memories as lines of JSON, from a file or into one."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from context0.cli.line_files import STANDARD, lines_of, opened, whole_file
from context0.cli.opening import engine_for, run, settings_for
from context0.cli.options import JsonOption, StoreOption, UserOption, VerboseOption
from context0.cli.output import console, one_line, print_error, print_json
from context0.errors import InvalidInput

if TYPE_CHECKING:
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
    reading = _Reading(strict=strict)
    with _progress(file) as progress:
        count = run(_import(settings_for(store), file, user, reading, progress), verbose=verbose)
    reading.check_end()
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


class _Reading:
    """What has been read of a file: which line an item stands in, and which could not be taken."""

    def __init__(self, *, strict: bool) -> None:
        self._strict = strict
        self._lines: dict[int, int] = {}
        self._items = 0
        self._memories = 0
        self._end: Mapping[str, Any] | None = None
        self._is_export = False
        self.refused = 0
        self.passed_over: Counter[str] = Counter()

    @property
    def on_refused(self) -> Callable[[int, Exception], None] | None:
        return None if self._strict else self._refuse_item

    async def items(self, numbered: AsyncIterator[tuple[int, bytes]]) -> AsyncIterator[Mapping[str, Any]]:
        from context0.memory.transfer import read_line

        async for number, text in numbered:
            if not text.strip():
                continue
            try:
                line = read_line(text)
            except InvalidInput as exc:
                if self._strict:
                    self._lines[self._items + 1] = number
                    raise
                self._refuse(number, exc)
                continue
            self._is_export = self._is_export or line.exported
            if line.kind == "end":
                self._end = line.fields
            elif line.kind == "other":
                self.passed_over["not a memory"] += 1
            else:
                self._items += 1
                self._memories += 1
                self._lines[self._items] = number
                yield line.fields

    def line_of(self, item: int) -> int:
        """Return the line of an item that was read and is not done yet."""
        return self._lines.get(item, 0)

    def done(self, items: int) -> None:
        for item in [item for item in self._lines if item <= items]:
            del self._lines[item]

    def check_end(self) -> None:
        """Warn if an export ended before its last line, or holds another number of memories than that says."""
        if self._end is None:
            if self._is_export:
                print_error("warning: the last line of the export is missing; it may not be whole")
        elif (told := self._end.get("memory")) != self._memories:
            print_error(f"warning: the export says that it holds {told} memories, but it holds {self._memories}")

    def _refuse_item(self, item: int, reason: Exception) -> None:
        self._refuse(self.line_of(item), reason)

    def _refuse(self, number: int, reason: Exception) -> None:
        self.refused += 1
        if self.refused <= MOST_TOLD:
            print_error(one_line(f"line {number}: {reason}"))
        if self.refused == MOST_TOLD + 1:
            print_error("more lines were left out; they are counted, and not shown")


async def _import(
    settings: "Settings", name: str, user: str, reading: _Reading, progress: Callable[["IngestCount", int], None]
) -> "IngestCount":
    from context0.errors import IdempotencyMismatch
    from context0.memory.ingest import IngestStopped
    from context0.memory.transfer import MAX_LINE_BYTES
    from context0.tasks.brokers import is_in_process

    read_bytes = 0

    async def counted(numbered: AsyncIterator[tuple[int, bytes]]) -> AsyncIterator[tuple[int, bytes]]:
        nonlocal read_bytes
        async for number, text in numbered:
            read_bytes += len(text) + 1
            yield number, text

    def told(count: "IngestCount") -> None:
        reading.done(count.read)
        progress(count, read_bytes)

    async with opened(name) as file, engine_for(settings) as engine:
        try:
            return await engine.ingest(
                reading.items(counted(lines_of(file, max_bytes=MAX_LINE_BYTES))),
                user_id=user,
                on_progress=told,
                on_refused=reading.on_refused,
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
