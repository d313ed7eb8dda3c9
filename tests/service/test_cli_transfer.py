"""`context0 import`, `export`, `tasks` and `worker`, as people and scripts use them (A11, B4)."""

import json
import signal
from pathlib import Path

import pytest

from tests.command_line import CommandLine

LINES = [
    {"content": "Anna lives in Munich", "speaker": "Anna", "occurred_at": "2026-05-01T10:00:00+02:00"},
    {"content": "Ben bakes bread", "metadata": {"n": 1}, "tags": ["food"]},
    {"content": "Käse 🧀 und Brot"},
]


@pytest.fixture
def context0(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(tmp_path, monkeypatch, capsys)


def written(folder: Path, *lines: object) -> str:
    path = folder / "in.ndjson"
    path.write_text("\n".join(one if isinstance(one, str) else json.dumps(one) for one in lines) + "\n")
    return str(path)


def contents(context0: CommandLine, user: str) -> list[str]:
    return [item["content"] for item in context0("list", "--user", user, "--json").json["items"]]


def test_a_file_is_imported_once_however_often_it_is_asked_for(context0: CommandLine) -> None:
    path = written(context0.folder, *LINES)
    told = context0("import", path, "--user", "anna", "--json")
    assert (told.code, told.json["added"], told.json["known"], told.json["refused"]) == (0, 3, 0, 0)
    told = context0("import", path, "--user", "anna")
    assert (told.code, told.err) == (0, "")
    assert told.out.startswith("0 memories added, 3 known already, 0 lines left out")
    assert set(contents(context0, "anna")) == {str(line["content"]) for line in LINES}


def test_bad_lines_are_told_with_their_numbers_and_the_others_are_imported(context0: CommandLine) -> None:
    path = written(context0.folder, LINES[0], "", "no json", {"content": ""}, {"content": "x", "nope": 1}, LINES[1])
    told = context0("import", path, "--user", "anna")
    assert told.code == 1
    assert [line.split(":")[0] for line in sorted(told.err.splitlines())] == ["line 3", "line 4", "line 5"]
    assert "2 memories added" in told.out
    assert "3 lines left out" in told.out


def test_strict_stops_at_the_first_bad_line_behind_the_good_ones(context0: CommandLine) -> None:
    path = written(context0.folder, LINES[0], "", {"content": " "}, LINES[1])
    told = context0("import", path, "--user", "anna", "--strict")
    assert told.code == 2
    assert told.err.startswith("error: line 3: content")
    assert contents(context0, "anna") == ["Anna lives in Munich"]
    path = written(context0.folder, LINES[1], "{", LINES[2])
    told = context0("import", path, "--user", "ben", "--strict")
    assert told.err.startswith("error: line 2: format")
    assert contents(context0, "ben") == ["Ben bakes bread"]


def test_many_bad_lines_are_counted_and_not_all_shown(context0: CommandLine) -> None:
    path = written(context0.folder, *["no json"] * 150)
    told = context0("import", path, "--user", "anna", "--json")
    assert (told.code, told.json["refused"]) == (1, 150)
    assert len(told.err.splitlines()) == 101


def test_an_export_goes_through_a_pipe_into_another_owner(context0: CommandLine) -> None:
    context0("import", written(context0.folder, *LINES), "--user", "anna")
    exported = context0.process("export", "--user", "anna")
    assert (exported.code, exported.err) == (0, "")
    lines = [json.loads(line) for line in exported.out.splitlines()]
    assert [line["kind"] for line in lines] == ["memory", "memory", "memory", "end"]
    assert lines[-1]["record"] == {"memory": 3}
    with context0.start("import", "-", "--user", "ben", "--json", stdin=-1) as process:
        out, err = process.communicate(exported.out.encode(), timeout=60)
    assert (process.returncode, err) == (0, b"")
    assert json.loads(out)["added"] == 3
    assert contents(context0, "ben") == contents(context0, "anna")


def test_an_export_to_a_file_is_whole_or_not_there(context0: CommandLine) -> None:
    context0("import", written(context0.folder, *LINES), "--user", "anna")
    out = context0.folder / "out.ndjson"
    told = context0("export", "--user", "anna", "--out", str(out))
    assert (told.code, told.out.split()[0]) == (0, "3")
    assert out.stat().st_mode & 0o077 == 0
    before = out.read_bytes()
    assert context0("export", "--user", "anna", "--out", str(context0.folder / "no" / "out")).code == 1
    assert context0("export", "--user", "", "--out", str(out)).code == 2
    assert out.read_bytes() == before
    assert [path.name for path in context0.folder.iterdir() if "part" in path.name] == []


def test_a_cut_export_is_told_of(context0: CommandLine) -> None:
    context0("import", written(context0.folder, *LINES), "--user", "anna")
    lines = context0.process("export", "--user", "anna").out.splitlines()
    told = context0("import", written(context0.folder, *lines[:-1]), "--user", "ben")
    assert (told.code, "last line" in told.err) == (0, True)
    told = context0("import", written(context0.folder, lines[0], lines[-1]), "--user", "carl")
    assert "holds 1" in told.err


def test_the_lines_of_chats_are_passed_over(context0: CommandLine) -> None:
    path = written(
        context0.folder, {"kind": "session", "record": {"id": "s"}}, {"kind": "end", "record": {"memory": 0}}
    )
    told = context0("import", path, "--user", "anna", "--json")
    assert (told.code, told.json["passed_over"]) == (0, {"not a memory": 1})


def test_a_file_that_is_not_there_is_one_line_on_stderr(context0: CommandLine) -> None:
    told = context0("import", "missing.ndjson", "--user", "anna")
    assert told.code == 1
    assert told.err.count("\n") == 1


def test_tasks_show_nothing_where_nothing_was_given_up(context0: CommandLine) -> None:
    context0("add", "note", "--user", "anna")
    told = context0("tasks", "list", "--json").json
    assert (told["states"], told["worker_seen_at"], told["items"], told["more"]) == ({"done": 1}, None, [], False)
    assert context0("tasks", "list").out == "0 wait, 0 given up; worker: never seen\n"
    assert context0("tasks", "retry").code == 2
    assert context0("tasks", "drop", "--all", "--json").json == {"dropped": 0}


def test_given_up_work_is_listed_retried_and_dropped(context0: CommandLine) -> None:
    import apsw

    for text in ("one", "two"):
        context0("add", text, "--user", "anna")
    with apsw.Connection(str(context0.store)) as connection:
        connection.execute(
            "UPDATE memories SET index_state = 'failed', attempts = 12, index_reason = 'embedding_invalid'"
        )
    items = context0("tasks", "list", "--user", "anna", "--json").json["items"]
    assert [(item["user"], item["attempts"], item["reason"]) for item in items] == [
        ("anna", 12, "embedding_invalid")
    ] * 2
    assert "embedding_invalid" in context0("tasks", "list").out
    assert context0("tasks", "list", "--user", "ben", "--json").json["items"] == []
    assert context0("tasks", "drop", items[0]["id"], "--user", "ben").out == "0 dropped\n"
    assert context0("tasks", "drop", items[0]["id"]).out == "1 dropped\n"
    assert context0("tasks", "retry", "--all", "--json").json == {"retried": 1}
    assert context0("tasks", "list", "--json").json["states"] == {"done": 1, "pending": 1}


def test_a_worker_without_a_broker_says_what_to_set(context0: CommandLine) -> None:
    told = context0("worker")
    assert told.code == 2
    assert "CONTEXT0_TASK_URL" in told.err


def test_a_worker_ends_by_sigterm(context0: CommandLine) -> None:
    with context0.start("worker", env={"CONTEXT0_TASK_URL": "redis://127.0.0.1:1/0"}) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"context0 worker takes its work from redis\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
