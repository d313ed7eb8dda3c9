"""The command `chat`: a talk at the terminal, one message, or a message a line from a pipe."""

import logging
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from context0.cli.logs import keep_structlog_off_stdout, logs_to_stderr
from context0.cli.opening import settings_for
from context0.cli.options import StoreOption, VerboseOption

if TYPE_CHECKING:
    from context0.cli.chat_talk import Talk
    from context0.cli.chat_views import View

TOLD_IN_THE_ANSWER: Final = ("llm.fallback", "llm.answered_from_memory", "chat.agent_fell_back")
"""Warnings of the log that a chat shows in its own words."""
_FAILED: Final = 1
_BAD_INPUT: Final = 2
_BAD_INPUTS: Final = ("invalid_input", "configuration")

commands: Final = typer.Typer()


@commands.command()
def chat(
    message: Annotated[str | None, typer.Argument(help="One message to answer; default: a talk.")] = None,
    *,
    user: Annotated[str, typer.Option(metavar="USER", help="Whose memories.")] = "me",
    session: Annotated[str | None, typer.Option(help="Go on with this session; default: a new one.")] = None,
    mode: Annotated[str | None, typer.Option(help="normal, read_only, off_record or redact.")] = None,
    model: Annotated[str | None, typer.Option(help="Another model than CONTEXT0_LLM_MODEL.")] = None,
    base_url: Annotated[str | None, typer.Option(metavar="URL", help="A server that speaks OpenAI's chat API.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print each event as one line of JSON.")] = False,
    store: StoreOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Talk with an assistant that remembers.

    Without a model it answers by quoting your memories. At a terminal, /help lists what else can be done; from a pipe
    each line is one message, and never a command. Exit code 1 when a message had no whole answer.
    """
    settings = settings_for(store, **_model(model, base_url))
    from context0.cli.chat_talk import TalkStart, open_talk
    from context0.cli.loop_thread import LoopThread

    start = TalkStart(user_id=user, session_id=session, mode=mode)
    with (
        logs_to_stderr(verbose=verbose, without=() if verbose else TOLD_IN_THE_ANSWER),
        LoopThread() as loop,
        open_talk(loop, settings, start) as talk,
    ):
        keep_structlog_off_stdout(level=logging.WARNING if verbose else logging.ERROR)  # models bring it along
        if message is None and not as_json and sys.stdin.isatty() and sys.stdout.isatty():
            from context0.cli.chat_terminal import Terminal

            Terminal(talk).run()
            return
        code = _answer_all(talk, _piped() if message is None else (message,), as_json=as_json)
    if code:
        raise typer.Exit(code)


def _model(model: str | None, base_url: str | None) -> dict[str, Any]:
    """Return the settings that the options mean; either of them asks for a model by its server."""
    given = {"llm_model": model, "llm_base_url": base_url}
    changed = {name: value for name, value in given.items() if value is not None}
    return {"llm_provider": "openai", **changed} if changed else {}


def _piped() -> Iterator[str]:
    from context0.cli.chat_prompt import read_utf8

    read_utf8()
    for line in sys.stdin:
        if text := line.strip():
            yield text


def _answer_all(talk: "Talk", messages: Iterable[str], *, as_json: bool) -> int:
    """Answer one message after the other, each with what the one before had remembered; return the exit code."""
    from context0.cli.chat_views import JsonView, TextView

    view: View = JsonView() if as_json else TextView(talk)
    code = 0
    for message in messages:
        try:
            with closing(talk.events(message)) as events:
                for event in events:
                    view.show(event)
                    if event.type == "error" and code != _FAILED:
                        code = _BAD_INPUT if event.code in _BAD_INPUTS else _FAILED
        except KeyboardInterrupt:
            view.stopped()
            raise
        for event in talk.late(wait=True):
            view.show(event)
    return code
