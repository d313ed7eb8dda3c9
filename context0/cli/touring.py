"""The command `demo`: a tour over a sample conversation."""

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Final

import typer

from context0.cli.opening import engine_for, run, settings_for
from context0.cli.options import JsonOption, StoreOption, VerboseOption
from context0.cli.output import console, print_json
from context0.errors import InvalidInput

commands: Final = typer.Typer()


@commands.command()
def demo(
    *,
    path: Annotated[
        Path | None, typer.Option(help="The SQLite file to use; default: a temporary one, removed at the end.")
    ] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Write a sample conversation into a store, reopen it, ask ten questions, page, update, chat, erase.

    Needs no network: vectors are made and searched on this machine, whatever the environment says. Exit code 1 when
    something that must hold did not.
    """
    if path is not None and store is not None:
        raise InvalidInput("path", "is a file, --store a URL; give one of them")
    with ExitStack() as cleaning:
        if store is None:
            path = (
                path or Path(cleaning.enter_context(tempfile.TemporaryDirectory(prefix="context0-demo-"))) / "demo.db"
            )
            store = f"sqlite:///{path}"
        ok = _tour(store, as_json=as_json, verbose=verbose)
    if not ok:
        raise typer.Exit(1)


def _tour(store: str, *, as_json: bool, verbose: bool) -> bool:
    from context0.demo.render import show
    from context0.demo.run import run_demo

    settings = settings_for(store, vector_url="local://", embedding_provider="static", embedding_model="")
    report = run(run_demo(lambda: engine_for(settings)), verbose=verbose)
    if as_json:
        print_json(report.as_dict())
    else:
        show(report, console())
    return report.ok
