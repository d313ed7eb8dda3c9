"""The command `evaluate`: how much of the evidence searches find in recorded conversations."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal, cast

import typer

from context0.cli.logs import keep_structlog_off_stdout, logs_to_stderr
from context0.cli.opening import settings_for
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
    fusion: Annotated[
        Literal["score", "rank"], typer.Option(help="What of the arms is added up: z-scores, or reciprocal ranks.")
    ] = "score",
    ablate: Annotated[bool, typer.Option("--ablate", help="Show what each arm and each signal gives.")] = False,
    folds: Annotated[
        int, typer.Option(metavar="N", min=0, help="Cross-validate the weights over N folds of conversations.")
    ] = 0,
    as_json: Annotated[
        Path | None, typer.Option("--json", metavar="PATH", help="Write the figures here too; - prints only JSON.")
    ] = None,
    verbose: VerboseOption = False,
) -> None:
    """Measure evidence recall: one turn is one memory, every question is one search."""
    from context0.evaluation.command import EvaluationRequest, run_evaluation
    from context0.evaluation.storing import RunOptions
    from context0.runtime import build_parts

    request = EvaluationRequest(
        data_paths=(*data, *(more or ())),
        store_url=store,
        limit_conversations=limit_conversations,
        options=RunOptions(merge=merge, strategies=_arms(strategies), fusion=fusion, ablation=ablate, folds=folds),
        json_path=as_json,
    )
    with logs_to_stderr(verbose=verbose):
        keep_structlog_off_stdout()
        code = run_evaluation(request, lambda url: build_parts(settings_for(url)))
    raise typer.Exit(code)


def _arms(text: str | None) -> "tuple[ArmName, ...] | None":
    """Return the arms named in `text`; the engine checks the names."""
    return cast("tuple[ArmName, ...]", tuple(name.strip() for name in text.split(","))) if text else None
