"""The commands on audit trails: show one, and find out whether a line is missing."""

from typing import TYPE_CHECKING, Annotated, Final

import typer

from context0.cli.opening import engine_for, run, settings_for
from context0.cli.options import JsonOption, StoreOption, UserOption, VerboseOption
from context0.cli.output import local_time, one_line, print_json

if TYPE_CHECKING:
    from context0.settings import Settings
    from stores.audit import AuditHead, AuditLine

commands: Final = typer.Typer()
audit: Final = typer.Typer()
commands.add_typer(audit, name="audit")


@audit.callback()
def group() -> None:
    """See who did what with a user's memory through the service (CONTEXT0_AUDIT)."""


@audit.command(name="list")
def list_lines(
    *,
    user: UserOption,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="At most so many.")] = 50,
    before: Annotated[int | None, typer.Option(min=1, help="Only lines numbered below this.")] = None,
    as_json: JsonOption = False,
    store: StoreOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Show the lines of a user's trail, the newest first."""
    lines = run(_lines(settings_for(store), user, limit, before), verbose=verbose)
    if as_json:
        print_json({"items": lines})
        return
    for line in lines:
        told = (
            f"{line.seq}  {local_time(line.at)}  {line.actor}  {line.action}  {line.outcome}  {' '.join(line.targets)}"
        )
        typer.echo(one_line(told))


@audit.command()
def verify(
    *, user: UserOption, as_json: JsonOption = False, store: StoreOption = None, verbose: VerboseOption = False
) -> None:
    """Say whether the trail is whole, and name the first line that is missing or changed; exit code 1 then.

    Keep what it prints elsewhere from time to time: whoever writes to the store could cut the end off, and the head.
    """
    broken, head = run(_verified(settings_for(store), user), verbose=verbose)
    if as_json:
        print_json({"ok": broken is None, "first_broken": broken, "lines": head.seq, "code": head.code})
    elif broken is None:
        typer.echo(f"whole: {head.seq} lines, the last with the code {head.code or '-'}")
    else:
        typer.echo(f"broken: line {broken} of {head.seq} is missing, or not as it was written")
    if broken is not None:
        raise typer.Exit(1)


async def _lines(settings: "Settings", user: str, limit: int, before: int | None) -> "list[AuditLine]":
    from context0.memory.inputs import check_scope
    from stores.lateness import digest_of

    owner = digest_of(check_scope(user).owner)
    async with engine_for(settings) as engine:
        trail, _ = await engine.audit_trail()
        return await trail.list_page(owner, limit=limit, before=before)


async def _verified(settings: "Settings", user: str) -> "tuple[int | None, AuditHead]":
    from context0.memory.inputs import check_scope
    from stores.audit import first_broken
    from stores.lateness import digest_of

    owner = digest_of(check_scope(user).owner)
    async with engine_for(settings) as engine:
        trail, key = await engine.audit_trail()
        return await first_broken(trail, owner, key), await trail.head(owner)
