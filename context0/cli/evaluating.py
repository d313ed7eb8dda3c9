"""The command `evaluate`: how much of the evidence searches find in recorded conversations."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, cast

import typer

from context0.cli.logs import logs_to_stderr
from context0.cli.opening import engine_for, settings_for
from context0.cli.options import VerboseOption

if TYPE_CHECKING:
    from context0.memory.inputs import ArmName

commands: Final = typer.Typer()


@commands.command()
def evaluate(
    *,
    more: Annotated[list[Path] | None, typer.Argument(hidden=True)] = None,
    data: Annotated[list[Path], typer.Option(metavar="PATH", help=".jsonl or .jsonl.gz; may be repeated.")],
    store: Annotated[
        str | None,
        typer.Option(metavar="URL", help="A store without these conversations; default: a temporary SQLite file."),
    ] = None,
    limit_conversations: Annotated[int | None, typer.Option(metavar="N", help="Only the first N of each file.")] = None,
    strategies: Annotated[
        str | None, typer.Option(metavar="A,B", help="Search arms to ask, by comma; default: all.")
    ] = None,
    merge: Annotated[bool, typer.Option("--merge", help="Put all conversations of a file under one owner.")] = False,
    as_json: Annotated[
        Path | None, typer.Option("--json", metavar="PATH", help="Write the figures here too; - prints only JSON.")
    ] = None,
    verbose: VerboseOption = False,
) -> None:
    """Measure evidence recall: one turn is one memory, every question is one search."""
    from context0.evaluation.command import EvaluationRequest, run_evaluation
    from context0.evaluation.runner import RunOptions

    request = EvaluationRequest(
        data_paths=(*data, *(more or ())),
        store_url=store,
        limit_conversations=limit_conversations,
        options=RunOptions(merge=merge, strategies=_arms(strategies)),
        json_path=as_json,
    )
    with logs_to_stderr(verbose=verbose):
        code = run_evaluation(request, lambda url: engine_for(settings_for(url)))
    raise typer.Exit(code)


def _arms(text: str | None) -> "tuple[ArmName, ...] | None":
    """Return the arms named in `text`; the engine checks the names."""
    return cast("tuple[ArmName, ...]", tuple(name.strip() for name in text.split(","))) if text else None
