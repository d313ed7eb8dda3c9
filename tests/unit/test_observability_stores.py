"""Stores tell the time of each command by name, never a value; the loop tells how late it is (B8, A12)."""

import asyncio
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from pymongo.monitoring import CommandFailedEvent, CommandStartedEvent, CommandSucceededEvent

from context0.observability.loop_lag import LoopLagMonitor
from context0.observability.measurements import Measurements
from context0.observability.metrics import LOOP_LAG
from context0.observability.process import read_process
from stores.errors import Conflict, NotFound, Unavailable
from stores.mongo.monitoring import CommandTimes
from stores.monitoring import observed
from stores.records import MemoryId, Scope
from stores.sqlite import maintenance
from stores.sqlite.commands import command_of
from stores.sqlite.database import SqliteDatabase
from stores.sqlite.documents import SqliteDocuments
from tests.contracts.builders import NOW

SCOPE = Scope(owner="anna")


class Observer:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, bool]] = []

    def __call__(self, store: str, command: str, ms: float, *, failed: bool) -> None:
        assert ms >= 0
        self.told.append((store, command, failed))


@pytest.fixture
def observer() -> Observer:
    return Observer()


async def test_reads_and_writes_of_sqlite_are_told_by_module_and_function(tmp_path: Path, observer: Observer) -> None:
    documents = SqliteDocuments(SqliteDatabase(tmp_path / "c.db", observer=observer))
    await documents.open()
    observer.told.clear()
    await documents.get_many([MemoryId("x")], scope=SCOPE, now=NOW)
    await documents.count(SCOPE)
    await documents.put_meta("k", b"v")
    await documents.aclose()
    assert observer.told == [
        ("sqlite", "documents.get_many", False),
        ("sqlite", "maintenance.count", False),
        ("sqlite", "maintenance.put_meta", False),
    ]


async def test_a_closed_database_fails_and_says_so(tmp_path: Path, observer: Observer) -> None:
    database = SqliteDatabase(tmp_path / "c.db", observer=observer)
    with pytest.raises(Unavailable):
        await database.read(partial(maintenance.count, "anna"))
    assert observer.told == [("sqlite", "maintenance.count", True)]


@pytest.mark.parametrize(
    ("error", "told"),
    [(NotFound("x"), False), (Conflict("x"), False), (Unavailable("x"), True), (ZeroDivisionError("x"), True)],
)
async def test_that_there_is_no_such_record_is_an_answer(observer: Observer, error: Exception, told: bool) -> None:
    async def fail() -> None:
        raise error

    with pytest.raises(type(error)):
        await observed(fail(), observer, "s", "c")
    assert observer.told == [("s", "c", told)]


async def test_a_command_that_was_given_up_is_not_told(observer: Observer) -> None:
    task = asyncio.create_task(observed(asyncio.Event().wait(), observer, "s", "c"))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait((task,))
    assert task.cancelled()
    assert observer.told == []


def test_commands_to_mongodb_are_told_by_collection_and_name(observer: Observer) -> None:
    times = CommandTimes(observer)
    filtered = {"find": "memories", "filter": {"source_user_id": "anna"}}
    times.started(CommandStartedEvent(filtered, "db", 1, ("host", 1), 1))
    times.started(CommandStartedEvent({"ping": 1}, "db", 2, ("host", 1), 2))
    times.succeeded(CommandSucceededEvent(timedelta(milliseconds=3), {}, "ping", 2, ("host", 1), 2))
    times.failed(CommandFailedEvent(timedelta(milliseconds=3), {}, "find", 1, ("host", 1), 1))
    assert observer.told == [("mongodb", "ping", False), ("mongodb", "memories.find", True)]


def test_the_name_of_a_command_comes_from_its_code() -> None:
    def inner() -> None:
        """A function in a function."""

    assert command_of(partial(partial(maintenance.count, "anna"), None)) == "maintenance.count"
    assert command_of(inner) == "test_observability_stores.test_the_name_of_a_command_comes_from_its_code"
    assert command_of(lambda: None) == "test_observability_stores.test_the_name_of_a_command_comes_from_its_code"


async def test_the_loop_is_measured_while_the_monitor_is_entered() -> None:
    measured = Measurements()
    async with LoopLagMonitor(measured, interval_s=0.0):
        for _ in range(20):
            await asyncio.sleep(0)
    ((_, timing),) = measured.timings(LOOP_LAG)
    count = timing.whole().count
    for _ in range(20):
        await asyncio.sleep(0)
    assert timing.whole().count == count


async def test_the_process_knows_what_it_uses() -> None:
    told = read_process()
    assert told.rss_bytes > 1 << 20
    assert told.peak_rss_bytes > 1 << 20
    assert told.tasks == 1
    assert told.open_files is None or told.open_files > 0
