"""The client is configured for a server that may fail, errors become ours, and no address or value gets into them."""

import logging
from datetime import timedelta
from typing import Any

import pytest
from bson.errors import InvalidDocument
from pymongo import errors as driver
from pymongo.monitoring import CommandStartedEvent, CommandSucceededEvent

from stores.errors import Conflict, Full, StoreError, Timeout, Unavailable
from stores.mongo.client import MongoDatabase, MongoOptions
from stores.mongo.faults import store_error, translated
from stores.mongo.monitoring import CommandCounter, SlowCommandLog

SECRET = "secret-word"


async def settings_of(url: str, options: MongoOptions | None = None) -> dict[str, Any]:
    """Return what the driver made of a URL and options, without connecting."""
    database = MongoDatabase(url, options=options or MongoOptions())
    database._connect()
    handle = database.handle
    made = handle.client.options
    pool = made.pool_options
    settings = {
        "max_pool": pool.max_pool_size,
        "min_pool": pool.min_pool_size,
        "max_idle_s": pool.max_idle_time_seconds,
        "wait_queue_s": pool.wait_queue_timeout,
        "server_selection_s": made.server_selection_timeout,
        "timeout_s": made.timeout,
        "retry_writes": made.retry_writes,
        "appname": pool.metadata["application"]["name"],
        "database": handle.name,
        "durable": handle.write_concern.document,
        "zone": handle.codec_options.tzinfo,
        "deadline_s": database._timeout_s,
    }
    await database.aclose(None)
    return settings


async def test_pools_and_deadlines_are_the_ones_of_the_requirements() -> None:
    settings = await settings_of("mongodb://127.0.0.1:1")
    assert {name: value for name, value in settings.items() if name != "zone"} == {
        "max_pool": 100,
        "min_pool": 10,
        "max_idle_s": 30,
        "wait_queue_s": 5,
        "server_selection_s": 5,
        "timeout_s": 5,
        "retry_writes": True,
        "appname": "context0",
        "database": "context0",
        "durable": {"w": "majority", "j": True},
        "deadline_s": 5,
    }
    assert str(settings["zone"]) == "UTC"


async def test_what_the_url_says_wins_except_over_durability() -> None:
    url = "mongodb://127.0.0.1:1/mine?maxPoolSize=7&minpoolsize=0&timeoutMS=1500&w=0&journal=false&retryWrites=false"
    settings = await settings_of(url)
    assert (settings["database"], settings["max_pool"], settings["min_pool"]) == ("mine", 7, 0)
    assert (settings["timeout_s"], settings["deadline_s"]) == (1.5, 1.5)
    assert settings["durable"] == {"w": "majority", "j": True}
    assert settings["retry_writes"] is False
    assert settings["wait_queue_s"] == 5


@pytest.mark.parametrize(
    "url", [f"http://anna:{SECRET}@host", f"mongodb://anna:{SECRET}@host:port/x", "mongodb://", ""]
)
async def test_a_url_that_is_none_is_refused_without_being_quoted(url: str) -> None:
    with pytest.raises(StoreError) as caught:
        await MongoDatabase(url).open(object())
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(("url", "database"), [(None, None), ("mongodb://x", object())])
def test_either_a_url_or_a_database_is_given(url: str | None, database: Any) -> None:
    with pytest.raises(ValueError, match="either"):
        MongoDatabase(url, database=database)


@pytest.mark.parametrize("prefix", ["$", "a.b", "system ", "x" * 65, "a\0"])
def test_a_prefix_is_a_plain_name(prefix: str) -> None:
    with pytest.raises(ValueError, match="prefix"):
        MongoDatabase("mongodb://x", options=MongoOptions(collection_prefix=prefix))


def test_the_address_is_not_in_the_representation() -> None:
    assert SECRET not in repr(MongoDatabase(f"mongodb://anna:{SECRET}@host/x"))


def bulk(*codes: int, concern: int | None = None) -> driver.BulkWriteError:
    concerns = [] if concern is None else [{"code": concern, "errmsg": SECRET}]
    return driver.BulkWriteError(
        {
            "writeErrors": [{"index": 0, "code": code, "errmsg": SECRET} for code in codes],
            "writeConcernErrors": concerns,
        }
    )


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (driver.NetworkTimeout(SECRET), Timeout),
        (driver.ExecutionTimeout(SECRET, 50), Timeout),
        (driver.WTimeoutError(SECRET, 64, {"errInfo": {"wtimeout": True}}), Timeout),
        (driver.WaitQueueTimeoutError(SECRET), Timeout),
        (driver.OperationFailure(SECRET, 262), Timeout),
        (driver.AutoReconnect(SECRET), Unavailable),
        (driver.NotPrimaryError(SECRET), Unavailable),
        (driver.ConnectionFailure(SECRET), Unavailable),
        (driver.ServerSelectionTimeoutError(SECRET), Unavailable),
        (driver.WriteConcernError(SECRET, 64), Unavailable),
        (driver.CursorNotFound(SECRET, 43), Unavailable),
        (driver.OperationFailure(SECRET, 11602), Unavailable),
        (driver.OperationFailure(SECRET, 18), Unavailable),
        (driver.InvalidOperation(SECRET), Unavailable),
        (driver.ConfigurationError(SECRET), Unavailable),
        (driver.DuplicateKeyError(SECRET, 11000), Conflict),
        (bulk(11000), Conflict),
        (bulk(11000, concern=64), Unavailable),
        (bulk(11000, 14031), Full),
        (driver.OperationFailure(SECRET, 14031), Full),
        (driver.DocumentTooLarge(SECRET), StoreError),
        (driver.OperationFailure(SECRET, 17419), StoreError),
        (driver.OperationFailure(SECRET, 2), StoreError),
        (driver.OperationFailure(SECRET), StoreError),
        (driver.ProtocolError(SECRET), StoreError),
        (InvalidDocument(SECRET), StoreError),
        (OverflowError(SECRET), StoreError),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value.__name__,
)
def test_driver_errors_become_ours_with_their_cause_and_without_their_text(
    fault: Exception, expected: type[StoreError]
) -> None:
    with pytest.raises(StoreError) as caught, translated(1.5):
        raise fault
    assert type(caught.value) is expected
    assert caught.value.__cause__ is fault
    assert SECRET not in str(caught.value)


def test_messages_say_what_to_do() -> None:
    assert "1.5 s" in str(store_error(driver.NetworkTimeout(""), 1.5))
    assert "unknown outcome" in str(store_error(driver.WriteConcernError("", 64), 1))
    assert "16 MB" in str(store_error(driver.OperationFailure("", 10334), 1))


def test_our_own_errors_pass_and_other_faults_stay_themselves() -> None:
    conflict = Conflict("mine")
    with pytest.raises(Conflict) as caught, translated(1):
        raise conflict
    assert caught.value is conflict
    with pytest.raises(KeyError), translated(1):
        raise KeyError("a mistake of ours")


def started(name: str, command: dict[str, Any], number: int = 1) -> CommandStartedEvent:
    return CommandStartedEvent({name: command.pop(name), **command}, "db", number, ("host", 1), 1)


def succeeded(name: str, micros: int, number: int = 1) -> CommandSucceededEvent:
    return CommandSucceededEvent(timedelta(microseconds=micros), {}, name, number, ("host", 1), 1)


def test_slow_commands_are_logged_by_name_collection_and_time_only(caplog: pytest.LogCaptureFixture) -> None:
    slow = SlowCommandLog(100)
    with caplog.at_level(logging.WARNING, "stores.mongo"):
        slow.started(started("find", {"find": "memories", "filter": {"source_user_id": SECRET}}))
        slow.succeeded(succeeded("find", 99_999))
        assert not caplog.records
        slow.started(started("getMore", {"getMore": 17, "collection": "memories"}))
        slow.succeeded(succeeded("getMore", 100_000))
    [record] = caplog.records
    fields = {name: record.__dict__[name] for name in ("msg", "command", "collection", "ms", "outcome")}
    assert fields == {
        "msg": "mongo.slow_command",
        "command": "getMore",
        "collection": "memories",
        "ms": 100.0,
        "outcome": "succeeded",
    }
    assert not slow._collections
    assert SECRET not in str(record.__dict__)


def test_commands_that_never_end_do_not_pile_up() -> None:
    slow = SlowCommandLog(100)
    for number in range(30_000):
        slow.started(started("find", {"find": "memories"}, number))
    assert len(slow._collections) <= 10_000


def test_a_counter_counts_what_was_sent() -> None:
    counter = CommandCounter()
    for name, command in [("find", {"find": "a"}), ("find", {"find": "b"}), ("endSessions", {"endSessions": []})]:
        counter.started(started(name, dict(command)))
    assert (counter.names, counter.totals()) == (["find", "find"], {"find": 2})
    counter.reset()
    assert counter.sent == []
