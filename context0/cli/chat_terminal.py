"""The talk at a terminal: asks for a line, has it answered or done, shows what came meanwhile, and ends tidily."""

from contextlib import closing, suppress
from typing import Final

import typer

from context0.cli.chat_commands import run_command
from context0.cli.chat_prompt import LinePrompt, read_utf8
from context0.cli.chat_talk import Talk
from context0.cli.chat_views import TextView, print_failure
from context0.cli.output import one_line
from context0.errors import Context0Error
from stores.errors import StoreError

COMMAND: Final = "/"
OFF_RECORD: Final = "off_record"


class Terminal:
    """Ctrl-C stops an answer or a command; at the prompt it ends the talk, as Ctrl-D and /quit do."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self._view = TextView(talk)
        self._prompt = LinePrompt()
        read_utf8()

    def run(self) -> None:
        """Raises KeyboardInterrupt where it was ended by Ctrl-C."""
        self._view.note(f"{self._greeting()}; /help lists what you can do, Ctrl-D ends")
        try:
            while (line := self._ask()) is not None:
                try:
                    if not self._do(line):
                        break
                except KeyboardInterrupt:
                    self._view.stopped()
                except (Context0Error, StoreError) as failed:
                    print_failure(failed.code, str(failed))
        finally:
            for event in self._talk.last_events():
                self._view.show(event)

    def _ask(self) -> str | None:
        """Show what earlier turns told meanwhile, and return the next line, or None at the end of the input."""
        with suppress(KeyboardInterrupt):  # meant for an answer that had just ended, or what it remembers
            for event in self._talk.late():
                self._view.show(event)
        mode = self._talk.mode_in_force
        told_mode = "" if mode == "normal" else f" ({mode})"
        try:
            return self._prompt.ask(f"{one_line(self._talk.user_id)}{told_mode}> ").strip()
        except (EOFError, KeyboardInterrupt) as ended:
            typer.echo()
            if isinstance(ended, KeyboardInterrupt):
                raise
            return None

    def _do(self, line: str) -> bool:
        """Do what the line says; False ends the talk."""
        if not line:
            return True
        goes_on = True
        if line.startswith(COMMAND) and not line.startswith(2 * COMMAND):
            goes_on = run_command(self._talk, line[1:], ask=self._prompt.ask)
            mode = self._talk.mode_in_force
        else:
            self._answer(line.removeprefix(COMMAND))
            mode = str(self._talk.privacy.get("mode", ""))  # of a message that was refused nothing is known
        if mode == OFF_RECORD:
            self._prompt.forget()
        elif mode:
            self._prompt.remember(line)
        return goes_on

    def _answer(self, message: str) -> None:
        with closing(self._talk.events(message)) as events:
            for event in events:
                self._view.show(event)

    def _greeting(self) -> str:
        settings = self._talk.engine.settings
        if settings is None or settings.llm_provider == "extractive":
            answers = "answers are quoted from your memories, without a model"
        else:
            answers = f"answers by {settings.llm_provider} {settings.llm_model}".rstrip()
        session = "a new session" if self._talk.session_id is None else f"session {one_line(self._talk.session_id)}"
        return f"Context0, {session}, {answers}"
