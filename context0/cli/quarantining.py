"""The commands on memories that are kept back: see them, let them out."""

from typing import TYPE_CHECKING, Annotated, Final

import typer

from context0.cli.opening import engine_for, run, settings_for
from context0.cli.options import CursorOption, JsonOption, StoreOption, UserOption, VerboseOption
from context0.cli.output import print_json

if TYPE_CHECKING:
    from context0.settings import Settings
    from stores.records import Memory, Page

commands: Final = typer.Typer()
quarantine: Final = typer.Typer()
commands.add_typer(quarantine, name="quarantine")


@quarantine.callback()
def group() -> None:
    """See memories that read like orders to the assistant: they are stored, but in no search and no prompt."""


@quarantine.command(name="list")
def list_quarantine(
    *,
    user: UserOption,
    limit: Annotated[int, typer.Option(help="How many memories, 1 to 1000.")] = 20,
    cursor: CursorOption = None,
    as_json: JsonOption = False,
    store: StoreOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Show them page by page, newest first, with the reasons."""
    page = run(_list(settings_for(store), user, limit, cursor), verbose=verbose)
    if as_json:
        print_json(page)
    else:
        from context0.cli.tables import show_quarantine

        show_quarantine(page)


@quarantine.command()
def release(
    memory_id: Annotated[str, typer.Argument(metavar="ID", help="A memory, as `quarantine list` shows.")],
    *,
    user: UserOption,
    as_json: JsonOption = False,
    store: StoreOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Let a memory out: it is found from now on."""
    memory = run(_release(settings_for(store), memory_id, user), verbose=verbose)
    if as_json:
        print_json(memory)
    else:
        typer.echo(memory.id)


async def _list(settings: "Settings", user: str, limit: int, cursor: str | None) -> "Page[Memory]":
    async with engine_for(settings) as engine:
        return await engine.quarantined(user_id=user, limit=limit, cursor=cursor)


async def _release(settings: "Settings", memory_id: str, user: str) -> "Memory":
    async with engine_for(settings) as engine:
        return await engine.release(memory_id, user_id=user)
