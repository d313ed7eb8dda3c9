"""The command `doctor`: is everything there, does it answer, is anything left undone."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import typer

from context0.cli.opening import run, settings_for
from context0.cli.options import JsonOption, StoreOption, VerboseOption
from context0.cli.output import console, print_json, printable

if TYPE_CHECKING:
    from context0.cli.check import Check, Level

commands: Final = typer.Typer()
EXIT_CODES: Final = {"ok": 0, "warning": 1, "failure": 2}
COLORS: Final = {"ok": "green", "warning": "yellow", "failure": "red"}


@commands.command()
def doctor(*, as_json: JsonOption = False, store: StoreOption = None, verbose: VerboseOption = False) -> None:
    """Check versions, secrets, permissions, store, indexes, clock, work left, embedding model, cache, broker and disk.

    Exit code 0 when all is fine, 1 with warnings, 2 when something cannot be reached or used.
    """
    from context0.cli.checks import examine

    checks = run(examine(settings_for(store)), verbose=verbose)
    level: Level = max((check.level for check in checks), key=lambda level: EXIT_CODES[level])
    if as_json:
        print_json({"level": level, "checks": [asdict(check) for check in checks]})
    else:
        _show(checks)
    raise typer.Exit(EXIT_CODES[level])


def _show(checks: Sequence["Check"]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD)
    for name in ("check", "", "found"):
        table.add_column(name)
    for check in checks:
        told = check.found if not check.advice else f"{check.found}\n→ {check.advice}"
        table.add_row(check.name, Text(check.level, style=COLORS[check.level]), Text(printable(told)))
    console().print(table)
