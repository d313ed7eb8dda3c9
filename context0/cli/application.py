"""Puts the commands together, and turns every failure into one line on stderr and an exit code.

Exit codes: 0 done, 1 failed, 2 bad usage or input, 130 interrupted; a command's own are in its help.
"""

import os
import sys
from collections.abc import Sequence
from typing import Annotated, Final

import typer
from typer.main import get_command

from context0 import __version__
from context0.cli import (
    auditing,
    chatting,
    doctoring,
    evaluating,
    keys,
    memories,
    models,
    quarantining,
    receipts,
    reindexing,
    serving,
    tasks,
    touring,
    transferring,
    working,
)
from context0.cli.options import StoreOption, VerboseOption
from context0.cli.output import one_line, print_error, use_utf8
from context0.errors import ConfigurationError, Context0Error, InvalidInput
from stores.errors import InvalidCursor, InvalidFilter, StoreError

FAILED: Final = 1
BAD_INPUT: Final = 2
INTERRUPTED: Final = 130

app: Final = typer.Typer(add_completion=False, invoke_without_command=True)
for part in (
    *(touring, memories, chatting, serving, keys, doctoring, reindexing, evaluating, models),
    *(transferring, working, tasks, quarantining, receipts, auditing),
):
    app.add_typer(part.commands)


@app.callback()
def context0(
    context: typer.Context,
    *,
    store: StoreOption = None,
    verbose: VerboseOption = False,
    version: Annotated[bool, typer.Option("--version", help="Show the version and end.")] = False,
) -> None:
    """The memory that any assistant can have: add what was said, find it again by meaning, word, person and date."""
    if version:
        typer.echo(f"context0 {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(BAD_INPUT)
    context.default_map = {context.invoked_subcommand: {"store": store, "verbose": verbose}}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code. arguments: None takes those of the process."""
    use_utf8()
    try:
        code: int | None = get_command(app).main(arguments, prog_name="context0", standalone_mode=False)
        sys.stdout.flush()
    except typer.TyperException as exc:
        return _failed(exc.format_message().rstrip(".") + _hint(exc), "usage", BAD_INPUT)
    except (InvalidInput, ConfigurationError, InvalidFilter, InvalidCursor) as exc:
        return _failed(str(exc), exc.code, BAD_INPUT)
    except (Context0Error, StoreError) as exc:
        return _failed(str(exc), exc.code, FAILED)
    except BrokenPipeError:
        # Whoever read our output has enough (`context0 list | head`); the flush at exit must not fail on it again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except OSError as exc:
        return _failed(str(exc) or type(exc).__name__, "os", FAILED)
    if code == INTERRUPTED:
        return _failed("stopped by Ctrl-C; what was acknowledged is kept", "interrupted", INTERRUPTED)
    return code or 0


def _failed(message: str, code: str, exit_code: int) -> int:
    print_error(f"error: {one_line(message)} ({code})")
    return exit_code


def _hint(exc: typer.TyperException) -> str:
    """Return where the right usage stands, if the error knows its command."""
    context = getattr(exc, "ctx", None)
    return "" if context is None else f"; see `{context.command_path} --help`"
