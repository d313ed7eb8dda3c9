"""The command `models export`: an int8 ONNX model for the embedding provider "onnx"."""

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import typer

from context0.cli.logs import logs_to_stderr
from context0.cli.options import JsonOption, VerboseOption
from context0.cli.output import print_json

commands: Final = typer.Typer()
models: Final = typer.Typer()
commands.add_typer(models, name="models")


@models.callback()
def group() -> None:
    """Make embedding models that run on this machine."""


@models.command("export")
def export_model(
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="A folder as sentence-transformers saves it.")],
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="The folder to make; it may not hold anything yet.")],
    *,
    as_json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Make an int8 ONNX model out of a sentence-transformers model, and compare the vectors of both.

    This needs the extra `torch`; using the model needs only `semantic`.
    """
    from context0.embeddings.onnx_export import export

    with logs_to_stderr(verbose=verbose):
        report = export(source, target)
    if as_json:
        print_json(asdict(report) | {"target": str(report.target)})
        return
    typer.echo(
        f"{report.target}: {report.model_bytes / 1e6:.0f} MB, {report.dimension} dimensions, up to {report.max_tokens}"
        f" tokens, {report.pooling} pooling"
    )
    typer.echo(
        f"cosine to the source's vectors on {report.sentences} sentences: {report.mean_cosine:.3f} on average,"
        f" {report.lowest_cosine:.3f} at least"
    )
    typer.echo(
        f"to use it: CONTEXT0_EMBEDDING_PROVIDER=onnx CONTEXT0_EMBEDDING_MODEL={shlex.quote(str(report.target))}"
    )
