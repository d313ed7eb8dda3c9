"""What `context0 doctor` says of a store in each condition, and its exit code."""

import asyncio
import os
from pathlib import Path
from typing import Any

import apsw
import pytest

from context0.cli.checks import size, sqlite_check
from context0.settings import shown_url
from stores.sqlite.message_log import SqliteMessageLog
from tests.command_line import CommandLine
from tests.contracts.builders import ANNA
from tests.contracts.chat_bench import build_message

CLOSED_PORT = "http://127.0.0.1:1/v1"


@pytest.fixture
def context0(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(tmp_path, monkeypatch, capsys)


@pytest.fixture
def filled(context0: CommandLine) -> CommandLine:
    context0("add", "I moved to Munich", "--user", "anna")
    return context0


def examined(context0: CommandLine, *arguments: str) -> tuple[int, dict[str, Any]]:
    """Return the exit code and the checks by name."""
    told = context0("doctor", "--json", *arguments)
    checks = {check["name"]: check for check in told.json["checks"]}
    assert told.json["level"] == {0: "ok", 1: "warning", 2: "failure"}[told.code]
    return told.code, checks


def changed(store: Path, statement: str, *values: object) -> None:
    connection = apsw.Connection(str(store))
    connection.execute(statement, values)
    connection.close()


def test_a_machine_without_a_store_is_fine_and_gets_none(context0: CommandLine) -> None:
    code, checks = examined(context0, "--store", "sqlite:///not/yet/there.db")
    assert code == 0
    assert checks["memories"]["found"].startswith("none yet")
    assert {"Python", "Context0", "SQLite", "PyMongo", "disk", "embedding", "vectors"} < set(checks)
    assert list(context0.folder.iterdir()) == []


def test_a_store_in_use_is_fine(filled: CommandLine) -> None:
    code, checks = examined(filled)
    assert code == 0
    assert "index_done 1" in checks["documents"]["found"]
    assert checks["index work"]["found"] == "0 pending, 0 of them failed before, 0 given up"
    assert checks["embedding"]["found"] == "static/wordllama-256"
    assert filled("doctor").out.count(" ok ") == len(checks)


def test_chats_are_counted_and_what_waits_in_journals_is_told(filled: CommandLine) -> None:
    """E1: what a process of another store left, and what that store refused."""
    _, checks = examined(filled)
    assert checks["chats"]["found"] == "sessions 0, messages 0"
    assert checks["journal"] == {"name": "journal", "level": "ok", "found": "nothing waits", "advice": ""}
    asyncio.run(leave_a_journal(filled.folder / "journal" / "of a store"))
    code, checks = examined(filled)
    assert (code, checks["journal"]["found"]) == (0, "3 messages wait in 1 files")
    [path] = (filled.folder / "journal").rglob("*.db")
    changed(path, "UPDATE entries SET aside = 1 WHERE seq = 2")
    code, checks = examined(filled)
    assert (code, checks["journal"]["level"]) == (1, "warning")
    assert "1 of them refused" in checks["journal"]["found"]


async def leave_a_journal(folder: Path) -> None:
    entries = SqliteMessageLog(folder)
    await entries.open()
    await entries.append([(ANNA, build_message(seq)) for seq in (1, 2, 3)], [None] * 3)
    await entries.aclose()


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_a_file_that_others_can_read_is_a_warning(filled: CommandLine) -> None:
    filled.store.chmod(0o644)
    code, checks = examined(filled)
    assert code == 1
    assert checks["file"]["advice"] == f"others can read it: chmod 600 {filled.store}"


def test_work_that_failed_before_is_a_warning(filled: CommandLine) -> None:
    changed(filled.store, "UPDATE memories SET index_state = 'failed'")
    code, checks = examined(filled)
    assert (code, checks["index work"]["found"]) == (1, "0 pending, 0 of them failed before, 1 given up")
    changed(filled.store, "UPDATE memories SET index_state = 'pending', attempts = 3, next_attempt_ms = ?", 1 << 45)
    code, checks = examined(filled)
    assert (code, checks["index work"]["found"]) == (1, "1 pending, 1 of them failed before, 0 given up")
    assert "context0 reindex" in checks["index work"]["advice"]


def test_new_work_is_fine(filled: CommandLine) -> None:
    changed(filled.store, "UPDATE memories SET index_state = 'pending'")
    code, checks = examined(filled)
    assert (code, checks["index work"]["found"]) == (0, "1 pending, 0 of them failed before, 0 given up")


def test_another_embedding_model_is_a_warning(filled: CommandLine) -> None:
    filled.configure(embedding_provider="openai", embedding_model="m", embedding_base_url=CLOSED_PORT)
    code, checks = examined(filled)
    assert code == 1
    assert checks["embedding"]["found"] == "openai/m; the store has static/wordllama-256 (256 dimensions)"
    assert "context0 reindex" in checks["embedding"]["advice"]


def test_a_server_that_cannot_be_reached_is_a_failure_without_its_password(context0: CommandLine) -> None:
    url = "mongodb://anna:s3cret@127.0.0.1:1/memories?timeoutMS=300"
    # A process of its own: PyMongo's monitor, cancelled while it connects, leaves its socket to the garbage collector.
    told = context0.process("doctor", "--store", url, "--json")
    assert told.code == 2
    checks = {check["name"]: check for check in told.json["checks"]}
    assert checks["store"]["found"] == "mongodb://***@127.0.0.1:1/memories"
    assert (checks["documents"]["level"], checks["documents"]["found"]) == ("failure", "store_unavailable")
    assert "s3cret" not in told.out + told.err


def test_a_vector_store_that_cannot_be_used_is_a_failure(filled: CommandLine) -> None:
    filled.configure(vector_url="pinecone://memories")  # without a key
    code, checks = examined(filled)
    assert code == 2
    assert checks["vectors"]["level"] == "failure"
    assert checks["documents"]["level"] == "ok"


@pytest.mark.parametrize(
    ("version", "level"),
    [("3.6.23", "ok"), ("3.7.0", "warning"), ("3.40.1", "warning"), ("3.51.2", "warning"), ("3.51.3", "ok")],
)
def test_versions_of_sqlite_with_the_wal_reset_bug_are_a_warning(version: str, level: str) -> None:
    assert sqlite_check(version).level == level


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sqlite:////var/lib/a@b.db", "sqlite:////var/lib/a@b.db"),
        ("mongodb://localhost:27017/context0", "mongodb://localhost:27017/context0"),
        ("mongodb://u:p@h1:1,h2:2/x?tlsCertificateKeyFilePassword=p", "mongodb://***@h1:1,h2:2/x"),
        ("mongodb://u:p@ss/w@host/x", "mongodb://***@host/x"),
        ("mongodb://u:p?x@host/x", "mongodb://***@host/x"),
        ("mongodb:u:p@host/x", "***"),
        ("u:p://host/x", "***"),
    ],
)
def test_a_url_is_shown_without_what_may_be_secret(url: str, shown: str) -> None:
    assert shown_url(url) == shown


def test_sizes_are_for_people() -> None:
    assert [size(count) for count in (0, 1023, 1536, 5 << 30, 3 << 50)] == [
        "0 bytes", "1023 bytes", "1.5 KiB", "5.0 GiB", "3072.0 TiB",
    ]  # fmt: skip
