"""Shows the events of a chat: to people as text and discreet notes, to programs as one JSON object a line."""

import sys
from collections.abc import Collection
from typing import Final, Protocol

from rich.text import Text

from context0.cli.chat_notes import notes_on, warnings_of
from context0.cli.chat_talk import Talk
from context0.cli.output import console, one_line, print_error, printable
from context0.errors import Context0Error
from context0.wire import ChatDecision, ChatEvent, DoneEvent, ErrorEvent, MemoryWrittenEvent, TokenEvent
from stores.errors import StoreError

SHOWN_CHARACTERS: Final = 200


class View(Protocol):
    """Where events are shown."""

    def show(self, event: ChatEvent) -> None: ...

    def stopped(self) -> None:
        """Tell that the answer was stopped."""


class JsonView:
    """One line a JSON object on stdout, at once; errors on stderr too."""

    def show(self, event: ChatEvent) -> None:
        sys.stdout.write(event.model_dump_json() + "\n")
        sys.stdout.flush()
        if isinstance(event, ErrorEvent):
            print_failure(event.code, event.message)

    def stopped(self) -> None: ...


class TextView:
    """The answer as it comes, then what is good to know of it; what went wrong is on stderr."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self._out = console()
        self._in_line = False
        self._has_told = False

    def show(self, event: ChatEvent) -> None:
        match event:
            case TokenEvent(text=text):
                self._has_told, self._in_line = True, not text.endswith("\n")
                sys.stdout.write(printable(text))  # not by rich, which would expand tabs and break lines
                sys.stdout.flush()
            case ErrorEvent():
                self._end_line()
                print_failure(event.code, event.message)
            case DoneEvent():
                self._end_line()
                self._has_told = False
                for note in notes_on(event, self._talk.used):
                    self.note(note)
                for warning in warnings_of(event):
                    print_error(f"warning: {one_line(warning)}")
            case MemoryWrittenEvent():
                self._show_written(event)

    def stopped(self) -> None:
        self._end_line()
        kept = self._has_told and self._talk.privacy.get("stores_messages") is True
        self._has_told = False
        self.note("stopped; what was said so far is kept" if kept else "stopped")

    def note(self, line: str) -> None:
        self._out.print(Text(printable(line), style="dim"), soft_wrap=True)

    def _end_line(self) -> None:
        if self._in_line:
            sys.stdout.write("\n")
            sys.stdout.flush()
            self._in_line = False

    def _show_written(self, event: MemoryWrittenEvent) -> None:
        try:
            for memory in self._talk.memories(event.memories):
                self.note(f"remembered: {shortly(memory.content)} ({memory.id})")
            for decision in _decisions(self._talk, event.decisions):
                self.note(told_of(decision))
        except (Context0Error, StoreError) as failed:
            print_failure(failed.code, f"something was remembered, but cannot be shown: {failed}")


def told_of(decision: ChatDecision) -> str:
    """Return a contradiction in one line, with what can be said to it."""
    new, old = (shortly(text) if text is not None else "(deleted)" for text in (decision.new, decision.old))
    return f"contradiction {decision.id}: now “{new}”, before “{old}”; keep_new, keep_both or undo?"


def shortly(text: str) -> str:
    line = one_line(text)
    return line if len(line) <= SHOWN_CHARACTERS else line[: SHOWN_CHARACTERS - 1] + "…"


def print_failure(code: str, message: str) -> None:
    print_error(f"error: {one_line(message)} ({code})")


def _decisions(talk: Talk, ids: Collection[str]) -> list[ChatDecision]:
    """Return the newest of the pending decisions that are meant."""
    if not ids:
        return []
    page = talk.loop.run(talk.chat.decisions(user_id=talk.user_id, limit=100))
    return [one for one in page.items if one.id in ids]
