"""`context0 chat` as programs use it: one message, a message a line from a pipe, events as JSON (B5, B7, B10, E11)."""

import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from stores import blocking
from tests.command_line import CommandLine
from tests.loopback_llm import LoopbackLLM, Reply, refusal, saying
from tests.loopback_thread import loopback_llm_in_a_thread
from tests.mongo_server import database_url, fresh_name

MOVED = "I moved to Munich in May."
ASKED = "Where did I move in May?"
SECRET = "the vault opens with Xyzzy-4711"


@pytest.fixture
def context0(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(tmp_path, monkeypatch, capsys)


@pytest.fixture
def server(context0: CommandLine) -> Iterator[LoopbackLLM]:
    """A chat model of our own on this machine, which the settings name."""
    with loopback_llm_in_a_thread() as stub:
        context0.configure(llm_provider="openai", llm_model="stub", llm_base_url=stub.base_url, chat_extraction="rules")
        yield stub


def events_of(out: str) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in out.splitlines()]


def stored(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


# --- one message


def test_what_was_told_is_answered_offline_and_without_a_key(context0: CommandLine) -> None:
    told = context0("chat", MOVED, "--user", "anna")
    assert (told.code, told.err) == (0, "")
    assert "remembered: I moved to Munich in May. (" in told.out
    asked = context0("chat", ASKED, "--user", "anna")
    assert (asked.code, asked.err) == (0, "")
    assert "“I moved to Munich in May.”" in asked.out
    assert "1 memory used, cited [1]" in asked.out
    assert "Munich" not in context0("chat", ASKED, "--user", "ben").out


def test_events_are_one_line_of_json_each_and_nothing_else_is_on_stdout(context0: CommandLine) -> None:
    context0("chat", MOVED, "--user", "anna")
    told = context0("chat", "I moved on to Graz. Where did I move in May?", "--user", "anna", "--json")
    assert (told.code, told.err) == (0, "")
    events = events_of(told.out)
    kinds = [event["type"] for event in events]
    assert kinds[:3] == ["session", "privacy", "memories"]
    assert kinds[-2:] == ["done", "memory_written"]
    assert set(kinds[3:-2]) == {"token"}
    done = events[-2]
    assert "".join(event["text"] for event in events[3:-2]) == done["text"]
    assert [item["id"] for item in events[2]["items"]] == done["memories_used"]
    assert done["timings_ms"]["total"] > 0


def test_a_session_is_gone_on_with(context0: CommandLine) -> None:
    first = events_of(context0("chat", MOVED, "--json").out)[0]["session_id"]
    again = events_of(context0("chat", ASKED, "--json", "--session", first).out)[0]
    assert (again["session_id"], again["title"]) == (first, MOVED)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["chat", " "], "message: is empty"),
        (["chat", "x" * 40_000], "message: has 40000 characters"),
        (["chat", "x\udcff"], "lone surrogate"),
        (["chat", "x", "--user", ""], "user_id: is empty"),
        (["chat", "x", "--mode", "secret"], "mode: must be one of normal, read_only"),
        (["chat", "x", "--session", ""], "session: "),
        (["chat", "x", "--model", "gpt"], "needs llm_api_key or llm_base_url"),
        (["chat", "x", "--store", "ftp://x"], "no backend for 'ftp'"),
        (["chat", "x", "y"], "unexpected extra argument"),
    ],
    ids=lambda value: "" if isinstance(value, str) else value[-1][:8],
)
def test_bad_input_is_one_line_and_two(context0: CommandLine, arguments: list[str], told: str) -> None:
    outcome = context0(*arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert told in outcome.err
    assert len(outcome.err.splitlines()) == 1


def test_another_users_session_is_an_unknown_one(context0: CommandLine) -> None:
    session = events_of(context0("chat", MOVED, "--user", "anna", "--json").out)[0]["session_id"]
    told = events_of(context0("chat", ASKED, "--user", "ben", "--session", session, "--json").out)
    assert told[0]["session_id"] == session  # of his own, as any name that he had not used
    assert MOVED not in json.dumps(told)
    assert len(events_of(context0("chat", ASKED, "--user", "anna", "--session", session, "--json").out)) > 1


def test_a_reader_that_has_gone_is_no_failure_to_tell(context0: CommandLine) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with context0.start("chat", MOVED, "--json", stdout=writing) as process:
        os.close(writing)
        _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (1, b"")


def test_the_same_talk_runs_on_mongodb_by_one_url(context0: CommandLine) -> None:
    context0.configure(store_url=database_url(fresh_name()))
    assert f"remembered: {MOVED}" in context0("chat", MOVED, "--user", "anna").out
    asked = context0("chat", ASKED, "--user", "anna")
    assert (asked.code, asked.err) == (0, "")
    assert MOVED in asked.out
    assert context0.store.exists() is False


# --- from a pipe


def piped(context0: CommandLine, text: bytes, *arguments: str, **environment: str) -> tuple[int, str, str]:
    """Run `context0 chat` as a process of its own, with `text` on its stdin."""
    with context0.start("chat", *arguments, stdin=-1, env=environment) as process:
        out, err = process.communicate(text, timeout=60)
    return process.returncode, out.decode(), err.decode()


def test_each_line_of_a_pipe_is_a_message_that_knows_those_before(context0: CommandLine) -> None:
    code, out, err = piped(context0, f"{MOVED}\n\n{ASKED}".encode(), "--json")
    assert (code, err) == (0, "")
    events = events_of(out)
    assert len({event["session_id"] for event in events if event["type"] == "session"}) == 1
    answers = [event["text"] for event in events if event["type"] == "done"]
    assert len(answers) == 2
    assert "Munich" in answers[1]


def test_a_line_of_a_pipe_is_never_a_command(context0: CommandLine) -> None:
    context0("chat", MOVED)
    code, out, _ = piped(context0, b"/forget all\nyes\n/quit\n", "--json")
    assert (code, sum(event["type"] == "done" for event in events_of(out))) == (0, 3)
    assert MOVED in [memory["content"] for memory in context0("list", "--user", "me", "--json").json["items"]]


def test_text_is_utf8_in_any_locale(context0: CommandLine) -> None:
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "latin-1"}
    text = "Ich wohne in Zürich, mit Käse 🧀"
    code, out, err = piped(context0, text.encode(), **plain)
    assert (code, err) == (0, "")
    assert f"remembered: {text}" in out


def test_a_line_that_is_no_text_is_refused_and_the_others_are_answered(context0: CommandLine) -> None:
    code, out, err = piped(context0, b"\xff\xfe\n" + MOVED.encode())
    assert code == 2
    assert "lone surrogate" in err
    assert f"remembered: {MOVED}" in out


def test_an_empty_pipe_is_answered_by_nothing(context0: CommandLine) -> None:
    assert piped(context0, b"") == (0, "", "")


# --- modes


def test_off_the_record_leaves_no_trace_in_any_file_or_log(context0: CommandLine) -> None:
    context0("chat", MOVED)
    told = context0("chat", SECRET, "--mode", "off_record", "--verbose")
    assert told.code == 0
    assert "off the record" in told.out
    assert "Xyzzy" not in told.out + told.err
    assert b"Xyzzy" not in stored(context0.folder)
    assert "read only" in context0("chat", SECRET, "--mode", "read_only").out
    assert b"Xyzzy" not in stored(context0.folder)


def test_what_is_masked_is_told_and_neither_sent_nor_kept(context0: CommandLine, server: LoopbackLLM) -> None:
    told = context0("chat", "My mail is anna@example.org", "--mode", "redact")
    assert "privacy: masked 1 email before anything was kept or sent" in told.out
    assert "example.org" not in str(server.requests)
    assert b"example.org" not in stored(context0.folder)
    assert "1 email in this message; the mode redact" in context0("chat", "Mine is bob@example.com").out


# --- with a model


def test_a_model_of_any_compatible_server_answers_with_the_memories(context0: CommandLine, server: LoopbackLLM) -> None:
    context0.configure(llm_provider="extractive")
    context0("chat", MOVED)
    server.script(Reply(tokens=("To", "\tMunich", " [1].\x1b[31m")))
    told = context0("chat", ASKED, "--model", "mine", "--base-url", server.base_url)
    assert (told.code, told.err) == (0, "")
    assert told.out.splitlines() == ["To\tMunich [1].\\u001b[31m", "1 memory used, cited [1]"]
    [request] = server.requests
    assert request.body["model"] == "mine"
    assert MOVED in str(request.body["messages"])


def test_that_a_fallback_answered_is_told_once(context0: CommandLine, server: LoopbackLLM) -> None:
    context0("chat", MOVED)
    server.otherwise = refusal(503)
    told = context0.process("chat", ASKED)
    assert told.code == 0
    assert "“I moved to Munich in May.”" in told.out
    assert told.err.splitlines() == [
        "warning: the configured model did not answer (llm_unavailable); this is by extractive:rules"
    ]


def test_an_answer_that_breaks_off_is_shown_as_far_as_it_came_and_is_one(
    context0: CommandLine, server: LoopbackLLM
) -> None:
    server.script(Reply(tokens=("You moved",), then="cut"))
    told = context0("chat", ASKED)
    assert told.code == 1
    assert told.out.splitlines()[0] == "You moved"
    assert "the answer was cut off" in told.err.splitlines()[0]
    assert told.err.splitlines()[0].endswith("(llm_interrupted)")
    server.script(Reply(tokens=("You moved",), then="cut"))
    told = context0("chat", ASKED, "--json")
    assert told.code == 1
    assert [event["type"] for event in events_of(told.out)][-2:] == ["error", "done"]
    assert events_of(told.out)[-1]["state"] == "partial"


def test_ctrl_c_stops_the_answer_and_keeps_what_was_said(context0: CommandLine, server: LoopbackLLM) -> None:
    server.script(Reply(tokens=("You moved",), then="hang"))
    with context0.start("chat", ASKED) as process:
        out = process.stdout
        assert out is not None
        assert out.read(9) == b"You moved"
        process.send_signal(signal.SIGINT)
        rest, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert rest.decode() == "\nstopped; what was said so far is kept\n"
    assert err.decode().splitlines()[-1].endswith("(interrupted)")
    assert b"Traceback" not in err
    assert server.cancelled == 1
    assert b"You moved" in stored(context0.folder)


def test_no_thread_is_left(context0: CommandLine) -> None:
    def others() -> list[str]:
        return [one.name for one in threading.enumerate() if not one.name.startswith(blocking.NAME)]

    before = set(threading.enumerate())
    names = others()
    context0("chat", MOVED)
    for ending in set(threading.enumerate()) - before:  # a connection's thread that was told to end may still do so
        ending.join(0 if ending.name.startswith(blocking.NAME) else 5)
    assert others() == names, "but for those of the process's one executor"


def test_what_a_model_notes_after_the_answer_is_waited_for(context0: CommandLine, server: LoopbackLLM) -> None:
    context0.configure(chat_extraction="model")
    message = (
        "Last spring my sister Lena and I moved into the old mill near Graz, she took the upper floor, and since then "
        "we have been restoring the wheel, which she says will grind flour again by Easter, if the river allows it."
    )
    notes = orjson.dumps({"memories": [{"statement": "Lena and I are restoring the wheel of the old mill"}]}).decode()
    server.otherwise = lambda request: saying(notes) if "response_format" in request.body else saying("How lovely.")
    told = context0("chat", message)
    assert told.code == 0
    assert "remembered: Lena and I are restoring the wheel" in told.out
