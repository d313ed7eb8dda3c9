"""What can be said at the terminal beside messages: one function a command, and their table."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, cast, get_args

import typer

from context0.cli.chat_listings import show_history, show_memories, show_receipt, show_sessions, show_why
from context0.cli.chat_talk import Talk
from context0.cli.chat_views import told_of
from context0.cli.output import one_line
from context0.errors import InvalidInput
from context0.privacy.modes import check_mode
from context0.privacy.report import PRIVACY_MODES
from context0.wire import Ruling

LISTED: Final = 20
YES: Final = "yes"
_WIDTH: Final = 50

Ask = Callable[[str], str]
"""Asks the person for a line. Raises EOFError, KeyboardInterrupt."""


@dataclass(frozen=True, slots=True)
class Command:
    """usage: what may follow its name. run: is given what followed."""

    run: Callable[[Talk, str, Ask], None]
    told: str
    usage: str = ""


def run_command(talk: Talk, line: str, *, ask: Ask) -> bool:
    """Run one command; False ends the talk. Raises InvalidInput, StoreError and other errors of ours."""
    name, _, argument = line.partition(" ")
    if name in QUITS:
        return False
    command = COMMANDS.get(name)
    if command is None:
        raise InvalidInput("command", f"there is no /{one_line(name)[:40]}; see /help, or begin a message with //")
    command.run(talk, argument.strip(), ask)
    return True


def _help(_talk: Talk, _argument: str, _ask: Ask) -> None:
    for name, command in COMMANDS.items():
        typer.echo(f"{f'/{name} {command.usage}':<{_WIDTH}} {command.told}")
    typer.echo(f"{'/quit':<{_WIDTH}} end, as Ctrl-D does")
    typer.echo("Ctrl-C stops an answer. A message that begins with / is written with //.")


def _memories(talk: Talk, query: str, _ask: Ask) -> None:
    if query:
        found = talk.loop.run(talk.engine.search(query, user_id=talk.user_id, limit=LISTED))
        show_memories([item.memory for item in found.items], degraded=found.degraded)
    else:
        page = talk.loop.run(talk.engine.list(user_id=talk.user_id, limit=LISTED))
        show_memories(page.items, more=page.next_cursor is not None)


def _forget(talk: Talk, what: str, ask: Ask) -> None:
    if what == "all":
        _forget_all(talk, ask)
        return
    if not what or " " in what:
        raise InvalidInput("forget", "give the id of a memory, or last, or all; /memories shows the ids")
    if what == "last":
        list(talk.late(wait=True))
    ids = talk.written if what == "last" else (what,)
    if not ids:
        raise InvalidInput(
            "forget", "nothing was remembered in this talk yet; /memories shows the ids of what is there"
        )
    for memory_id in ids:
        talk.loop.run(talk.engine.delete(memory_id, user_id=talk.user_id))
        typer.echo(f"forgotten: {memory_id}")
    if what == "last":
        talk.written = ()


def _forget_all(talk: Talk, ask: Ask) -> None:
    try:
        answer = ask(f"Erase every memory and conversation of {one_line(talk.user_id)}? Write {YES}: ")
    except EOFError:
        answer = ""
    if answer.strip().casefold() != YES:
        typer.echo("nothing was erased")
        return
    receipt = talk.loop.run(talk.engine.delete_all(user_id=talk.user_id))
    talk.leave_session()
    talk.written = ()
    show_receipt(receipt)


def _mode(talk: Talk, mode: str, _ask: Ask) -> None:
    if mode:
        talk.mode = check_mode(mode)
    typer.echo(f"mode: {talk.mode_in_force}; there are {', '.join(PRIVACY_MODES)}")


def _sessions(talk: Talk, session_id: str, _ask: Ask) -> None:
    if not session_id:
        page = talk.loop.run(talk.chat.sessions(user_id=talk.user_id, limit=LISTED))
        show_sessions(page.items, current=talk.session_id, more=page.next_cursor is not None)
        return
    session = talk.loop.run(talk.chat.session(session_id, user_id=talk.user_id))
    talk.leave_session()
    talk.session_id = session.id
    typer.echo(f"session {session.id}: {one_line(session.title)}")


def _new(talk: Talk, _argument: str, _ask: Ask) -> None:
    talk.leave_session()
    typer.echo("the next message begins a new session")


def _history(talk: Talk, _argument: str, _ask: Ask) -> None:
    if talk.session_id is None:
        typer.echo("this session has no messages yet")
        return
    page = talk.loop.run(talk.chat.messages(talk.session_id, user_id=talk.user_id))
    show_history(page.items, more=page.next_cursor is not None)


def _decisions(talk: Talk, _argument: str, _ask: Ask) -> None:
    page = talk.loop.run(talk.chat.decisions(user_id=talk.user_id, limit=LISTED))
    for decision in page.items:
        typer.echo(told_of(decision))
    if not page.items:
        typer.echo("no contradiction waits for you")


def _decide(talk: Talk, argument: str, _ask: Ask) -> None:
    decision_id, _, ruling = argument.partition(" ")
    if ruling.strip() not in get_args(Ruling):
        raise InvalidInput("decide", f"give the id of a decision, then one of {', '.join(get_args(Ruling))}")
    chosen = cast("Ruling", ruling.strip())
    decision = talk.loop.run(talk.chat.decide(decision_id, chosen, user_id=talk.user_id))
    typer.echo(f"decision {decision.id}: {decision.state}")


def _why(talk: Talk, _argument: str, _ask: Ask) -> None:
    if not talk.used:
        typer.echo("the last answer was given no memories")
        return
    memories = talk.memories([one.id for one in talk.used])
    show_why(talk.used, {memory.id: memory for memory in memories})


COMMANDS: Final[Mapping[str, Command]] = {
    "memories": Command(_memories, "show the latest memories, or search them", "[QUERY]"),
    "why": Command(_why, "show the memories of the last answer, with scores and arms"),
    "forget": Command(_forget, "forget one memory, what was remembered last, or everything", "ID | last | all"),
    "mode": Command(_mode, "show the privacy mode, or set it for what follows", f"[{' | '.join(PRIVACY_MODES)}]"),
    "sessions": Command(_sessions, "list the sessions, or go on with one", "[ID]"),
    "new": Command(_new, "begin a new session"),
    "history": Command(_history, "show the last messages of this session"),
    "decisions": Command(_decisions, "show the contradictions that wait for you"),
    "decide": Command(_decide, "settle one", f"ID {' | '.join(get_args(Ruling))}"),
    "help": Command(_help, "show this"),
}
QUITS: Final = ("quit", "exit")
