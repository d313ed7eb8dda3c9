"""The commands on one user's memories: add, search, list."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, cast

import typer

from context0.cli.opening import engine_for, run, settings_for
from context0.cli.options import CursorOption, FilterOption, JsonOption, StoreOption, UserOption, VerboseOption
from context0.cli.output import print_error, print_json
from context0.errors import InvalidInput

if TYPE_CHECKING:
    from context0.memory.inputs import MemoryFields
    from context0.memory.results import SearchResult
    from context0.settings import Settings
    from stores.records import Memory, MemoryType, Page

TIME_HELP: Final = "ISO time such as 2026-05-01 or 2026-05-01T10:00+02:00; without an offset it is local."

commands: Final = typer.Typer()


@commands.command()
def add(
    text: Annotated[str, typer.Argument(help="What to remember.")],
    *,
    user: UserOption,
    speaker: Annotated[str | None, typer.Option(help="Who said it.")] = None,
    session: Annotated[str | None, typer.Option(help="The conversation that it belongs to.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="A tag; may be repeated.")] = None,
    at: Annotated[str | None, typer.Option(metavar="TIME", help=f"When it was said or happened: {TIME_HELP}")] = None,
    memory_type: Annotated[
        str, typer.Option("--type", help="semantic, episodic, procedural, emotional, preference or working.")
    ] = "semantic",
    as_json: JsonOption = False,
    store: StoreOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Remember a text. The same text twice is one memory."""
    fields: MemoryFields = {
        "speaker": speaker,
        "session_id": session,
        "tags": tag or (),
        "occurred_at": _time("at", at),
        "memory_type": cast("MemoryType", memory_type),  # checked by the engine
    }
    memory = run(_add(settings_for(store), text, user, fields), verbose=verbose)
    if as_json:
        print_json(memory)
    else:
        typer.echo(memory.id)
    if memory.index.state != "done":
        print_error("warning: it is found by word, and by meaning once it could be embedded; see `context0 doctor`")


async def _add(settings: "Settings", text: str, user: str, fields: "MemoryFields") -> "Memory":
    async with engine_for(settings) as engine:
        memory = await engine.add(text, user_id=user, wait=True, **fields)
        return memory if memory.index.state == "done" else await engine.get(memory.id, user_id=user)


@commands.command()
def search(
    query: Annotated[str, typer.Argument(help="What to look for.")],
    *,
    user: UserOption,
    limit: Annotated[int, typer.Option(help="How many memories, 1 to 1000.")] = 10,
    cursor: CursorOption = None,
    filters: FilterOption = None,
    since: Annotated[str | None, typer.Option(metavar="TIME", help=f"Not before: {TIME_HELP}")] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help=f"Before: {TIME_HELP}")] = None,
    strategies: Annotated[
        str | None, typer.Option(metavar="A,B", help="Only these of semantic, keyword, entity, temporal.")
    ] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Say how the question was read, and the ranks.")] = False,
    as_json: JsonOption = False,
    store: StoreOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Find memories by meaning, word, person and date; best first."""
    options: dict[str, Any] = {
        "cursor": cursor,
        "filters": _filters(filters),
        "since": _time("since", since),
        "until": _time("until", until),
        "strategies": None if strategies is None else [name.strip() for name in strategies.split(",")],
        "explain": explain,
    }
    result = run(_search(settings_for(store), query, user, limit, options), verbose=verbose)
    if as_json:
        print_json(result)
    else:
        from context0.cli.tables import show_search

        show_search(result)
    if result.degraded:
        print_error(f"warning: degraded, these arms did not answer: {', '.join(result.degraded)}")


async def _search(
    settings: "Settings", query: str, user: str, limit: int, options: Mapping[str, Any]
) -> "SearchResult":
    async with engine_for(settings) as engine:
        return await engine.search(query, user_id=user, limit=limit, **options)


@commands.command(name="list")
def list_memories(
    *,
    user: UserOption,
    limit: Annotated[int, typer.Option(help="How many memories, 1 to 1000.")] = 20,
    cursor: CursorOption = None,
    as_json: JsonOption = False,
    store: StoreOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Show memories page by page, newest first."""
    page = run(_list(settings_for(store), user, limit, cursor), verbose=verbose)
    if as_json:
        print_json(page)
    else:
        from context0.cli.tables import show_page

        show_page(page)


async def _list(settings: "Settings", user: str, limit: int, cursor: str | None) -> "Page[Memory]":
    async with engine_for(settings) as engine:
        return await engine.list(user_id=user, limit=limit, cursor=cursor)


def _time(field: str, text: str | None) -> datetime | None:
    """Return an aware time; one without an offset is meant as people say it, in the time of this machine."""
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError) as exc:
        raise InvalidInput(field, f"{text[:40]!r} is no ISO time; write 2026-05-01 or 2026-05-01T10:00+02:00") from exc


def _filters(text: str | None) -> Any:
    if text is None:
        return None
    try:
        return json.loads(text)
    except ValueError as exc:
        raise InvalidInput("filter", f'is no JSON ({exc}); write for example {{"speaker": "Anna"}}') from exc
