"""The commands on API keys: create, list, revoke."""

from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated, Final

import typer

from context0.cli.opening import run, settings_for
from context0.cli.options import JsonOption, StoreOption, UserOption, VerboseOption
from context0.cli.output import local_time, one_line, print_error, print_json
from context0.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from context0.settings import Settings
    from stores.key_protocol import ApiKey

_PAGE: Final = 1_000
_SHOWN_ONCE: Final = "keep it: it is shown this once, and only its hash is stored"

commands: Final = typer.Typer()
keys: Final = typer.Typer()
commands.add_typer(keys, name="keys")

UserChoice = Annotated[str | None, typer.Option("--user", metavar="USER", help="Only this user's keys.")]


@keys.callback()
def group() -> None:
    """Make and revoke API keys of the HTTP service."""


@keys.command()
def create(
    *,
    user: UserOption,
    name: Annotated[str, typer.Option(help="What the key is for; shown by `keys list`.")] = "",
    operator: Annotated[bool, typer.Option("--operator", help="It also reads the metrics of the service.")] = False,
    as_json: JsonOption = False,
    store: StoreOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Make a key that opens the user's memory, and print it."""
    key, made = run(_create(settings_for(store), user, name, operator=operator), verbose=verbose)
    if as_json:
        print_json({"key": key, **_public(made)})
    else:
        typer.echo(key)
        print_error(_SHOWN_ONCE)


@keys.command(name="list")
def list_keys(
    *, user: UserChoice = None, as_json: JsonOption = False, store: StoreOption = None, verbose: VerboseOption = False
) -> None:
    """Show keys, without their secret part."""
    found = run(_list(settings_for(store), user), verbose=verbose)
    if as_json:
        print_json({"items": [_public(key) for key in found]})
        return
    for key in found:
        state = "in use" if key.revoked_at is None else f"revoked {local_time(key.revoked_at)}"
        scope = "  (operator)" if key.operator else ""
        typer.echo(one_line(f"c0_{key.id}_…  {local_time(key.created_at)}  {state}  {key.owner}{scope}  {key.name}"))


@keys.command()
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="[KEY]", help="A key, or its id.")] = "",
    *,
    user: Annotated[str | None, typer.Option("--user", metavar="USER", help="All keys of this user.")] = None,
    as_json: JsonOption = False,
    store: StoreOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Revoke one key, or all keys of a user, for good; running services follow within CONTEXT0_KEY_CACHE_S."""
    if (not key_id) == (user is None):
        raise InvalidInput("key", "name either a key or --user")
    revoked = run(_revoke(settings_for(store), key_id, user), verbose=verbose)
    if as_json:
        print_json({"revoked": revoked})
    else:
        typer.echo(f"{revoked} revoked")


async def _create(settings: "Settings", user: str, name: str, *, operator: bool) -> "tuple[str, ApiKey]":
    from context0.api.keys import new_key
    from context0.clock import SystemClock
    from context0.runtime import build_keys

    key, made = new_key(user, name=name, operator=operator, now=SystemClock().now())
    async with aclosing(build_keys(settings)) as store:
        await store.open()
        await store.put(made)
    return key, made


async def _list(settings: "Settings", user: str | None) -> "Sequence[ApiKey]":
    from context0.memory.inputs import check_scope
    from context0.runtime import build_keys

    owner = None if user is None else check_scope(user).owner
    found: list[ApiKey] = []
    async with aclosing(build_keys(settings)) as store:
        await store.open()
        while page := await store.list_page(owner=owner, limit=_PAGE, after=found[-1].id if found else ""):
            found += page
    return found


async def _revoke(settings: "Settings", key_id: str, user: str | None) -> int:
    from context0.clock import SystemClock
    from context0.runtime import build_keys

    ids = [key_id.split("_")[1] if key_id.startswith("c0_") else key_id]
    if user is not None:
        ids = [key.id for key in await _list(settings, user)]
    async with aclosing(build_keys(settings)) as store:
        await store.open()
        if user is None and await store.find(ids[0]) is None:
            raise InvalidInput("key", "there is no such key; look at `context0 keys list`")
        return await store.revoke(ids, now=SystemClock().now())


def _public(key: "ApiKey") -> dict[str, object]:
    return {
        "id": key.id,
        "user": key.owner,
        "name": key.name,
        "operator": key.operator,
        "created_at": key.created_at,
        "revoked_at": key.revoked_at,
    }
