"""The commands on background work: what waits, what was given up and why; try it again, or leave it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final

import typer

from context0.cli.opening import open_parts, run, settings_for
from context0.cli.options import EveryoneOption, JsonOption, StoreOption, VerboseOption
from context0.cli.output import local_time, one_line, print_json
from context0.errors import InvalidInput

if TYPE_CHECKING:
    from context0.settings import Settings
    from stores.records import FailedWork, Scope

commands: Final = typer.Typer()
tasks: Final = typer.Typer()
commands.add_typer(tasks, name="tasks")

IdsArgument = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Memories, as `tasks list` shows.")]
AllOption = Annotated[bool, typer.Option("--all", help="Everything that was given up.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenUp:
    """One memory whose index work was given up."""

    user: str
    id: str
    attempts: int
    reason: str
    failed_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """states: how many memories are in which index state, of all users."""

    states: Mapping[str, int]
    worker_seen_at: datetime | None
    items: Sequence[GivenUp]
    more: bool


@tasks.callback()
def group() -> None:
    """See the index work that was given up: such memories are found by word, person and date, not by meaning."""


@tasks.command(name="list")
def list_tasks(
    *,
    user: EveryoneOption = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="At most so many.")] = 100,
    as_json: JsonOption = False,
    store: StoreOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Show what waits, when a worker was last seen, and what was given up, with the reason."""
    told = run(_list(settings_for(store), user, limit), verbose=verbose)
    if as_json:
        print_json(told)
        return
    seen = "never seen" if told.worker_seen_at is None else f"seen {local_time(told.worker_seen_at)}"
    typer.echo(f"{told.states.get('pending', 0)} wait, {told.states.get('failed', 0)} given up; worker: {seen}")
    for work in told.items:
        when = "" if work.failed_at is None else local_time(work.failed_at)
        typer.echo(one_line(f"{work.id}  {when}  {work.attempts} attempts  {work.reason}  {work.user}"))
    if told.more:
        typer.echo("more: raise --limit")


@tasks.command()
def retry(
    ids: IdsArgument = None,
    *,
    everything: AllOption = False,
    user: EveryoneOption = None,
    as_json: JsonOption = False,
    store: StoreOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Try given-up work again: whoever works on the store takes it up at once."""
    number = run(_decide(settings_for(store), "retry", _chosen(ids, everything=everything), user), verbose=verbose)
    _tell("retried", number, as_json=as_json)


@tasks.command()
def drop(
    ids: IdsArgument = None,
    *,
    everything: AllOption = False,
    user: EveryoneOption = None,
    as_json: JsonOption = False,
    store: StoreOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Leave given-up work undone, and list it no more. No memory is removed."""
    number = run(_decide(settings_for(store), "drop", _chosen(ids, everything=everything), user), verbose=verbose)
    _tell("dropped", number, as_json=as_json)


def _chosen(ids: "Sequence[str] | None", *, everything: bool) -> "Sequence[str] | None":
    if bool(ids) == everything:
        raise InvalidInput("id", "name memories, or --all")
    return ids or None


def _tell(done: str, number: int, *, as_json: bool) -> None:
    if as_json:
        print_json({done: number})
    else:
        typer.echo(f"{number} {done}")


async def _list(settings: "Settings", user: str | None, limit: int) -> Listing:
    from context0.memory.announcing import Presence
    from context0.memory.dead_letters import DeadLetters

    async with open_parts(settings) as parts:
        page = await DeadLetters(parts.documents).page(limit=limit, scope=_scope_of(user))
        facts = await parts.documents.status()
        seen = await Presence(parts.documents, fresh_s=0).seen_at()
    states = {name.removeprefix("index_"): int(n) for name, n in facts.items() if name.startswith("index_")}
    items = [_public(work) for work in page.items]
    return Listing(states=states, worker_seen_at=seen, items=items, more=page.next_cursor is not None)


async def _decide(settings: "Settings", act: str, ids: "Sequence[str] | None", user: str | None) -> int:
    from context0.memory.dead_letters import DeadLetters

    async with open_parts(settings) as parts:
        letters: DeadLetters = DeadLetters(parts.documents)
        decide = letters.retry if act == "retry" else letters.drop
        return await decide(scope=_scope_of(user), ids=ids)


def _scope_of(user: str | None) -> "Scope | None":
    from context0.memory.inputs import check_scope

    return None if user is None else check_scope(user)


def _public(work: "FailedWork") -> GivenUp:
    return GivenUp(
        user=work.scope.owner,
        id=work.id,
        attempts=work.attempts,
        reason=work.reason,
        failed_at=work.failed_at,
    )
