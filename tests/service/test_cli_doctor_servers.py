"""What `context0 doctor` says of servers, secrets and permissions that are not as they should be. S13, S14, D15."""

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from context0.cli.live_checks import clock_check, goes_in_the_clear, redis_check, topology_check
from tests.command_line import CommandLine
from tests.contracts.builders import NOW
from tests.mongo_server import database_url, drop, fresh_name
from tests.redis_server import redis_server
from tests.service.test_cli_doctor import examined

STRONG = "kX3-0a9fQ_h7Zr5tB1vW8yLm2nPdE6uC"
NOWHERE = "127.0.0.1:1"


@pytest.fixture
def context0(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(tmp_path, monkeypatch, capsys)


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_a_folder_that_others_can_enter_is_a_warning_and_ours_is_not(context0: CommandLine) -> None:
    made = context0.folder / "made"
    context0.configure(data_dir=str(made))
    context0("add", "I moved to Munich", "--user", "anna")
    code, checks = examined(context0)
    assert (code, checks["data folder"]["level"]) == (0, "ok")
    made.chmod(0o755)
    code, checks = examined(context0)
    assert (code, checks["data folder"]["advice"]) == (1, f"others can enter it: chmod 700 {made}")


@pytest.mark.parametrize("secret", ["short", "x" * 64, "changeme" * 5])
def test_a_secret_that_can_be_guessed_is_a_failure_that_does_not_show_it(context0: CommandLine, secret: str) -> None:
    context0.configure(jwt_secret=secret)
    code, checks = examined(context0)
    assert (code, checks["secrets"]["level"]) == (2, "failure")
    assert secret not in str(checks)
    context0.configure(jwt_secret=STRONG)
    code, checks = examined(context0)
    assert (code, checks["secrets"]["level"]) == (0, "ok")
    assert STRONG not in str(checks)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://10.0.0.5/v1", True),
        ("https://10.0.0.5/v1", False),
        ("http://localhost:8080/v1", False),
        ("redis://:secret@cache:6379/0", True),
        ("redis://127.0.0.1,10.0.0.5:1", True),
        ("redis://[::1]:6379", False),
        ("rediss://cache:6379", False),
        ("amqp://u:p@rabbit", True),
        ("memory://", False),
        ("", False),
    ],
)
def test_what_goes_to_another_machine_unencrypted_is_told(url: str, told: bool) -> None:
    assert goes_in_the_clear(url) is told


def test_an_unencrypted_way_is_a_warning_that_names_the_setting_and_not_the_address(context0: CommandLine) -> None:
    context0.configure(llm_base_url="http://u:hidden@10.0.0.5/v1")
    code, checks = examined(context0)
    assert (code, checks["network"]["found"]) == (1, "unencrypted to another machine: CONTEXT0_LLM_BASE_URL")
    assert "hidden" not in str(checks)


@pytest.mark.parametrize(
    ("skew_s", "level"), [(0, "ok"), (1.9, "ok"), (-1.9, "ok"), (2.6, "warning"), (-60, "warning")]
)
def test_a_clock_that_differs_from_the_stores_is_a_warning(skew_s: float, level: str) -> None:
    assert clock_check(NOW, NOW + timedelta(seconds=skew_s), took_s=0.0).level == level
    assert clock_check(NOW, NOW + timedelta(seconds=skew_s + 2), took_s=4.0).level == level


def test_a_single_server_without_a_replica_set_is_a_warning() -> None:
    assert topology_check("standalone").level == "warning"
    assert {topology_check(kind).level for kind in ("replica set", "sharded")} == {"ok"}


def test_a_mongodb_is_asked_for_its_clock_its_shape_and_its_indexes(context0: CommandLine) -> None:
    url = database_url(fresh_name())
    try:
        context0.configure(store_url=url)
        assert context0.process("add", "I moved to Munich", "--user", "anna").code == 0
        checks = _checks(context0.process("doctor", "--json").json)
        assert checks["clock"]["level"] == "ok"
        assert checks["topology"]["found"].partition(";")[0] in ("standalone", "replica set")
        assert checks["indexes"]["level"] == "ok", checks["indexes"]
        with MongoClient[Any](url) as client:
            memories = client.get_default_database()["memories"]
            held = memories.index_information().items()
            memories.drop_index(next(name for name, one in held if name != "_id_" and not one.get("unique")))
        checks = _checks(context0.process("doctor", "--json").json)
        assert checks["indexes"]["level"] == "warning"
        assert "create_indexes.py" in checks["indexes"]["advice"]
    finally:
        drop(url)


def _checks(told: Any) -> dict[str, Any]:
    return {check["name"]: check for check in told["checks"]}


@pytest.mark.parametrize(
    ("name", "setting", "url"),
    [
        ("cache", "cache_url", f"redis://u:hidden@{NOWHERE}/0"),
        ("broker", "task_url", f"redis://u:hidden@{NOWHERE}/0"),
        ("broker", "task_url", f"amqp://u:hidden@{NOWHERE}/"),
    ],
)
def test_a_cache_or_broker_that_is_away_is_a_failure(context0: CommandLine, name: str, setting: str, url: str) -> None:
    context0.configure(**{setting: url})
    code, checks = examined(context0)
    assert (code, checks[name]["level"]) == (2, "failure")
    assert "hidden" not in str(checks)


def test_a_redis_that_answers_is_told_with_what_it_keeps(context0: CommandLine, tmp_path: Path) -> None:
    with redis_server(tmp_path, "--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru") as server:
        context0.configure(cache_url=server.url)
        code, checks = examined(context0)
        assert (code, checks["cache"]["level"]) == (0, "ok")
        assert checks["cache"]["found"].endswith("allkeys-lru, in memory only")
        context0.configure(task_url=server.url)
        code, checks = examined(context0)
        assert (code, checks["broker"]["level"]) == (1, "warning")


def test_a_redis_that_is_set_up_for_something_else_is_a_warning() -> None:
    full = {"maxmemory_policy": "noeviction", "maxmemory": 0}
    assert redis_check("cache", full, may_evict=True).level == "warning"
    assert redis_check("broker", full, may_evict=False).level == "ok"
    failed = {**full, "rdb_last_bgsave_status": "err"}
    assert redis_check("broker", failed, may_evict=False).level == "warning"
