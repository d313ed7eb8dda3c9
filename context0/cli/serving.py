"""The command `serve`: the HTTP service."""

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from context0.cli.opening import settings_for
from context0.cli.options import StoreOption, VerboseOption
from context0.cli.output import print_error

if TYPE_CHECKING:
    from context0.settings import Settings

DEV_WARNING: Final = (
    'warning: --dev: no key is asked for. Everything that this machine sends is taken as the user "dev";'
    " nothing else can reach it. Never put a proxy before it."
)
commands: Final = typer.Typer()


@commands.command()
def serve(
    *,
    host: Annotated[str | None, typer.Option(help="The address to listen on; default: CONTEXT0_HOST.")] = None,
    port: Annotated[int | None, typer.Option(help="The port; 0: any free one. Default: CONTEXT0_PORT.")] = None,
    dev: Annotated[bool, typer.Option("--dev", help="Only on this machine: everybody is the user `dev`.")] = False,
    store: StoreOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Serve memories and chats over HTTP until Ctrl-C; the first line of output tells the address.

    Requests need an API key (`context0 keys create`) or a token (CONTEXT0_JWT_SECRET, CONTEXT0_JWT_JWKS_URL).
    The log goes to stderr, a line of JSON for each event.
    """
    changed: dict[str, Any] = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    settings = settings_for(store, **changed)
    if dev:
        print_error(DEV_WARNING)
    from context0.observability.logs import structured_logs

    with structured_logs(level="DEBUG" if verbose else settings.log_level):
        asyncio.run(_serve(settings, dev=dev))


async def _serve(settings: "Settings", *, dev: bool) -> None:
    from context0.api import opening
    from context0.api.measuring import open_measuring
    from context0.memory.engine import MemoryEngine
    from context0.runtime import build_keys

    if dev:
        opening.check_dev(settings.host)
    async with MemoryEngine(settings) as engine, aclosing(build_keys(settings)) as keys:
        if not dev:
            await keys.open()
        authenticator = await opening.authenticator_for(settings, keys, dev=dev)
        await engine.chats()  # opens the stores now: what cannot be served is told before anybody asks
        async with open_measuring(settings, engine.recorder) as measuring:
            await opening.serve(
                settings,
                engine,
                authenticator,
                on_start=_tell,
                observe=measuring.observe,
                routers=measuring.routers,
            )


def _tell(address: str) -> None:
    typer.echo(f"context0 serves {address}")
