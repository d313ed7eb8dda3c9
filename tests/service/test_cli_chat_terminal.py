"""`context0 chat` at a terminal: what a person types, sees and stops (C2, B7)."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import orjson
import pytest

from tests.command_line import CommandLine
from tests.loopback_llm import LoopbackLLM, Reply, saying
from tests.loopback_thread import loopback_llm_in_a_thread
from tests.terminal import CTRL_C, CTRL_D, UP, TerminalProcess

MOVED = "I moved to Munich in May."
ASKED = "Where did I move in May?"
PROMPT = "anna> "
OFF_RECORD_PROMPT = "anna (off_record)> "

Open = Callable[..., TerminalProcess]


@pytest.fixture
def context0(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(tmp_path, monkeypatch, capsys)


@pytest.fixture
def server(context0: CommandLine) -> Iterator[LoopbackLLM]:
    with loopback_llm_in_a_thread() as stub:
        context0.configure(llm_provider="openai", llm_model="stub", llm_base_url=stub.base_url, chat_extraction="rules")
        yield stub


@pytest.fixture
def open_chat(context0: CommandLine) -> Iterator[Open]:
    """Return how to begin a chat; it stands at its first prompt."""
    with ExitStack() as closing:

        def opened(*arguments: str, **environment: str) -> TerminalProcess:
            process = TerminalProcess("chat", "--user", "anna", *arguments, folder=context0.folder, **environment)
            terminal = closing.enter_context(process)
            terminal.until("> ")
            return terminal

        yield opened


def said(terminal: TerminalProcess, line: str, *, prompt: str = PROMPT) -> str:
    """Type a line, and return what is shown up to the next prompt."""
    terminal.type(f"{line}\n")
    terminal.until(line)
    return terminal.until(prompt)


def contents(context0: CommandLine) -> list[str]:
    return [memory["content"] for memory in context0("list", "--user", "anna", "--json").json["items"]]


def test_a_talk_is_remembered_explained_and_listed(open_chat: Open) -> None:
    terminal = open_chat()
    assert "answers are quoted from your memories, without a model" in terminal.seen
    assert f"remembered: {MOVED}" in said(terminal, MOVED)
    assert "1 memory used, cited [1]" in said(terminal, ASKED)
    why = said(terminal, "/why")
    assert "[1]" in why
    assert "keyword 0." in why
    assert MOVED in why
    assert MOVED in said(terminal, "/memories")
    assert MOVED in said(terminal, "/memories where is the flat?")
    history = said(terminal, "/history")
    assert history.index(MOVED) < history.index(ASKED)
    assert "no messages yet" in said(terminal, "/new") + said(terminal, "/history")
    sessions = said(terminal, "/sessions")
    assert MOVED in sessions
    session_id = next(word for word in sessions.split() if len(word) == 36)
    assert MOVED in said(terminal, f"/sessions {session_id}")
    assert ASKED in said(terminal, "/history")
    assert "/forget ID | last | all" in said(terminal, "/help")
    terminal.type("/quit\n")
    assert terminal.ended() == 0


def test_memories_are_forgotten_one_by_one_and_all_with_a_receipt(context0: CommandLine, open_chat: Open) -> None:
    terminal = open_chat()
    assert "nothing was remembered in this talk" in said(terminal, "/forget last")
    for text in (MOVED, "Lena keeps my spare keys.", "My dentist is Dr. Weiss."):
        said(terminal, text)
    assert "forgotten: " in said(terminal, "/forget last")
    assert contents(context0) == ["Lena keeps my spare keys.", MOVED]
    memory_id = context0("list", "--user", "anna", "--json").json["items"][0]["id"]
    assert f"forgotten: {memory_id}" in said(terminal, f"/forget {memory_id}")
    assert "(not_found)" in said(terminal, f"/forget {memory_id}")
    assert "give the id of a memory" in said(terminal, "/forget")
    terminal.type("/forget all\n")
    terminal.until("Write yes: ")
    assert "nothing was erased" in said(terminal, "no")
    assert contents(context0) == [MOVED]
    terminal.type("/forget all\n")
    terminal.until("Write yes: ")
    receipt = said(terminal, "yes")
    assert "erased at" in receipt
    assert "memories" in receipt
    assert contents(context0) == []
    assert "no sessions" in said(terminal, "/sessions")
    assert "1 memory used" not in said(terminal, ASKED)


def test_what_is_said_off_the_record_is_nowhere_not_even_in_the_history_of_lines(
    context0: CommandLine, open_chat: Open
) -> None:
    terminal = open_chat(TERM="xterm")
    said(terminal, MOVED)
    assert "mode: off_record" in said(terminal, "/mode off_record", prompt=OFF_RECORD_PROMPT)
    assert "off the record" in said(terminal, "my pin is Xyzzy", prompt=OFF_RECORD_PROMPT)
    assert "mode: normal" in said(terminal, "/mode normal")
    terminal.type(UP * 9 + "\n")
    assert "mode: normal" in terminal.until(PROMPT)
    assert "must be one of" in said(terminal, "/mode secret")
    terminal.type(CTRL_D)
    assert terminal.ended() == 0
    assert terminal.seen.count("Xyzzy") == 1, "the echo of what was typed, and never again"
    assert not any(b"Xyzzy" in path.read_bytes() for path in context0.folder.rglob("*") if path.is_file())


def test_a_contradiction_is_shown_and_settled(context0: CommandLine, open_chat: Open) -> None:
    terminal = open_chat()
    said(terminal, "My birthday is on 3 March.")
    shown = said(terminal, "My birthday is on 4 March.")
    assert "contradiction" in shown
    decision_id = shown.partition("contradiction ")[2].partition(":")[0]
    assert decision_id in said(terminal, "/decisions")
    assert "then one of keep_new, keep_both, undo" in said(terminal, f"/decide {decision_id} perhaps")
    assert "undone" in said(terminal, f"/decide {decision_id} undo")
    assert "no contradiction waits" in said(terminal, "/decisions")
    assert "(conflict)" in said(terminal, f"/decide {decision_id} keep_new")
    assert contents(context0) == ["My birthday is on 3 March."]


def test_ctrl_c_stops_an_answer_and_then_ends_the_talk(server: LoopbackLLM, open_chat: Open) -> None:
    server.script(Reply(tokens=("You moved",), then="hang"), saying("To Munich."))
    terminal = open_chat()
    terminal.type(f"{ASKED}\n")
    terminal.until("You moved")
    terminal.type(CTRL_C)
    assert "stopped; what was said so far is kept" in terminal.until(PROMPT)
    assert "(partial)\nYou moved" in said(terminal, "/history")
    assert "To Munich." in said(terminal, ASKED)
    assert server.cancelled == 1
    assert terminal.interrupted() == 130
    assert "(interrupted)" in terminal.seen
    assert "Traceback" not in terminal.seen


def test_the_prompt_comes_back_before_the_model_has_noted_and_leaving_waits_for_it(
    context0: CommandLine, server: LoopbackLLM, open_chat: Open
) -> None:
    context0.configure(chat_extraction="model")
    message = (
        "Last spring my sister Lena and I moved into the old mill near Graz, she took the upper floor, and since then "
        "we have been restoring the wheel, which she says will grind flour again by Easter, if the river allows it."
    )
    notes = orjson.dumps({"memories": [{"statement": "Lena and I are restoring the wheel of the old mill"}]}).decode()
    late = saying(notes, first_token_s=1.0)
    server.otherwise = lambda request: late if "response_format" in request.body else saying("How lovely.")
    terminal = open_chat()
    terminal.type(f"{message}\n")
    terminal.until("How lovely.")
    assert "restoring the wheel of the old mill" not in terminal.until(PROMPT)
    terminal.type("/quit\n")
    assert terminal.ended() == 0
    assert "remembered: Lena and I are restoring the wheel of the old mill" in terminal.seen
    assert "Lena and I are restoring the wheel of the old mill" in contents(context0)


def test_letters_of_any_language_can_be_typed_in_any_locale(context0: CommandLine, open_chat: Open) -> None:
    terminal = open_chat(LC_ALL="C", PYTHONUTF8="0")
    terminal.type("Ich wohne in Zürich 🧀\n")
    assert "remembered: Ich wohne in Zürich 🧀" in terminal.until(PROMPT)
    assert contents(context0) == ["Ich wohne in Zürich 🧀"]


def test_a_command_that_is_none_is_told_and_two_strokes_begin_a_message(context0: CommandLine, open_chat: Open) -> None:
    terminal = open_chat()
    assert "there is no /nope; see /help" in said(terminal, "/nope")
    assert "remembered: /etc/hosts is what I edited" in said(
        terminal, "//etc/hosts is what I edited for Lena on Monday"
    )
    terminal.type(CTRL_D)
    assert terminal.ended() == 0
